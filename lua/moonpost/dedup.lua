--- Dedup policies: which key makes two messages the same, and for how long.
local policy_file = require "moonpost.policy"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

local dedup = {}

---@class moonpost.Dedup
---@field kind "none"|"key"
---@field ask (fun(msg: table): string|nil, number|nil, number|nil)|nil key, version, ttl; nil: the message's id
---@field ttl number|nil seconds; math.huge: for ever; 0: until it is settled
---@field forget_results boolean|nil

local DAY = 86400

local function ttl(value)
  if value == "done" then return 0 end
  local seconds, reason = units.timeout(value)
  if seconds then return seconds end
  return nil, reason .. ', or "done"'
end

local FIELDS = {
  key = { read = shape.func },
  ttl = { read = ttl, default = DAY },
  keep_result = { read = shape.boolean, default = true },
  version = { read = shape.func },
  wait = { not_yet = true },
}

local KEY_MAX = 255

-- What a function of the policy answers is checked when it is asked: its fault is logged, and the id is the key.
local function key_of(value)
  if value == nil then return nil end
  if type(value) == "number" then value = tostring(value) end
  if type(value) == "string" and value ~= "" and #value <= KEY_MAX then return value end
  error(("dedup: the key has to be a string of 1 to %d bytes, got %s"):format(KEY_MAX, show(value)), 0)
end

local function version_of(value)
  if type(value) == "number" and value == value then return value end
  error("dedup: the version has to be a number, got " .. show(value), 0)
end

local function ask_table(policy)
  if not policy.key and not policy.version then return nil end
  return function(msg)
    local key = msg.id
    if policy.key then key = key_of(policy.key(msg)) end
    if key == nil then return nil end
    return key, policy.version and version_of(policy.version(msg)) or nil
  end
end

local ANSWER = { key = {}, version = {}, ttl = { read = ttl } }

local function ask_function(own)
  return function(msg)
    local answer = own(msg)
    if answer == nil then return nil end
    local taken, reason = shape.read(ANSWER, answer)
    if not taken then error("dedup: the answer" .. (reason:find("^[.%[]") and "" or ": ") .. reason, 0) end
    local key = taken.key == nil and msg.id or key_of(taken.key)
    return key, taken.version and version_of(taken.version) or nil, taken.ttl
  end
end

local function read_value(value)
  if value == "none" then return { kind = "none" } end
  if type(value) == "function" then return { kind = "key", ask = ask_function(value), ttl = DAY } end
  if type(value) ~= "table" then
    return nil, 'expected "none", a table, a function or a name, got ' .. show(value)
  end
  local policy, reason, code = shape.read(FIELDS, value)
  if not policy then return nil, reason, code end
  return { kind = "key", ask = ask_table(policy), ttl = policy.ttl, forget_results = not policy.keep_result or nil }
end

--- A policy in normal form, from "none", a table, or the name of a file in policies/.
---@param value any
---@return moonpost.Dedup|nil
---@return string|nil reason
---@return string|nil code
function dedup.read(value)
  if type(value) ~= "string" or value == "none" then return read_value(value) end
  local named, file = policy_file.load(value)
  if named == nil then return nil, file end
  local policy, reason, code = read_value(named)
  return policy, reason and file .. (reason:find("^[.%[]") and ": dedup" or ": ") .. reason, code
end

return dedup
