--- Faults: hooks that make things go wrong, on purpose and repeatably. Refused in production.
local address = require "moonpost.address"
local closed = require "moonpost.closed"
local hook = require "moonpost.hook"
local shape = require "moonpost.shape"
local show = require "moonpost.show"

local fault = {}

local function pattern(value)
  if type(value) == "string" and value:find("^[X.]+$") then return value end
  return nil, show(value) .. ' is not a pattern; write X for "drop" and . for "pass", such as "XX."'
end

local FIELDS = {
  type = { read = shape.choice { message = true, event = true, receipt = true, part = true, cancel = true } },
  to = { read = address.read },
  pattern = { read = pattern },
  rate = { read = shape.number(0, 1) },
  seed = { read = shape.whole(1, 2 ^ 31 - 2), default = 1 },
}

local function by_pattern(letters)
  local turn = 0
  return function()
    turn = turn % #letters + 1
    return letters:sub(turn, turn) == "X"
  end
end

-- A random source of its own, so that a seed means the same run everywhere (Park and Miller, 1993).
local function by_rate(rate, seed)
  local state = seed
  local function draw()
    state = state * 48271 % 2147483647
    return state / 2147483647
  end
  for _ = 1, 3 do draw() end
  return function() return draw() < rate end
end

--- A hook that drops envelopes on their way to a link: by a pattern that repeats ("XX." drops two of
--- three), or at a rate.
---@param given { type: string|nil, to: string|nil, pattern: string|nil, rate: number|nil, seed: integer|nil }
---@return moonpost.Hook
function fault.drop(given)
  local taken = shape.construct("fault.drop", FIELDS, given)
  if (taken.pattern == nil) == (taken.rate == nil) then
    shape.refuse("fault.drop", "needs one of pattern and rate")
  end
  local drops = taken.pattern and by_pattern(taken.pattern) or by_rate(taken.rate, taken.seed)
  local kind, to, dropped = taken.type, taken.to, hook.drop("fault")
  local value = hook.new {
    forward = function(envelope)
      if kind and envelope.type ~= kind then return nil end
      if to and envelope.to ~= to then return nil end
      if drops() then return dropped end
    end,
  }
  value.fault = true
  return value
end

return closed.close("moonpost.fault.", fault, closed.words "delay duplicate reorder cut crash")
