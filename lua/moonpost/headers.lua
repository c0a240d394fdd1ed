--- Headers of a message: names in lower case, 4 KiB in all.
local show = require "moonpost.show"

local headers = {}

local BYTES_MAX = 4096

local function check(name, value, taken)
  if type(name) ~= "string" or name == "" then return "a name is " .. show(name) .. "; names are strings" end
  local lower = name:lower()
  local at = "[" .. show(name) .. "]: "
  if name:find("[%c%s:]") then return at .. "a name has no spaces, colons or control characters" end
  if lower:sub(1, 9) == "moonpost-" then return at .. '"moonpost-*" is reserved' end
  if type(value) ~= "string" then return at .. "expected a string, got " .. show(value) end
  if taken[lower] then return at .. "is there twice; names have no case" end
end

--- A reader for shapes.
---@param value any
---@return table<string, string>|nil
---@return string|nil reason
function headers.read(value)
  if type(value) ~= "table" then return nil, "expected a table, got " .. show(value) end
  local taken, bytes = {}, 0
  for name, text in pairs(value) do
    local reason = check(name, text, taken)
    if reason then return nil, reason end
    taken[name:lower()] = text
    bytes = bytes + #name + #text
  end
  if bytes > BYTES_MAX then return nil, ("%d bytes in all; at most %d"):format(bytes, BYTES_MAX) end
  return taken
end

return headers
