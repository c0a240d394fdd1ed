--- `$node` dead.*: dead letters looked at, sent back, and removed.
local common = require "moonpost.admin.common"
local body_of = require "moonpost.body"
local errors = require "moonpost.errors"
local inside = require "moonpost.inside"
local nearest = require "moonpost.nearest"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

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
local CHOICE = {
  id = common.ID, all = { read = shape.boolean }, dry = { read = shape.boolean },
  limit = { read = common.PAGES.limit.read, default = common.PAGE_MAX }, after = common.PAGES.after,
}
local REMOVE = fields(CHOICE)
local REQUEUE = fields {
  body = {}, to = common.ADDRESS, rate = { read = units.rate }, ahead = { read = shape.number(0, 2 ^ 53), default = 0 },
}
for name, field in pairs(REMOVE) do REQUEUE[name] = field end

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

local function dead_list(_, given)
  local items, after = inside.letters(query_of(common.read("dead.list", LIST, given)))
  for _, item in ipairs(items) do
    item.reason = #item.reason > REASON_SHOWN and item.reason:sub(1, REASON_SHOWN - 3) .. "..." or item.reason
  end
  items, after = common.bounded(items, after, PAGE_BYTES, size_of)
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

-- ---- which ones ----

local function chosen(method, taken)
  if taken.id then return letters_of(taken) end
  local filtered = taken.agent or taken.code or taken.reason or taken.since or taken["until"]
  if not filtered and not taken.all then
    errors.raise("BAD_VALUE", method .. ": which? id, a filter (agent, code, reason, since, until), or all = true")
  end
  local letters, after = inside.letters(query_of(taken))
  return common.bounded(letters, after, CHANGE_BYTES, function(letter) return letter.bytes end)
end

-- ---- requeue ----

--- Somebody who is linked upstream may serve it; here nobody else can.
local function check_target(to)
  local known, upstream = common.known_addresses()
  if not to or known[to] or upstream then return end
  common.not_found(("to: no agent at %s%s"):format(show(to), nearest.hint(to, known)))
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

--- Nobody wants it any more when it is handed over.
local function has_expired(letter, delay)
  return letter.expires_at ~= nil and letter.expires_at <= runtime.now() + delay
end

local function dead_requeue(request, given)
  local taken = common.read("dead.requeue", REQUEUE, given)
  check_target(taken.to)
  local bytes, encoding = new_body(taken.body)
  local letters, after = chosen("dead.requeue", taken)
  local requeued, expired = 0, 0
  for _, letter in ipairs(letters) do
    local delay = taken.rate and (taken.ahead + requeued) / taken.rate or 0
    if not taken.id and has_expired(letter, delay) then
      expired = expired + 1
    else
      if not taken.dry then inside.requeue(request, letter.handle, taken.to, bytes, encoding, delay) end
      requeued = requeued + 1
    end
  end
  return { requeued = requeued, expired = expired, after = after }
end

-- ---- remove ----

local function dead_remove(request, given, from)
  local taken = common.read("dead.remove", REMOVE, given)
  local letters, after = chosen("dead.remove", taken)
  if taken.dry then return { removed = #letters, after = after } end
  for _, letter in ipairs(letters) do inside.remove(request, letter.handle) end
  if #letters > 0 then
    runtime.log("warn", ("removed %d dead letter%s, as %s asked"):format(#letters, #letters == 1 and "" or "s", from))
  end
  return { removed = #letters, after = after }
end

return {
  ["dead.list"] = dead_list,
  ["dead.show"] = dead_show,
  ["dead.requeue"] = dead_requeue,
  ["dead.remove"] = dead_remove,
}
