--- Moonpost for scripts: everything of API.md that this version has.
local agent = require "moonpost.agent"
local client = require "moonpost.client"
local closed = require "moonpost.closed"
local fault = require "moonpost.fault"
local hook = require "moonpost.hook"
local json = require "moonpost.json"
local log = require "moonpost.log"
local node = require "moonpost.node"
local outcome = require "moonpost.outcome"
local retry = require "moonpost.retry"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local sorted_pairs = require "moonpost.sorted_pairs"
local units = require "moonpost.units"
local wait = require "moonpost.wait"

---@class moonpost
local moonpost = {
  VERSION = "0.1.0",
  agent = agent.new,
  client = client.open,
  clock = runtime.clock,
  defer = outcome.defer,
  drop = hook.drop,
  fault = fault,
  hook = hook.new,
  id = runtime.new_id,
  json = json,
  log = log,
  node = node.new,
  now = runtime.now,
  null = runtime.null,
  reject = outcome.reject,
  retry = outcome.retry,
  retry_policy = retry.policy,
  skip = outcome.skip,
  sorted_pairs = sorted_pairs,
}

--- A table that is a list also when it is empty.
---@generic T
---@param items T[]|nil
---@return T[]
function moonpost.array(items)
  items = items == nil and {} or items
  if type(items) ~= "table" then shape.refuse("moonpost.array", "expected a table, got " .. show(items)) end
  return setmetatable(items, runtime.array_mt)
end

--- Seconds of a duration such as "2m".
---@param duration number|string
---@return number
function moonpost.seconds(duration)
  local seconds, reason = units.duration(duration)
  if not seconds then shape.refuse("moonpost.seconds", reason --[[@as string]]) end
  return seconds
end

--- Wait.
---@param duration number|string
function moonpost.sleep(duration)
  local seconds, reason = units.duration(duration)
  if not seconds then shape.refuse("moonpost.sleep", reason --[[@as string]]) end
  wait.now("sleep", seconds)
end

return closed.close("moonpost.", moonpost, closed.words "all breaker metrics quiet_hours rate_limit webhook")
