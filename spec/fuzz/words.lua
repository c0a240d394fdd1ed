--- What holds of every word that a script may write. The first byte says what the rest is meant to be.
local address = require "moonpost.address"
local retry = require "moonpost.retry"
local units = require "moonpost.units"

local function is_number(value)
  return type(value) == "number" and value == value
end

-- A reader answers a value, or nothing and a sentence.
local function answered(value, reason)
  if value == nil then assert(type(reason) == "string" and reason ~= "") end
  return value
end

local function seconds(value)
  if value ~= nil then assert(is_number(value) and value >= 0) end
end

local function written_moment(value)
  if value == nil then return end
  assert(is_number(value) and math.abs(value) < math.huge)
  local whole = math.floor(value)
  if whole < 0 then return end
  local text = os.date("!%Y-%m-%dT%H:%M:%SZ", whole)
  if #text == 20 then assert(units.moment(text) == whole, text) end
end

local READERS = {
  function(text) seconds(answered(units.duration(text))) end,
  function(text)
    local value = answered(units.timeout(text))
    if value then assert(value > 0) end
  end,
  function(text)
    local value = answered(units.finite_duration(text))
    if value then assert(value < math.huge) end
  end,
  function(text) written_moment(answered(units.moment(text))) end,
  function(text) seconds(answered(units.remaining(text, 1.7e9))) end,
  function(text)
    local value = answered(units.size(text))
    if value then assert(value >= 0 and value % 1 == 0 and value < 2 ^ 53) end
  end,
  function(text)
    local value = answered(units.rate(text))
    if value then assert(is_number(value) and value > 0 and value < math.huge) end
  end,
  function(text)
    local value = answered(address.read(text))
    if value then assert(value == text and #text <= 255 and not text:find "[%s%c]" and text:find "@") end
  end,
}

-- Numbers that a script may write, by one byte.
local NUMBERS = { 0, 1, 2, 0.5, -1, 1e-9, 1e9, 1e300, math.huge, -math.huge, 0 / 0, 2 ^ 53, "1s", "500ms", "7d", "" }

local FIELDS = { "attempts", "first", "factor", "step", "cap", "jitter", "deadline", "delays" }

local function number_of(byte) return NUMBERS[byte % #NUMBERS + 1] end

local function list_of(byte)
  local list = {}
  for index = 1, byte % 18 do list[index] = number_of(byte + index * 7) end
  return list
end

-- A table as a script may write it: a field and its value, two bytes each.
local function policy_of(text)
  local given = {}
  for at = 1, #text - 1, 2 do
    local field = FIELDS[text:byte(at) % #FIELDS + 1]
    given[field] = field == "delays" and list_of(text:byte(at + 1)) or number_of(text:byte(at + 1))
  end
  return given
end

local function check_schedule(policy)
  for _, n in ipairs { 1, 2, 17, 1000 } do
    local delay = policy:delay(n)
    assert(is_number(delay) and delay >= 0 and delay <= policy.cap)
  end
  for _, delay in ipairs(policy:schedule()) do assert(is_number(delay) and delay >= 0) end
end

local ROLES = { "send", "handle", "link" }

local function check_policy(text, check)
  local policy = answered(retry.read(policy_of(text:sub(2)), ROLES[text:byte(1) % #ROLES + 1]))
  if not policy then return end
  check_schedule(policy)
  check(policy)
end

return function(bytes, check)
  local kind = (bytes:byte(1) or 0) % (#READERS + 1)
  local text = bytes:sub(2)
  if kind < #READERS then
    READERS[kind + 1](text)
  elseif #text > 0 then
    check_policy(text, check)
  end
end
