--- Plain data of state as text and back. It is JSON; tables with keys that JSON has no place for (numbers that are not
--- 1 to n, numbers beside names) are written as objects whose names tell: "\1" and the number, or "\1\1" before a name
--- that itself begins with "\1". The same data is always the same text: names are sorted.
local body = require "moonpost.body"
local errors = require "moonpost.errors"
local runtime = require "moonpost.runtime"

local record = {}

local MARK = "\1"
local DEPTH_MAX = 64

local function number_name(number)
  return MARK .. ("%.17g"):format(number)
end

local function has_names_only(value)
  for key in pairs(value) do
    if type(key) ~= "string" or key:sub(1, 1) == MARK then return false end
  end
  return true
end

local function is_array(value)
  local count = 0
  for key in pairs(value) do
    if type(key) ~= "number" then return false end
    count = count + 1
  end
  return count == #value
end

local disguise

local function disguised_name(key, path)
  if type(key) == "number" then return number_name(key) end
  if type(key) ~= "string" then errors.raise("BAD_VALUE", ("%s has a key that is a %s"):format(path, type(key))) end
  return key:sub(1, 1) == MARK and MARK .. key or key
end

function disguise(value, path, depth)
  if type(value) ~= "table" then return value end
  if depth > DEPTH_MAX then errors.raise("BAD_VALUE", path .. " is too deep, or contains itself") end
  local copy, as_it_is = setmetatable({}, getmetatable(value)), is_array(value)
  for key, member in pairs(value) do
    local name = as_it_is and key or disguised_name(key, path)
    copy[name] = disguise(member, ("%s[%s]"):format(path, tostring(key)), depth + 1)
  end
  return copy
end

local function undisguised_name(name)
  if name:sub(1, 1) ~= MARK then return name end
  if name:sub(2, 2) == MARK then return name:sub(2) end
  return tonumber(name:sub(2))
end

local function undisguise(value)
  if type(value) ~= "table" then return value end
  if has_names_only(value) or is_array(value) then
    for key, member in pairs(value) do value[key] = undisguise(member) end
    return value
  end
  local plain = {}
  for name, member in pairs(value) do plain[undisguised_name(name)] = undisguise(member) end
  return plain
end

--- The text of a value; raises BAD_VALUE with the path of what is not plain data.
---@param value any
---@param path string
---@return string
function record.encode(value, path)
  local ok, text = pcall(body.json, value, path)
  if ok and not text:find("\\u0001", 1, true) then return text end
  if not ok and not (errors.is(text) and text.reason:find("has a hole at", 1, true)
    or errors.is(text) and text.reason:find("both numbers and names", 1, true)) then error(text, 0) end
  return body.json(disguise(value, path, 1), path)
end

--- The value of a text that `encode` made: a new one each time.
---@param text string
---@return any
function record.decode(text)
  local value = runtime.json_decode(text)
  return text:find("\\u0001", 1, true) and undisguise(value) or value
end

return record
