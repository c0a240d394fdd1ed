--- `$node`: what a node answers to the programs of its own user. C calls `answer` with each request; what is
--- changed takes place right after it, and the answer leaves when the change is durable.
local address = require "moonpost.address"
local body_of = require "moonpost.body"
local errors = require "moonpost.errors"
local inside = require "moonpost.inside"
local nearest = require "moonpost.nearest"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

local admin = {}

local PAGE, PAGE_MAX = 100, 1000
local REASON_SHOWN = 256
local REFUSAL_SHOWN = 1000
local ATTACHED_SHOWN = 1000
local NEAREST_IDS = 1000
local RESULT_MAX = 1024 * 1024
local PAGE_BYTES = 256 * 1024 -- of texts in a page
local CHANGE_BYTES = 16 * 1024 * 1024 -- of bodies that go back at once: all of them are one batch
local QUEUES_SHOWN = 1000

-- Methods of the API that this version refuses.
local LATER = {}
for name in ([[agents links drain purge peek dead.remove trace tail config metrics store]])
  :gmatch("%S+") do
  LATER[name] = true
end

-- ---- what requests hold ----

--- Epoch seconds of a moment; a duration is so long ago.
local function moment(value)
  local ago = type(value) == "string" and units.duration(value)
  if ago then return math.max(0, runtime.now() - ago) end
  local seconds, reason = units.moment(value)
  if seconds then return seconds end
  return nil, reason .. ', or how long ago: "2h"'
end

local TEXT = { read = shape.string(1024) }
local ID = { read = shape.string(128) }
local ADDRESS = { read = address.read }
local FILTERS = { agent = ADDRESS, code = TEXT, reason = TEXT, since = { read = moment }, until_ = { read = moment } }

local function fields(more)
  local all = {}
  for name, field in pairs(FILTERS) do all[name == "until_" and "until" or name] = field end
  for name, field in pairs(more) do all[name] = field end
  return all
end

local PAGES = {
  limit = { read = shape.whole(1, PAGE_MAX), default = PAGE },
  after = { read = shape.number(0, 2 ^ 53) },
}
local LIST = fields(PAGES)
local SHOW = { id = { read = ID.read, required = true }, agent = ADDRESS }
local REQUEUE = fields {
  id = ID, all = { read = shape.boolean }, body = {}, to = ADDRESS, rate = { not_yet = true },
  limit = { read = PAGES.limit.read, default = PAGE_MAX }, after = PAGES.after,
}
local RELOAD = {
  address = ADDRESS, dry = { read = shape.boolean }, to = { not_yet = true }, reschedule = { not_yet = true },
}
local GENERATIONS = { address = ADDRESS }
local QUEUE = { address = { read = address.read, required = true } }

local function read(method, wanted, given)
  local taken, reason, code = shape.read(wanted, given == nil and {} or given)
  if taken then return taken end
  local first = reason:sub(1, 1)
  errors.raise(code or "BAD_VALUE", method .. ((first == "." or first == "[") and "" or ": ") .. reason)
end

local function not_found(reason)
  errors.raise("NOT_FOUND", reason)
end

-- ---- status ----

local function with_addresses(links)
  local attached, count = inside.attached(ATTACHED_SHOWN)
  local by_link = {}
  for _, at in ipairs(attached) do
    by_link[at.link] = by_link[at.link] or {}
    table.insert(by_link[at.link], at.address)
  end
  for _, link in ipairs(links) do
    local addresses = by_link[link.name]
    if addresses then table.sort(addresses) end
    link.addresses = addresses
  end
  return links, count
end

local function is_of_interest(queue)
  return queue.served or queue.paused or queue.waiting + queue.leased + queue.deferred + queue.awaiting + queue.dead > 0
end

local function by_address(left, right)
  return left.address < right.address
end

--- Mailboxes and outboxes, each by address; those that hold nothing and serve nobody are left out.
local function queues()
  local mailboxes = setmetatable({}, runtime.array_mt)
  local outboxes = setmetatable({}, runtime.array_mt)
  for _, queue in ipairs(inside.queues()) do
    local list = queue.kind == "mailbox" and mailboxes or outboxes
    queue.kind = nil
    if is_of_interest(queue) then list[#list + 1] = queue end
  end
  table.sort(mailboxes, by_address)
  table.sort(outboxes, by_address)
  return mailboxes, outboxes
end

local function cut(reason)
  return #reason > REFUSAL_SHOWN and reason:sub(1, REFUSAL_SHOWN - 3) .. "..." or reason
end

--- Of agents whose latest reload was refused.
local function refusals()
  local found = setmetatable({}, runtime.array_mt)
  for _, generation in ipairs(inside.generations()) do
    if generation.refusal and generation.state == "current" and #found < QUEUES_SHOWN then
      found[#found + 1] = { address = generation.address, generation = generation.generation,
        at = generation.refused_at, reason = cut(generation.refusal) }
    end
  end
  return found
end

--- An answer has an end: how many of a list are left out.
local function shorten(list)
  local left_out = math.max(0, #list - QUEUES_SHOWN)
  for index = #list, QUEUES_SHOWN + 1, -1 do list[index] = nil end
  return left_out
end

local function status(_, given)
  read("status", {}, given)
  local node = inside.node()
  node.now = runtime.now()
  node.version = require("moonpost").VERSION
  local mailboxes, outboxes = queues()
  local links, attached = with_addresses(inside.links())
  return {
    node = node,
    counts = inside.counts(),
    left_out = { mailboxes = shorten(mailboxes), outboxes = shorten(outboxes), links = shorten(links) },
    mailboxes = mailboxes,
    outboxes = outboxes,
    links = links,
    attached = attached,
    refused = refusals(),
  }
end

-- ---- dead letters ----

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
  local items, after = inside.letters(query_of(read("dead.list", LIST, given)))
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
  local letters = inside.letters { id = taken.id, agent = taken.agent, limit = PAGE_MAX, whole = whole }
  if #letters == 0 then
    not_found(("no dead letter %s%s here%s"):format(show(taken.id), taken.agent and " of " .. taken.agent or "",
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
  return plain(letters_of(read("dead.show", SHOW, given), true)[1])
end

-- ---- requeue ----

local function known_addresses()
  local known, upstream = {}, false
  for _, queue in ipairs(inside.queues()) do known[queue.address] = queue.served or nil end
  for _, at in ipairs((inside.attached(ATTACHED_SHOWN))) do known[at.address] = at.link end
  for _, link in ipairs(inside.links()) do upstream = upstream or link.address ~= nil end
  return known, upstream
end

--- Somebody who is linked upstream may serve it; here nobody else can.
local function check_target(to)
  local known, upstream = known_addresses()
  if not to or known[to] or upstream then return end
  not_found(("to: no agent at %s%s"):format(show(to), nearest.hint(to, known)))
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
  local taken = read("dead.requeue", REQUEUE, given)
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

-- ---- pause, resume ----

local function mailbox_of(name)
  local known = {}
  for _, queue in ipairs(inside.queues()) do
    if queue.kind == "mailbox" and is_of_interest(queue) then
      if queue.address == name then return queue end
      known[queue.address] = true
    end
  end
  local elsewhere = known_addresses()[name]
  if elsewhere then not_found(("%s is served by node %s; ask that one"):format(name, elsewhere)) end
  not_found(("no mailbox %s here%s"):format(show(name), nearest.hint(name, known)))
end

local function set_paused(method, paused)
  return function(request, given, from)
    local queue = mailbox_of(read(method, QUEUE, given).address)
    inside.pause(request, queue.address, paused)
    local changed = queue.paused ~= paused
    if changed then
      runtime.log("info", ("%s %s, as %s asked"):format(paused and "paused" or "resumed", queue.address, from))
    end
    return { address = queue.address, paused = paused, changed = changed, waiting = queue.waiting }
  end
end

-- ---- generations, reload ----

local function generations_of(name)
  local known, found = {}, setmetatable({}, runtime.array_mt)
  for _, generation in ipairs(inside.generations()) do
    known[generation.address] = true
    if not name or generation.address == name then found[#found + 1] = generation end
  end
  if name and #found == 0 then not_found(("no agent %s here%s"):format(show(name), nearest.hint(name, known))) end
  table.sort(found, function(left, right)
    if left.address ~= right.address then return left.address < right.address end
    return left.generation < right.generation
  end)
  return found
end

local function generations(_, given)
  local items = generations_of(read("generations", GENERATIONS, given).address)
  for _, item in ipairs(items) do item.refusal = item.refusal and cut(item.refusal) end
  return { items = items, left_out = shorten(items) }
end

-- With an address its agent is loaded again whether its files have changed or not.
local function reload(_, given)
  local taken = read("reload", RELOAD, given)
  if taken.address then generations_of(taken.address) end
  local items, refused = inside.reload(taken.address, taken.dry, taken.address ~= nil or taken.dry), 0
  for _, item in ipairs(items) do
    if item.result == "refused" then refused, item.reason = refused + 1, cut(item.reason) end
  end
  return { items = items, left_out = shorten(items), refused = refused }
end

-- ---- methods ----

local METHODS = {
  status = status,
  ["dead.list"] = dead_list,
  ["dead.show"] = dead_show,
  ["dead.requeue"] = dead_requeue,
  generations = generations,
  reload = reload,
  pause = set_paused("pause", true),
  resume = set_paused("resume", false),
}

local function method_of(name)
  if METHODS[name] then return METHODS[name] end
  if LATER[name] then errors.not_yet("$node: " .. name) end
  if name == "" then errors.raise("NO_METHOD", "$node does nothing without a method, such as status") end
  errors.raise("NO_METHOD", ("$node has no method %s%s"):format(show(name), nearest.hint(name, METHODS)))
end

local function result_of(request, method, body, from)
  return body_of.encode(method_of(method)(request, body, from), "result")
end

--- Answer a request.
---@param request number names it when something is changed
---@param method string
---@param body any
---@param from string who asks
---@return string|nil code nil: done
---@return string|nil reason
---@return string|nil result bytes
---@return string|nil encoding
function admin.answer(request, method, body, from)
  local ok, result, encoding = pcall(result_of, request, method, body, from)
  if ok then return nil, nil, result, encoding end
  if not errors.is(result) then error(result, 0) end
  return result.code, result.reason
end

return admin
