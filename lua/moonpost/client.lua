--- `moonpost.client { ... }`: a node's client for programs and specs. Its verbs wait.
local closed = require "moonpost.closed"
local environment = require "moonpost.environment"
local errors = require "moonpost.errors"
local profile = require "moonpost.profile"
local receipt = require "moonpost.receipt"
local retry = require "moonpost.retry"
local runtime = require "moonpost.runtime"
local send_table = require "moonpost.send"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local stream = require "moonpost.stream"
local units = require "moonpost.units"
local wait = require "moonpost.wait"

local client = {}

---@class moonpost.Client
local methods = {}

-- The runtime's handles, apart from the clients so that scripts do not see them.
local handles = setmetatable({}, { __mode = "k" })

local read_path = shape.string(4000)

-- Memory is what there is without one.
local function store(value)
  if value == "memory" then return "" end
  return read_path(value)
end

local FIELDS = {
  link = { read = shape.string(255) },
  name = { read = shape.string(255) },
  profile = { read = profile.read },
  await = { read = shape.choice { sent = true, stored = true, handled = true } },
  send = { read = function(value) return retry.read(value, "send") end },
  window = { read = shape.whole(1, 8192), default = 64 },
  store = { read = store, default = "" },
}

local function handle_of(self, verb)
  local handle = handles[self]
  if handle == nil then errors.misuse(verb .. ": not a client; write client:" .. verb .. "(...)") end
  return handle
end

local function failure(fault)
  if errors.is(fault) then return nil, fault.reason, fault.code end
  error(fault, 0)
end

-- A send that the program does not wait for tells a function how it ended.
local function with_receipt(message)
  local on_done = message.on_done
  if on_done then
    message.on_done = function(fields) return on_done(receipt.new(fields)) end
  end
  return message
end

local function read_send(to, body, options, verb)
  return with_receipt(send_table.normalise(to, body, options, verb))
end

-- The receipt when all went well, otherwise nil, reason, code, receipt. An id is an answer too.
local function submit(handle, message)
  if handle == false then return nil, "the client is closed", "GONE" end
  local ok, answer = wait.ask("client_send", handle, message)
  if not ok then return failure(answer) end
  if type(answer) ~= "table" then return answer end
  receipt.new(answer)
  if answer.ok then return answer end
  return nil, answer.reason or answer.code, answer.code, answer
end

--- Send and wait for the receipt of the level awaited; with `await = "none"` answers the id at once.
---@param to string
---@param body any plain data
---@param options table|nil
---@return moonpost.Receipt|string|nil
---@return string|nil reason
---@return string|nil code
---@return moonpost.Receipt|nil receipt
function methods:send(to, body, options)
  local handle = handle_of(self, "send")
  return submit(handle, read_send(to, body, options, "client:send"))
end

local function result_of(answer, reason, code, refusal)
  if answer == nil then return nil, reason, code, refusal end
  return receipt.result(answer)
end

--- Send, wait until it is handled, and answer the handler's result.
---@param to string
---@param body any plain data
---@param options table|nil
---@return any result
---@return string|nil reason
---@return string|nil code
---@return moonpost.Receipt|nil receipt
function methods:call(to, body, options)
  local handle = handle_of(self, "call")
  return result_of(submit(handle, send_table.call(to, body, options, "client:call")))
end

-- ---- many at once ----

local BATCH_MAX = 1000

-- { to =, body =, option = ... } as a send of its own.
local function item_of(item, index, verb)
  if type(item) ~= "table" then
    errors.misuse(("%s: [%d]: expected a table with `to` and `body`, got %s"):format(verb, index, show(item)))
  end
  local options = {}
  for name, value in pairs(item) do
    if name ~= "to" and name ~= "body" then options[name] = value end
  end
  return read_send(item.to, item.body, options, "client:send")
end

local function receipts_of(answers)
  for index, answer in pairs(answers) do
    if type(answer) == "table" then answers[index] = receipt.new(answer) end
  end
  return answers
end

local function submit_all(handle, kind, messages)
  if handle == false then return nil, "the client is closed", "GONE" end
  local ok, answers = wait.ask(kind, handle, messages)
  if not ok then return failure(answers) end
  return receipts_of(answers)
end

--- Send many at once, each for itself, and wait for their receipts: an array, some perhaps with `ok = false`.
---@param items table[] { to =, body =, and options of a send }
---@return (moonpost.Receipt|string)[]|nil receipts ids in the place of those with `await = "none"`
---@return string|nil reason
---@return string|nil code
function methods:send_batch(items)
  local handle = handle_of(self, "send_batch")
  if type(items) ~= "table" then errors.misuse("client:send_batch: expected an array, got " .. show(items)) end
  if #items > BATCH_MAX then
    errors.misuse(("client:send_batch: %d items, and at most %d go at once"):format(#items, BATCH_MAX))
  end
  local messages = {}
  for index, item in ipairs(items) do messages[index] = item_of(item, index, "client:send_batch") end
  return submit_all(handle, "client_send_all", messages)
end

---@class moonpost.Transaction
local Transaction = {}

--- Send when the transaction's function has returned.
---@param to string
---@param body any plain data
---@param options table|nil
---@return string id
function Transaction:send(to, body, options)
  local messages = self.messages
  if not messages then errors.misuse("tx:send: the transaction has ended") end
  local message = read_send(to, body, options, "tx:send")
  if #messages == BATCH_MAX then
    errors.raise("TOO_LARGE", ("a transaction has at most %d messages"):format(BATCH_MAX))
  end
  message.id = message.id or runtime.new_id()
  messages[#messages + 1] = message
  return message.id
end

closed.close("tx:", Transaction, closed.words "publish")
local transaction = { __name = "moonpost.transaction", __index = Transaction }

-- Refused by this node before any was sent: all have the same code.
local function refused(receipts, reason, code)
  if receipts == nil then return nil, reason, code end
  local first = receipts[1]
  if type(first) ~= "table" or first.ok or first.attempt > 0 then return receipts end
  return nil, first.reason or first.code, first.code, receipts
end

--- Send what a function sends with `tx:send`: all of it, or nothing when it raises or when one of them is refused.
---@param body fun(tx: moonpost.Transaction)
---@return (moonpost.Receipt|string)[]|nil receipts
---@return string|nil reason
---@return string|nil code
---@return moonpost.Receipt[]|nil receipts of a transaction that was refused
function methods:transaction(body)
  local handle = handle_of(self, "transaction")
  if type(body) ~= "function" then errors.misuse("client:transaction: expected a function, got " .. show(body)) end
  local tx = setmetatable({ messages = {} }, transaction)
  local ok, fault = pcall(body, tx)
  local messages = tx.messages
  tx.messages = false
  if not ok then return failure(fault) end
  return refused(submit_all(handle, "client_transact", messages))
end

local read_id = shape.string(128)

-- The outbox of this client, then the node that it is linked to.
local function cancel_at(self, handle, id)
  local ok, answer = wait.ask("client_cancel", handle, id)
  if not ok then return failure(answer) end
  if answer.ok then return true end
  local _, reason, code = self:call("$node", { id = id }, { method = "cancel", fail_fast = true })
  if not code then return true end
  if code == "REJECTED" then code = "GONE" end
  return nil, reason, code
end

--- Take a message back that nobody was handed yet: one of this client that has not left, or one that waits, or is
--- delayed, at the node that it is linked to.
---@param id string
---@return true|nil
---@return string|nil reason
---@return string|nil code "GONE": no such message waits there (any more)
function methods:cancel(id)
  local handle = handle_of(self, "cancel")
  local valid, reason = read_id(id)
  if not valid then errors.misuse("client:cancel: id: " .. reason) end
  if handle == false then return nil, "the client is closed", "GONE" end
  return cancel_at(self, handle, id)
end

local FLUSH = { timeout = { read = units.timeout, default = math.huge } }

--- Wait until all that was sent with `await = "none"` has come as far as it was to, or to its end.
---@param options { timeout: moonpost.Duration|nil }|nil
---@return true|nil
---@return string|nil reason
---@return string|nil code "TIMEOUT"
---@return string[]|nil left their ids
function methods:flush(options)
  local handle = handle_of(self, "flush")
  local timeout = shape.construct("client:flush", FLUSH, options == nil and {} or options).timeout
  if handle == false then return nil, "the client is closed", "GONE" end
  local ok, left = wait.ask("client_flush", handle, timeout)
  if not ok then return failure(left) end
  if not left then return true end
  return nil, ("%d of what was sent is still on its way after %g s"):format(#left, timeout), "TIMEOUT", left
end

local function submit_stream(handle, message)
  if handle == false then return nil, "the client is closed", "GONE" end
  local ok, answer = stream.submit(handle, message)
  if not ok then return failure(answer) end
  return answer
end

--- Ask a question that is answered by parts, and wait until the answer begins. What it answers is called for the next
--- part, as `for` does.
---@param to string "$node"
---@param body any plain data
---@param options table|nil
---@return moonpost.Stream|nil
---@return string|nil reason
---@return string|nil code
function methods:stream(to, body, options)
  local handle = handle_of(self, "stream")
  local message = send_table.call(to, body, options, "client:stream")
  if to ~= "$node" then errors.not_yet("client:stream", "only $node answers by parts in this version") end
  local asked, reason, code = submit_stream(handle, message)
  if not asked then return nil, reason, code end
  local ok, answer = pcall(stream.opened, asked)
  if not ok then return failure(answer) end
  return answer
end

--- For commands: send, and hear with stream.news of each step on the way, the receipt at last.
---@param self moonpost.Client
---@return moonpost.Stream|nil
---@return string|nil reason
---@return string|nil code
function client.follow(self, to, body, options)
  return submit_stream(handle_of(self, "send"), send_table.normalise(to, body, options, "client:send"))
end

--- Close it; a second time changes nothing.
---@return true|nil
---@return string|nil reason
---@return string|nil code
function methods:close()
  local handle = handle_of(self, "close")
  if handle == false then return true end
  handles[self] = false
  local ok, fault = wait.ask("client_close", handle)
  if not ok then return failure(fault) end
  return true
end

local LATER = closed.words "publish take"
closed.close("client:", methods, LATER)
local metatable = { __name = "moonpost.client", __index = methods }

local ELSEWHERE = {
  handler = "only in programs (moonpost exec); in an agent use ctx:send or ctx:call",
  load = "only in programs (moonpost exec); in an agent use ctx:send or ctx:call",
  hook = "only in programs (moonpost exec), not in a hook",
  policy = "only in programs (moonpost exec), not in a policy",
}

-- The environment is stronger than the default and weaker than what the program says.
local function profile_from_environment()
  local named = environment "PROFILE"
  if not named then return nil end
  local read, reason = profile.read(named)
  if not read then errors.misuse("MOONPOST_PROFILE: " .. reason) end
  return read
end

--- Open a client.
---@param options table|nil
---@return moonpost.Client|nil
---@return string|nil reason
---@return string|nil code
function client.open(options)
  local elsewhere = ELSEWHERE[runtime.place()]
  if elsewhere then errors.misuse("moonpost.client: " .. elsewhere) end
  local taken = shape.construct("client", FIELDS, options == nil and {} or options)
  taken.profile = taken.profile or profile_from_environment()
  local ok, handle, code = wait.ask("client_open", taken)
  if not ok then
    if errors.is(handle) then return failure(handle) end
    return nil, handle, code
  end
  local self = setmetatable({}, metatable)
  handles[self] = handle
  return self
end

return client
