--- Dedup policies: which key makes two messages the same, and for how long.
local errors = require "moonpost.errors"
local policy_file = require "moonpost.policy"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

local dedup = {}

---@class moonpost.Dedup
---@field kind "none"|"key"
---@field key (fun(msg: table): string)|nil nil: the message's id
---@field ttl number|nil seconds; math.huge: for ever

local DAY = 86400

local function ttl(value)
  if value == "done" then return nil, show(value) .. ": " .. errors.NOT_YET, "UNSUPPORTED" end
  return units.timeout(value)
end

local function keep_result(value)
  if value == false then return nil, "false: " .. errors.NOT_YET, "UNSUPPORTED" end
  return shape.boolean(value)
end

local FIELDS = {
  key = { read = shape.func },
  ttl = { read = ttl, default = DAY },
  keep_result = { read = keep_result },
  version = { not_yet = true },
  wait = { not_yet = true },
}

local function read_value(value)
  if value == "none" then return { kind = "none" } end
  if type(value) == "function" then return nil, "a function: " .. errors.NOT_YET, "UNSUPPORTED" end
  if type(value) ~= "table" then return nil, 'expected "none", a table or a name, got ' .. show(value) end
  local policy, reason, code = shape.read(FIELDS, value)
  if not policy then return nil, reason, code end
  return { kind = "key", key = policy.key, ttl = policy.ttl }
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
