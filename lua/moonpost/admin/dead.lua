--- `$node` dead.*: dead letters looked at, and sent back.
local common = require "moonpost.admin.common"
local body_of = require "moonpost.body"
local errors = require "moonpost.errors"
local inside = require "moonpost.inside"
local nearest = require "moonpost.nearest"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"
local show = require "moonpost.show"

local REASON_SHOWN = 256
local NEAREST_IDS = 1000
local RESULT_MAX = 1024 * 1024
local PAGE_BYTES = 256 * 1024 -- of texts in a page
local CHANGE_BYTES = 16 * 1024 * 1024 -- of bodies that go back at once: all of them are one batch

local FILTERS = {
  agent = common.ADDRESS, code = common.TEXT, reason = common.TEXT, since = common.MOMENT, ["until"] = common.MOMENT,
}

local function fields(more)
  local all = {}
  for name, field in pairs(FILTERS) do all[name] = field end
  for name, field in pairs(more) do all[name] = field end
  return all
end

local LIST = fields(common.PAGES)
local SHOW = { id = { read = common.ID.read, required = true }, agent = common.ADDRESS }
local REQUEUE = fields {
  id = common.ID, all = { read = shape.boolean }, body = {}, to = common.ADDRESS, rate = { not_yet = true },
  limit = { read = common.PAGES.limit.read, default = common.PAGE_MAX }, after = common.PAGES.after,
}

-- ---- looking ----

local function query_of(taken)
  return { agent = taken.agent, id = taken.id, code = taken.code, reason = taken.reason, since = taken.since,
    ["until"] = taken["until"], after = taken.after, limit = taken.limit }
end

local function size_of(item)
  local size = 0
  for _, value in pairs(item) do size = size + (type(value) == "string" and #value or 8) end
  return size
end

--- The letters up to some measure of them all, and where to go on.
local function bounded(letters, after, most, measure)
  local sum = 0
  for index, letter in ipairs(letters) do
    sum = sum + measure(letter)
    if sum > most and index < #letters then
      after = letter.sequence
      for behind = #letters, index + 1, -1 do letters[behind] = nil end
      break
    end
  end
  return letters, after
end

local function dead_list(_, given)
  local items, after = inside.letters(query_of(common.read("dead.list", LIST, given)))
  for _, item in ipairs(items) do
    item.reason = #item.reason > REASON_SHOWN and item.reason:sub(1, REASON_SHOWN - 3) .. "..." or item.reason
  end
  items, after = bounded(items, after, PAGE_BYTES, size_of)
  for _, item in ipairs(items) do item.handle, item.sequence = nil, nil end
  return { items = items, after = after }
end

local function ids()
  local names = {}
  for _, letter in ipairs((inside.letters { limit = NEAREST_IDS })) do names[letter.id] = true end
  return names
end

--- The letters with this id; an id can be at two addresses.
local function letters_of(taken, whole)
  local letters = inside.letters { id = taken.id, agent = taken.agent, limit = common.PAGE_MAX, whole = whole }
  if #letters == 0 then
    common.not_found(("no dead letter %s%s here%s"):format(show(taken.id), taken.agent and " of " .. taken.agent or "",
      nearest.hint(taken.id, ids())))
  end
  if #letters == 1 or taken.agent then return letters end
  local addresses = {}
  for index, letter in ipairs(letters) do addresses[index] = letter.address end
  errors.raise("BAD_VALUE", ("%d dead letters have this id, of %s; say which agent's"):format(#letters,
    table.concat(addresses, ", ")))
end

--- Plain data instead of the msg that a handler gets; without the body when that is too much.
local function plain(letter)
  local msg = letter.message
  letter.handle, letter.sequence, letter.message = nil, nil, nil
  letter.headers, letter.sent_at = msg.headers, msg.sent_at
  letter.body = msg.body
  local ok, text = pcall(body_of.json, letter, "letter")
  if ok and #text <= RESULT_MAX then return letter end
  letter.body, letter.body_left_out = nil, ok and "it is too large to be shown" or "it cannot be shown as JSON"
  return letter
end

local function dead_show(_, given)
  return plain(letters_of(common.read("dead.show", SHOW, given), true)[1])
end

-- ---- requeue ----

--- Somebody who is linked upstream may serve it; here nobody else can.
local function check_target(to)
  local known, upstream = common.known_addresses()
  if not to or known[to] or upstream then return end
  common.not_found(("to: no agent at %s%s"):format(show(to), nearest.hint(to, known)))
end

local function chosen(taken)
  if taken.id then return letters_of(taken) end
  local filtered = taken.agent or taken.code or taken.reason or taken.since or taken["until"]
  if not filtered and not taken.all then
    errors.raise("BAD_VALUE", "dead.requeue: which? id, a filter (agent, code, reason, since, until), or all = true")
  end
  local letters, after = inside.letters(query_of(taken))
  return bounded(letters, after, CHANGE_BYTES, function(letter) return letter.bytes end)
end

local function new_body(value)
  if value == nil then return nil end
  local bytes, encoding = body_of.encode(value, "body")
  local most = inside.node().body_max
  if #bytes > most then
    errors.raise("TOO_LARGE", ("the body has %d bytes; body_max is %d"):format(#bytes, most))
  end
  return bytes, encoding
end

local function has_expired(letter)
  return letter.expires_at ~= nil and letter.expires_at <= runtime.now()
end

local function dead_requeue(request, given)
  local taken = common.read("dead.requeue", REQUEUE, given)
  check_target(taken.to)
  local bytes, encoding = new_body(taken.body)
  local letters, after = chosen(taken)
  local requeued, expired = 0, 0
  for _, letter in ipairs(letters) do
    if not taken.id and has_expired(letter) then
      expired = expired + 1
    else
      inside.requeue(request, letter.handle, taken.to, bytes, encoding)
      requeued = requeued + 1
    end
  end
  return { requeued = requeued, expired = expired, after = after }
end

return {
  ["dead.list"] = dead_list,
  ["dead.show"] = dead_show,
  ["dead.requeue"] = dead_requeue,
}
