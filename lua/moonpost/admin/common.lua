--- What the methods of `$node` share: how requests are read, and answers kept within bounds.
local address = require "moonpost.address"
local errors = require "moonpost.errors"
local inside = require "moonpost.inside"
local nearest = require "moonpost.nearest"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

local common = {}

local PAGE, PAGE_MAX = 100, 1000
local REFUSAL_SHOWN = 1000
local ATTACHED_SHOWN = 1000
local LIST_SHOWN = 1000

common.PAGE_MAX, common.ATTACHED_SHOWN = PAGE_MAX, ATTACHED_SHOWN

-- ---- what requests hold ----

--- Epoch seconds of a moment; a duration is so long ago.
local function moment(value)
  local ago = type(value) == "string" and units.duration(value)
  if ago then return math.max(0, runtime.now() - ago) end
  local seconds, reason = units.moment(value)
  if seconds then return seconds end
  return nil, reason .. ', or how long ago: "2h"'
end

--- Fields of requests.
common.TEXT = { read = shape.string(1024) }
common.ID = { read = shape.string(128) }
common.ADDRESS = { read = address.read }
common.MOMENT = { read = moment }
common.PAGES = {
  limit = { read = shape.whole(1, PAGE_MAX), default = PAGE },
  after = { read = shape.number(0, 2 ^ 53) },
}
common.QUEUE = { address = { read = address.read, required = true } }

--- What was given, as a method wants it; raises BAD_VALUE and its kin.
function common.read(method, wanted, given)
  local taken, reason, code = shape.read(wanted, given == nil and {} or given)
  if taken then return taken end
  local first = reason:sub(1, 1)
  errors.raise(code or "BAD_VALUE", method .. ((first == "." or first == "[") and "" or ": ") .. reason)
end

function common.not_found(reason)
  errors.raise("NOT_FOUND", reason)
end

-- ---- what answers hold ----

--- A reason, not too long for a list.
function common.cut(reason)
  return #reason > REFUSAL_SHOWN and reason:sub(1, REFUSAL_SHOWN - 3) .. "..." or reason
end

--- An answer has an end: how many of a list are left out.
function common.shorten(list)
  local left_out = math.max(0, #list - LIST_SHOWN)
  for index = #list, LIST_SHOWN + 1, -1 do list[index] = nil end
  return left_out
end

--- What a method answers that is asked once more, with a page.
common.LATER = setmetatable({}, { __name = "later" })

--- The items up to some measure of them all, and where to go on.
function common.bounded(items, after, most, measure)
  local sum = 0
  for index, item in ipairs(items) do
    sum = sum + measure(item)
    if sum > most and index < #items then
      after = item.sequence
      for behind = #items, index + 1, -1 do items[behind] = nil end
      break
    end
  end
  return items, after
end

--- Queues that hold nothing and serve nobody are not.
function common.is_of_interest(queue)
  return queue.served or queue.paused or queue.draining
    or queue.waiting + queue.leased + queue.deferred + queue.awaiting + queue.dead > 0
end

-- ---- who is where ----

--- Addresses, by what serves them: true for an agent here, the name of the link's node; and whether there is a link
--- upstream, behind which others may be.
function common.known_addresses()
  local known, upstream = {}, false
  for _, queue in ipairs(inside.queues()) do known[queue.address] = queue.served or nil end
  for _, at in ipairs((inside.attached(ATTACHED_SHOWN))) do known[at.address] = at.link end
  for _, link in ipairs(inside.links()) do upstream = upstream or link.address ~= nil end
  return known, upstream
end

--- The mailbox of this name; raises NOT_FOUND with the nearest.
function common.mailbox_of(name)
  local known = {}
  for _, queue in ipairs(inside.queues()) do
    if queue.kind == "mailbox" and common.is_of_interest(queue) then
      if queue.address == name then return queue end
      known[queue.address] = true
    end
  end
  local elsewhere = common.known_addresses()[name]
  if elsewhere then common.not_found(("%s is served by node %s; ask that one"):format(name, elsewhere)) end
  common.not_found(("no mailbox %s here%s"):format(show(name), nearest.hint(name, known)))
end

return common
