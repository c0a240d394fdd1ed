--- `$node` pause, drain, resume, peek, purge: mailboxes, and what waits in them.
local body_of = require "moonpost.body"
local common = require "moonpost.admin.common"
local inside = require "moonpost.inside"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"

local PEEK, PEEK_MAX = 20, 256
local BODY_SHOWN = 64 * 1024
local PAGE_BYTES = 512 * 1024 -- of bodies in a page
local PURGE_MAX = 2048 -- at once: the loop has other things to do

local STATES = { waiting = true, deferred = true, leased = true, blocked = true, dead = true, awaiting = true }

local LOOK = {
  address = common.QUEUE.address,
  state = { read = shape.choice(STATES) },
  limit = { read = shape.whole(1, PEEK_MAX), default = PEEK },
  after = common.PAGES.after,
}
local REMOVE = {
  address = common.QUEUE.address,
  limit = { read = shape.whole(1, PURGE_MAX), default = PURGE_MAX },
  ["until"] = { read = shape.number(0, 2 ^ 53) },
}

-- ---- held ----

local HOLD = { address = common.QUEUE.address, dry = { read = shape.boolean } }

local DONE = { none = "resumed", paused = "paused", draining = "draining" }

local function hold_of(queue)
  return queue.paused and "paused" or queue.draining and "draining" or "none"
end

local function set_hold(method, hold)
  return function(request, given, from)
    local taken = common.read(method, HOLD, given)
    local queue = common.mailbox_of(taken.address)
    local is = taken.dry and hold_of(queue) or hold
    local changed = hold_of(queue) ~= is
    if changed then
      inside.hold(request, queue.address, hold)
      runtime.log("info", ("%s %s, as %s asked"):format(DONE[hold], queue.address, from))
    end
    return { address = queue.address, paused = is == "paused", draining = is == "draining", changed = changed,
      served = queue.served, waiting = queue.waiting, leased = queue.leased, deferred = queue.deferred }
  end
end

-- ---- peek ----

--- A queue of this name, of either kind; raises NOT_FOUND with the nearest.
local function check_queue(name)
  for _, queue in ipairs(inside.queues()) do
    if queue.address == name and common.is_of_interest(queue) then return end
  end
  common.mailbox_of(name)
end

--- Plain data instead of the msg that a handler gets.
local function plain(item)
  local msg = item.message
  item.message = nil
  item.headers, item.sent_at = msg.headers, msg.sent_at
  if item.bytes > BODY_SHOWN then
    item.body_left_out = "it is too large for a list"
    return item
  end
  item.body = msg.body
  if not pcall(body_of.json, item, "message") then
    item.body, item.body_left_out = nil, "it cannot be shown as JSON"
  end
  return item
end

local function shown_bytes(item)
  return item.bytes > BODY_SHOWN and 0 or item.bytes
end

local function peek(request, given, _, page)
  local taken = common.read("peek", LOOK, given)
  if not page then
    check_queue(taken.address)
    inside.peek(request, taken.address, taken.state, taken.after, taken.limit)
    return common.LATER
  end
  local items, after = common.bounded(page.items, page.after, PAGE_BYTES, shown_bytes)
  setmetatable(items, runtime.array_mt)
  for _, item in ipairs(items) do
    plain(item).sequence = nil
  end
  return { address = taken.address, kind = page.outbox and "outbox" or "mailbox", items = items, after = after }
end

-- ---- purge ----

--- One line for a purge, not one for each of its slices.
local function say_purge(queue, from)
  local count = queue.waiting + queue.deferred
  if count == 0 then return end
  runtime.log("warn", ("purging %d message%s of %s, as %s asked"):format(count, count == 1 and "" or "s", queue.address,
    from))
end

local function purge(request, given, from, page)
  local taken = common.read("purge", REMOVE, given)
  if not page then
    local queue = common.mailbox_of(taken.address)
    if not taken["until"] then say_purge(queue, from) end
    inside.purge(request, queue.address, taken["until"], taken.limit)
    return common.LATER
  end
  return { address = taken.address, purged = page.purged, more = page.after ~= nil, ["until"] = page.last }
end

-- ---- cancel ----

local CANCEL = { id = { read = common.ID.read, required = true } }

--- Whether there was one is known when it is taken back, and then a refusal.
local function cancel(request, given)
  local taken = common.read("cancel", CANCEL, given)
  inside.cancel(request, taken.id)
  return { cancelled = taken.id }
end

return {
  cancel = cancel,
  pause = set_hold("pause", "paused"),
  drain = set_hold("drain", "draining"),
  resume = set_hold("resume", "none"),
  peek = peek,
  purge = purge,
}
