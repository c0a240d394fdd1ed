--- What a send asks for, checked and in normal form, as the runtime takes it.
local address = require "moonpost.address"
local body_of = require "moonpost.body"
local headers = require "moonpost.headers"
local profile = require "moonpost.profile"
local retry = require "moonpost.retry"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

local send = {}

---@class moonpost.Send
---@field to string
---@field body string bytes
---@field encoding "raw"|"json"
---@field id string|nil
---@field key string|nil
---@field method string|nil
---@field headers table<string, string>|nil
---@field delay number|nil seconds
---@field expires number|nil seconds from now
---@field profile string|nil
---@field retry moonpost.RetryPolicy|function|nil
---@field timeout number|nil seconds
---@field await "sent"|"stored"|"handled"|"none"|nil
---@field on_done (fun(receipt: table))|nil with await = "none"
---@field fail_fast boolean|nil the first answer that costs time is final

local CALL_TIMEOUT = 30

local function at(value)
  local moment, reason = units.moment(value)
  return moment and math.max(0, moment - runtime.now()), reason
end

local function expires(value)
  return units.remaining(value, runtime.now())
end

local function own_retry(value)
  return retry.read(value, "send")
end

---@type table<string, moonpost.Field>
local OPTIONS = {
  id = { read = shape.string(128) },
  key = { read = shape.string(255) },
  method = { read = shape.string(128) },
  headers = { read = headers.read },
  delay = { read = units.finite_duration },
  at = { read = at },
  expires = { read = expires },
  profile = { read = profile.read },
  retry = { read = own_retry },
  timeout = { read = units.timeout },
  await = { read = shape.choice { sent = true, stored = true, handled = true, none = true } },
  fail_fast = { read = shape.boolean, hidden = true },
  priority = { not_yet = true },
  notify = { not_yet = true },
  immediate = { read = shape.boolean },
  on_done = { read = shape.func },
}

-- Options that a verb has no use for, and why.
local REFUSED = {
  ["ctx:send"] = {
    await = "ctx:send does not wait; use ctx:call",
    timeout = "ctx:send does not wait; use ctx:call",
    fail_fast = "only for clients",
    on_done = "only for clients",
  },
  ["ctx:call"] = {
    await = "a call waits until it is handled",
    delay = "a call leaves at once",
    at = "a call leaves at once",
    fail_fast = "only for clients",
    immediate = "a call leaves at once",
    on_done = "only for clients",
  },
  ["tx:send"] = {
    fail_fast = "a transaction is sent as one",
    immediate = "only for ctx:send",
  },
  ["client:send"] = { immediate = "only for ctx:send" },
  ["world:send"] = { immediate = "only for ctx:send" },
  ["client:stream"] = {
    await = "a stream waits for its parts",
    delay = "a stream leaves at once",
    at = "a stream leaves at once",
    immediate = "only for ctx:send",
    on_done = "a stream waits for its parts",
  },
  ["client:call"] = {
    await = "a call waits until it is handled",
    immediate = "only for ctx:send",
    on_done = "a call waits until it is handled",
  },
}

local BY_VERB = {}
for verb, refused in pairs(REFUSED) do
  BY_VERB[verb] = {}
  for name, field in pairs(OPTIONS) do
    BY_VERB[verb][name] = refused[name] and { refused = refused[name] } or field
  end
end

-- Say what is wrong, in a stable order; the quick loop below has found that something is.
local function refuse(fields, options)
  local _, reason, code = shape.read(fields, options)
  return shape.refuse("options", reason or "delay and at exclude each other", code)
end

local function take(message, options, fields)
  if type(options) ~= "table" then shape.refuse("options", "expected a table, got " .. show(options)) end
  for name, value in pairs(options) do
    local field = fields[name]
    local read = field and field.read and field.read(value)
    if read == nil then return refuse(fields, options) end
    message[name] = read
  end
  if message.at then
    if message.delay then return refuse(fields, options) end
    message.delay, message.at = message.at, nil
  end
  if message.expires == math.huge then message.expires = nil end
  if message.on_done and message.await ~= "none" then
    shape.refuse("options", '.on_done: only with await = "none"; else the receipt is what is answered')
  end
  return message
end

-- The node itself answers programs, not agents.
local TO_NODE = { ["client:send"] = true, ["client:call"] = true, ["client:stream"] = true, ["world:send"] = true }

-- A dot in place of the colon moves the body to the first place; or all was given in one table.
local function of_table(to, verb)
  local address_in = rawget(to, "to")
  if address_in ~= nil then
    local first = type(address_in) == "string" and address_in or "name@domain"
    return ("a table is not an address; the address comes first: %s(%s, body, options)"):format(verb, show(first))
  end
  if verb ~= "world:send" then return ("a table is not an address; write %s(to, body), with a colon"):format(verb) end
end

local function check_address(to, verb)
  if to == "$node" then
    if TO_NODE[verb] then return end
    shape.refuse("to", '"$node" answers programs (moonpost.client), not agents', "DENIED")
  end
  local valid, reason, code = address.read(to)
  if type(to) == "table" then reason = of_table(to, verb or "ctx:send") or reason end
  if not valid then shape.refuse("to", reason --[[@as string]], code) end
end

local plain = {}

--- The same as normalise without options, in a table that the next call uses again.
---@param to any
---@param body any
---@return moonpost.Send borrowed until the next call
function send.plain(to, body)
  check_address(to)
  plain.to = to
  plain.body, plain.encoding = body_of.encode(body, "body")
  return plain
end

--- Check what a verb was given. Misuse raises at the caller's line, a body that is not plain data raises
--- BAD_VALUE, what is not there yet raises UNSUPPORTED.
---@param to any
---@param body any
---@param options table|nil
---@param verb string "ctx:send", "ctx:call", "client:send", "client:call"; another takes all options
---@return moonpost.Send
function send.normalise(to, body, options, verb)
  check_address(to, verb)
  local bytes, encoding = body_of.encode(body, "body")
  local message = { to = to, body = bytes, encoding = encoding }
  if options == nil then return message end
  return take(message, options, BY_VERB[verb] or OPTIONS)
end

-- Nobody waits for it after its timeout: then it is not handed over any more, wherever it is.
local function end_with_waiter(message)
  if message.to == "$node" or message.timeout == math.huge then return end
  local over = message.timeout + 0.001
  if not message.expires or message.expires > over then message.expires = over end
end

--- The same for a verb that waits until the message is handled.
---@param to any
---@param body any
---@param options table|nil
---@param verb string
---@return moonpost.Send
function send.call(to, body, options, verb)
  local message = send.normalise(to, body, options, verb)
  message.timeout = message.timeout or CALL_TIMEOUT
  message.await = "handled"
  if verb ~= "client:stream" then end_with_waiter(message) end
  return message
end

return send
