--- JSON for scripts.
local body = require "moonpost.body"
local closed = require "moonpost.closed"
local errors = require "moonpost.errors"
local runtime = require "moonpost.runtime"

local json = {}

--- Text with sorted keys. Raises BAD_VALUE for what is not plain data.
---@param value any
---@return string
function json.encode(value)
  return body.json(value, "value")
end

--- The value of a text.
---@param text string
---@return any value or nil
---@return string|nil reason
---@return string|nil code "BAD_JSON"
function json.decode(text)
  if type(text) ~= "string" then errors.misuse("json.decode: expected a string, got " .. type(text)) end
  return runtime.json_decode(text)
end

return closed.close("moonpost.json.", json, {})
