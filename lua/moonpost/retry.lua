--- Retry policies: when again, and when to give up. Pure data and arithmetic.
local policy_file = require "moonpost.policy"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

local retry = {}

-- Where the schedule of a policy that never ends is cut.
local SCHEDULE_MAX = 100
local DELAYS_MAX = 16

---@class moonpost.RetryPolicy
---@field attempts number in all, the first one included; math.huge
---@field first number seconds after the first failure
---@field factor number its growth
---@field step number|nil seconds, instead of factor: linear growth
---@field delays number[]|nil seconds, instead of factor: a list whose last entry repeats
---@field cap number seconds; no wait is longer
---@field jitter number share, 0..1
---@field deadline number|nil seconds in all, from the first attempt
---@field final (fun(failure: table): string|nil)|nil a reason gives up at once
local methods = {}
local metatable = { __name = "moonpost.retry_policy", __index = methods }

local ATTEMPTS = { send = 6, handle = 5, link = math.huge }

local function delays(value)
  local list, reason = shape.list(units.finite_duration, DELAYS_MAX)(value)
  if list and #list == 0 then return nil, "is empty" end
  return list, reason
end

local FIELDS = {
  attempts = { read = shape.whole(1, math.huge) },
  first = { read = units.finite_duration, default = 1 },
  factor = { read = shape.number(1, 1000), default = 2 },
  step = { read = units.finite_duration },
  delays = { read = delays },
  cap = { read = units.duration },
  jitter = { read = shape.number(0, 1), default = 0.1 },
  deadline = { read = units.duration },
  final = { read = shape.func },
}

local GROWTHS = { "delays", "factor", "step" }

local function read_table(value, role)
  local policy, reason, code = shape.read(FIELDS, value)
  if not policy then return nil, reason, code end
  local growth
  for _, name in ipairs(GROWTHS) do
    if value[name] ~= nil and growth then return nil, ("%s and %s exclude each other"):format(growth, name) end
    if value[name] ~= nil then growth = name end
  end
  if policy.delays and value.first ~= nil then return nil, "delays and first exclude each other" end
  policy.attempts = policy.attempts or ATTEMPTS[role]
  policy.cap = policy.cap or (policy.delays and math.huge or 60)
  if policy.deadline == math.huge then policy.deadline = nil end
  local first = policy.delays and policy.delays[1] or policy.first
  if value.cap ~= nil and policy.cap < first then
    return nil, (".cap: %g s is below the first wait, %g s, which could never be (cap-below-first)"):format(policy.cap,
      first)
  end
  return setmetatable(policy, metatable)
end

--- A policy in normal form, from a table, a function, or the name of a file in policies/.
---@param value any
---@param role "send"|"handle"|"link" whose default number of attempts applies
---@return moonpost.RetryPolicy|function|nil
---@return string|nil reason
---@return string|nil code
function retry.read(value, role)
  if type(value) == "function" or getmetatable(value) == metatable then return value end
  if type(value) == "table" then return read_table(value, role) end
  if type(value) ~= "string" then return nil, "expected a table, a function or a name, got " .. show(value) end
  local named, file = policy_file.load(value)
  if named == nil then return nil, file end
  if type(named) == "string" then return nil, file .. " returns a string, not a policy" end
  local policy, reason, code = retry.read(named, role)
  return policy, reason and file .. (reason:find("^[.%[]") and ": retry" or ": ") .. reason, code
end

--- What applies when nobody said anything.
---@param role "send"|"handle"|"link"
---@return moonpost.RetryPolicy
function retry.default(role)
  return read_table({}, role)
end

--- The wait after failure `n` in seconds, without jitter.
---@param n integer 1 is the first
---@return number seconds
function methods:delay(n)
  if type(n) ~= "number" or n < 1 or n % 1 ~= 0 then
    shape.refuse("policy:delay", "expected a whole number from 1 on, got " .. show(n))
  end
  local list = self.delays
  if list then return math.min(list[math.min(n, #list)], self.cap) end
  if self.step then return math.min(self.first + self.step * (n - 1), self.cap) end
  if self.first == 0 then return 0 end -- however far the factor has grown
  return math.min(self.first * self.factor ^ (n - 1), self.cap)
end

--- All waits in seconds, without jitter, up to the last attempt or the deadline; of a policy that
--- does not end, the first hundred.
---@return number[]
function methods:schedule()
  local waits, elapsed = {}, 0
  for n = 1, math.min(self.attempts - 1, SCHEDULE_MAX) do
    local delay = self:delay(n)
    elapsed = elapsed + delay
    if self.deadline and elapsed > self.deadline then break end
    waits[n] = delay
  end
  return waits
end

--- `moonpost.retry_policy { ... }`: a policy that can be asked for its delays.
---@param given table
---@return moonpost.RetryPolicy
function retry.policy(given)
  if type(given) ~= "table" then shape.refuse("retry_policy", "expected a table, got " .. show(given)) end
  local policy, reason, code = retry.read(given, "handle")
  if policy then return policy --[[@as moonpost.RetryPolicy]] end
  return shape.refuse("retry_policy", reason --[[@as string]], code)
end

return retry
