--- Faults: hooks that make things go wrong, on purpose and repeatably. Refused in production.
local address = require "moonpost.address"
local closed = require "moonpost.closed"
local hook = require "moonpost.hook"
local nearest = require "moonpost.nearest"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

local fault = {}

local KINDS -- that the command line knows

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

-- By a pattern that repeats ("XX." hits two of three), or at a rate.
local function chance(name, taken)
  if (taken.pattern == nil) == (taken.rate == nil) then shape.refuse(name, "needs one of pattern and rate") end
  return taken.pattern and by_pattern(taken.pattern) or by_rate(taken.rate, taken.seed)
end

local function is_meant(taken, envelope)
  if taken.type and envelope.type ~= taken.type then return false end
  return not taken.to or envelope.to == taken.to
end

local function fault_of(given)
  local value = hook.new(given)
  value.fault = true
  return value
end

-- A hook on what goes to a link, and what it answers for those that are hit.
local function on_the_way(name, taken, answer)
  local hits = chance(name, taken)
  return fault_of {
    forward = function(envelope)
      if is_meant(taken, envelope) and hits() then return answer end
    end,
  }
end

--- A hook that drops envelopes on their way to a link: by a pattern that repeats ("XX." drops two of
--- three), or at a rate.
---@param given { type: string|nil, to: string|nil, pattern: string|nil, rate: number|nil, seed: integer|nil }
---@return moonpost.Hook
function fault.drop(given)
  return on_the_way("fault.drop", shape.construct("fault.drop", FIELDS, given), hook.drop("fault"))
end

local function with(fields)
  for name, field in pairs(FIELDS) do fields[name] = field end
  return fields
end

local DELAY = with { by = { read = units.finite_duration, required = true } }

--- A hook that makes envelopes so late; what comes meanwhile overtakes them.
---@param given table `by` (a duration), and the fields of the others
---@return moonpost.Hook
function fault.delay(given)
  local taken = shape.construct("fault.delay", DELAY, given)
  return on_the_way("fault.delay", taken, hook.fate { delay = taken.by })
end

--- A hook that sends envelopes twice. What is sent at most once has no number that a copy could be told by, and
--- is left alone.
---@param given { type: string|nil, to: string|nil, pattern: string|nil, rate: number|nil, seed: integer|nil }
---@return moonpost.Hook
function fault.duplicate(given)
  return on_the_way("fault.duplicate", shape.construct("fault.duplicate", FIELDS, given), hook.fate { twice = true })
end

--- A hook that lets the next envelope over the same link overtake; when none comes within half a second, nothing does.
---@param given { type: string|nil, to: string|nil, pattern: string|nil, rate: number|nil, seed: integer|nil }
---@return moonpost.Hook
function fault.reorder(given)
  return on_the_way("fault.reorder", shape.construct("fault.reorder", FIELDS, given), hook.fate { behind = true })
end

-- ---- processes and links ----

local FACTS = closed.words "stored delivered handled retrying deferred dead acked"
local CRASH = {
  at = { read = shape.choice(FACTS), required = true },
  to = FIELDS.to,
  pattern = FIELDS.pattern,
  rate = FIELDS.rate,
  seed = FIELDS.seed,
}

--- A hook that ends the node's process as kill -9 does, at a fact: it is durable then, and nobody has heard of it. The
--- pattern begins anew at each start, so "X" never gets beyond the first; "...X" kills at the fourth.
---@param given { at: string, to: string|nil, pattern: string|nil, rate: number|nil, seed: integer|nil }
---@return moonpost.Hook
function fault.crash(given)
  local taken = shape.construct("fault.crash", CRASH, given)
  local hits = chance("fault.crash", taken)
  return fault_of {
    [taken.at] = function(fact)
      if is_meant(taken, fact) and hits() then runtime.crash() end
    end,
  }
end

local CUT = {
  link = { read = shape.string(255), required = true },
  at = { read = units.finite_duration, default = 0 },
  lasts = { read = units.finite_duration, required = true },
}

--- The link of a world's node to another is cut, so long after the fault was given to `world:fault`, and healed again.
--- Only for worlds: on a real node take the cable, or stop the other node.
---@param given { link: string, at: moonpost.Duration|nil, lasts: moonpost.Duration }
---@return moonpost.Hook
function fault.cut(given)
  local value = fault_of {}
  value.cut = shape.construct("fault.cut", CUT, given)
  return value
end

-- ---- as text, for the command line ----

local NUMBERS = { rate = true, seed = true }

local function read_fields(text, list)
  local fields = {}
  for item in list:gmatch("[^,]+") do
    local name, value = item:match("^(%a+)=(.+)$")
    if not name then error(("%q: %q is not NAME=VALUE"):format(text, item), 0) end
    fields[name] = NUMBERS[name] and tonumber(value) or value
  end
  return fields
end

--- A fault from a text such as "drop:type=receipt,pattern=XX.". Raises for what is none.
---@param text string
---@return moonpost.Hook
function fault.parse(text)
  local kind, list = text:match("^(%a+):(.*)$")
  local make = kind and KINDS[kind]
  if not make then
    local names = "drop, delay, duplicate, reorder and crash"
    error(("%q is no fault; write KIND:NAME=VALUE,... with one of %s, such as drop:type=receipt,pattern=XX.%s")
      :format(text, names, nearest.hint(kind or text, KINDS)), 0)
  end
  return make(read_fields(text, list))
end

KINDS = { drop = fault.drop, delay = fault.delay, duplicate = fault.duplicate, reorder = fault.reorder,
  crash = fault.crash }

return closed.close("moonpost.fault.", fault, {})
