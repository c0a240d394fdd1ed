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
local wait = require "moonpost.wait"

local client = {}

---@class moonpost.Client
local methods = {}

-- The runtime's handles, apart from the clients so that scripts do not see them.
local handles = setmetatable({}, { __mode = "k" })

local function store(value)
  if value == "memory" then return value end
  return nil, show(value) .. ": " .. errors.NOT_YET, "UNSUPPORTED"
end

local FIELDS = {
  link = { read = shape.string(255) },
  name = { read = shape.string(255) },
  profile = { read = profile.read },
  await = { read = shape.choice { sent = true, stored = true, handled = true } },
  send = { read = function(value) return retry.read(value, "send") end },
  window = { read = shape.whole(1, 8192), default = 64 },
  store = { read = store, default = "memory" },
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
  return submit(handle, send_table.normalise(to, body, options, "client:send"))
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

local LATER = closed.words "publish send_batch transaction cancel flush take"
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
