--- Values as they appear in error texts.

local NAMED = { ["\\"] = "\\\\", ['"'] = '\\"' }

local function escaped(letter)
  return NAMED[letter] or ("\\%03d"):format(letter:byte())
end

-- JSON is full of quotes of one kind, and is read best between those of the other.
local function quoted(text)
  if text:find('"', 1, true) and not text:find("'", 1, true) then
    return "'" .. text:gsub("[%c\\]", escaped) .. "'"
  end
  return '"' .. text:gsub('[%c"\\]', escaped) .. '"'
end

--- A short text for a value: strings quoted (and cut), scalars as they are, the rest by type.
---@param value any
---@return string
local function show(value)
  local kind = type(value)
  if kind == "string" then
    return quoted(#value > 60 and value:sub(1, 57) .. "..." or value)
  end
  if kind == "nil" or kind == "number" or kind == "boolean" then return tostring(value) end
  return "a " .. kind
end

return show
