--- Coroutines and protected calls for scripts. A wait inside a script's own coroutine passes outward to
--- the runtime, and its answer back in; what ends a delivery from outside passes through pcall.
local errors = require "moonpost.errors"
local runtime = require "moonpost.runtime"
local wait = require "moonpost.wait"

local coroutines = {
  create = coroutine.create,
  isyieldable = coroutine.isyieldable,
  running = coroutine.running,
  status = coroutine.status,
}

local WAIT = runtime.WAIT
local is_outside = errors.is_outside
local resume, status, yield = coroutine.resume, coroutine.status, coroutine.yield
local pcall, xpcall = pcall, xpcall

-- The answer for the coroutine inside: the runtime's, or why its wait could not get out.
local function passed_in(kind, yielded, ...)
  if yielded then return ... end
  return false, wait.failed(kind, (...))
end

local function outward(kind, ...)
  return passed_in(kind, pcall(yield, WAIT, kind, ...))
end

local function resumed(first, ...)
  if first == WAIT then error("coroutine.yield outside of a coroutine of the script's own", 2) end
  return first, ...
end

--- coroutine.yield; raises where the runtime itself would be told.
---@return any ...
function coroutines.yield(...)
  return resumed(yield(...))
end

local function settle(co, ok, mark, ...)
  if ok and mark == WAIT and status(co) == "suspended" then
    return settle(co, resume(co, outward(...)))
  end
  if not ok and is_outside(mark) then error(mark, 0) end
  return ok, mark, ...
end

--- coroutine.resume
---@param co thread
---@return boolean ok
---@return any ...
function coroutines.resume(co, ...)
  return settle(co, resume(co, ...))
end

local function unwrapped(ok, ...)
  if not ok then error((...), 0) end
  return ...
end

--- coroutine.wrap
---@param body function
---@return function
function coroutines.wrap(body)
  local co = coroutines.create(body)
  return function(...)
    return unwrapped(settle(co, resume(co, ...)))
  end
end

local function protected(ok, fault, ...)
  if not ok and is_outside(fault) then error(fault, 0) end
  return ok, fault, ...
end

--- pcall
---@return boolean ok
---@return any ...
function coroutines.pcall(body, ...)
  return protected(pcall(body, ...))
end

--- xpcall
---@return boolean ok
---@return any ...
function coroutines.xpcall(body, handler, ...)
  return protected(xpcall(body, function(fault)
    if is_outside(fault) then return fault end
    return handler(fault)
  end, ...))
end

return coroutines
