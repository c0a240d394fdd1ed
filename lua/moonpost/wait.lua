--- Waiting: a coroutine hands what it waits for to the runtime and is resumed with the answer.
local errors = require "moonpost.errors"
local runtime = require "moonpost.runtime"

local wait = {}

local yield = coroutine.yield
local WAIT = runtime.WAIT

local VERBS = {
  sleep = "moonpost.sleep",
  call = "ctx:call",
  client_open = "moonpost.client",
  client_send = "client:send",
  client_send_all = "client:send_batch",
  client_transact = "client:transaction",
  client_cancel = "client:cancel",
  client_flush = "client:flush",
  client_close = "client:close",
  client_stream = "client:stream",
  stream_next = "the next part of a stream",
  stream_close = "stream:close",
}
local CAN_WAIT = { handler = true, program = true, spec = true }
local PLACES = { load = "while a file loads", hook = "in a hook", policy = "in a policy" }
local NOT_THE_CALLBACK = { pcall = true, xpcall = true, yield = true, resume = true }

local function cannot_wait(kind, place)
  return errors.new { code = "CANNOT_WAIT", reason = (VERBS[kind] or kind) .. " cannot wait " .. place }
end

--- Where a yield failed: in a callback of a C function, whose name is often known.
local function callback_place()
  for level = 3, 50 do
    local frame = debug.getinfo(level, "Sn")
    if not frame then break end
    if frame.what == "C" and frame.name and not NOT_THE_CALLBACK[frame.name] then
      return "in a callback of " .. frame.name
    end
  end
  return "in a callback of a C function, such as table.sort"
end

--- What to say of a yield that failed: an error object.
---@param kind string
---@param reason any what yield raised
---@return any
function wait.failed(kind, reason)
  if type(reason) ~= "string" or not reason:find("attempt to yield", 1, true) then return reason end
  return cannot_wait(kind, callback_place())
end

local function answered(kind, yielded, ok, ...)
  if not yielded then error(wait.failed(kind, ok), 0) end
  return ok, ...
end

--- Wait, and answer what the runtime answers: true and results, or false and what went wrong.
--- Raises CANNOT_WAIT where waiting is impossible.
---@param kind string
---@param first any
---@param second any
---@return boolean ok
---@return any ...
function wait.ask(kind, first, second)
  local place = runtime.place()
  if not CAN_WAIT[place] then error(cannot_wait(kind, PLACES[place] or "here"), 0) end
  return answered(kind, pcall(yield, WAIT, kind, first, second))
end

local function results(ok, ...)
  if not ok then error((...), 0) end
  return ...
end

--- The same, but what went wrong is raised.
---@param kind string
---@param first any
---@param second any
---@return any ...
function wait.now(kind, first, second)
  return results(wait.ask(kind, first, second))
end

return wait
