--- Addresses of agents: "name@domain".
local errors = require "moonpost.errors"
local show = require "moonpost.show"

local address = {}

local BYTES_MAX = 255
local PATTERN = "^[^%s%c@*>$][^%s%c@*>]*@[^%s%c@*>]+$"

--- A reader for shapes.
---@param value any
---@return string|nil
---@return string|nil reason
---@return string|nil code
function address.read(value)
  if type(value) == "string" then
    if #value <= BYTES_MAX and value:find(PATTERN) then return value end
    if value:sub(1, 1) == "$" then return nil, show(value) .. ": " .. errors.NOT_YET, "UNSUPPORTED" end
    if #value > BYTES_MAX then return nil, ("has %d bytes; at most %d"):format(#value, BYTES_MAX) end
  end
  return nil, show(value) .. ' is not an address; write "name@domain"'
end

return address
