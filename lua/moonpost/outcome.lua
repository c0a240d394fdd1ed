--- Outcomes of a handler: values to return, or to raise from any depth.
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

local outcome = {}

---@class moonpost.Outcome
---@field outcome "retry"|"defer"|"reject"|"skip"
---@field reason string
---@field delay number|nil seconds, of retry and defer
---@field at number|nil epoch seconds, of defer
---@field code string|nil of reject
local metatable = { __name = "moonpost.outcome" }

function metatable.__tostring(self)
  return self.outcome .. ": " .. self.reason
end

-- The latest outcome that each coroutine has made, for handlers that forget to return it.
local latest, running = setmetatable({}, { __mode = "k" }), coroutine.running
local MAIN = {}
do
  local own = running
  running = function() return own() or MAIN end
end

--- How many were made in this state: cheap to compare.
outcome.made = 0

--- The latest one that this coroutine has made since it was last asked, or nil.
---@return moonpost.Outcome|nil
function outcome.take()
  local own = running()
  local value = latest[own]
  latest[own] = nil
  return value
end

local function code(value)
  if type(value) == "string" and #value <= 64 and value:find("^%u[%u%d_]*$") then return value end
  return nil, show(value) .. ' is not a code; write capitals, such as "BAD_ADDRESS"'
end

local RETRY = { delay = { read = units.finite_duration } }
local DEFER = { delay = { read = units.finite_duration }, at = { read = units.moment } }
local REJECT = { code = { read = code, default = "REJECTED" } }
local NO_OPTIONS = {}

local function make(name, reason, fields, options)
  if type(reason) ~= "string" then
    shape.refuse("moonpost." .. name, "reason: expected a string, got " .. show(reason))
  end
  local value = shape.construct("moonpost." .. name, fields, options == nil and NO_OPTIONS or options)
  value.outcome, value.reason = name, reason
  latest[running()] = value
  outcome.made = outcome.made + 1
  return setmetatable(value, metatable)
end

--- Is this value an outcome (of this state)?
---@param value any
---@return boolean
function outcome.is(value)
  return getmetatable(value) == metatable
end

--- Roll back and try again: at the delay given, or when the policy says.
---@param reason string
---@param options { delay: number|string|nil }|nil
---@return moonpost.Outcome
function outcome.retry(reason, options)
  return make("retry", reason, RETRY, options)
end

--- Roll back; not now. Costs no attempt.
---@param reason string
---@param options { delay: number|string|nil, at: number|string|nil } one of the two
---@return moonpost.Outcome
function outcome.defer(reason, options)
  local value = make("defer", reason, DEFER, options)
  if value.delay and value.at then shape.refuse("moonpost.defer", "delay and at exclude each other") end
  if not value.delay and not value.at then shape.refuse("moonpost.defer", "needs delay or at") end
  return value
end

--- Roll back; a dead letter at once.
---@param reason string
---@param options { code: string|nil }|nil
---@return moonpost.Outcome
function outcome.reject(reason, options)
  return make("reject", reason, REJECT, options)
end

--- Ack without effects.
---@param reason string
---@return moonpost.Outcome
function outcome.skip(reason)
  return make("skip", reason, NO_OPTIONS)
end

return outcome
