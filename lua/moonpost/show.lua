--- Values as they appear in error texts.

--- A short text for a value: strings quoted (and cut), scalars as they are, the rest by type.
---@param value any
---@return string
local function show(value)
  local kind = type(value)
  if kind == "string" then
    local text = #value > 60 and value:sub(1, 57) .. "..." or value
    return '"' .. text:gsub('[%c"\\]', function(letter) return ("\\%03d"):format(letter:byte()) end) .. '"'
  end
  if kind == "nil" or kind == "number" or kind == "boolean" then return tostring(value) end
  return "a " .. kind
end

return show
