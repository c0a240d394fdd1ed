--- Bodies and results: plain data as bytes. A string travels raw, anything else as JSON.
local errors = require "moonpost.errors"
local runtime = require "moonpost.runtime"

local body = {}

local json_encode = runtime.json_encode

-- Where the script asked for it. A handler that answered has returned, and is nowhere any more.
local function place_of(path)
  return path == "result" and "" or errors.place()
end

-- What the encoder found wrong, with the name of the whole before its path. Its reasons start with a
-- member's name ("items[3] is a function"), with "[", or with a space when the whole is at fault.
local function blame(path, fault)
  if not errors.is(fault) or fault.code ~= "BAD_VALUE" then error(fault, 0) end
  local first = fault.reason:sub(1, 1)
  local joint = (first == "[" or first == " ") and "" or "."
  error(errors.new { code = "BAD_VALUE", reason = place_of(path) .. path .. joint .. fault.reason, final = false }, 0)
end

local BAD_TYPES = { ["function"] = true, thread = true, cdata = true }

--- JSON text of plain data. Raises BAD_VALUE with the path of what is not.
---@param value any
---@param path string what the whole is called in errors
---@return string
function body.json(value, path)
  local kind = type(value)
  if BAD_TYPES[kind] or (kind == "userdata" and value ~= runtime.null) then
    errors.raise("BAD_VALUE", place_of(path) .. path .. " is a " .. kind)
  end
  local ok, text = pcall(json_encode, value)
  if ok then return text end
  return blame(path, text)
end

--- Bytes and the name of their encoding.
---@param value any
---@param path string what the whole is called in errors
---@return string bytes
---@return "raw"|"json" encoding
function body.encode(value, path)
  if type(value) == "string" then return value, "raw" end
  if value == nil then return "null", "json" end
  return body.json(value, path), "json"
end

return body
