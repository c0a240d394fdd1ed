--- A small JSON, enough to specify the facade without C.
local fake_json = {}

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(letter) return ("\\u%04x"):format(letter:byte()) end) .. '"'
end

--- @param fail fun(reason: string) raises
function fake_json.encoder(null, array_mt, fail)
  local encode

  local function blame(path, what)
    fail((path == "" and " " or path .. " ") .. what)
  end

  local function array(items, path)
    local texts = {}
    for index = 1, #items do texts[index] = encode(items[index], ("%s[%d]"):format(path, index)) end
    return "[" .. table.concat(texts, ",") .. "]"
  end

  local function map(members, path)
    local names, texts = {}, {}
    for name in pairs(members) do
      if type(name) ~= "string" then blame(path, "has a key that is no string") end
      names[#names + 1] = name
    end
    table.sort(names)
    for index, name in ipairs(names) do
      texts[index] = quoted(name) .. ":" .. encode(members[name], path == "" and name or path .. "." .. name)
    end
    return "{" .. table.concat(texts, ",") .. "}"
  end

  function encode(value, path)
    local kind = type(value)
    if value == null or kind == "nil" then return "null" end
    if kind == "string" then return quoted(value) end
    if kind == "boolean" then return tostring(value) end
    if kind == "number" then
      if value ~= value or value == math.huge or value == -math.huge then blame(path, "is not finite") end
      return ("%.17g"):format(value)
    end
    if kind ~= "table" then blame(path, "is a " .. kind) end
    if #value > 0 or getmetatable(value) == array_mt then return array(value, path) end
    return map(value, path)
  end

  return function(value) return encode(value, "") end
end

--- Values of one line, by turning the text into Lua.
function fake_json.decode(text)
  local lua = text:gsub('"([^"]*)"%s*:', '["%1"]='):gsub("%[(%s*[^\"])", "{%1"):gsub("%]([^=])", "}%1"):gsub("%]$", "}")
  local chunk = text:find("[%a]%s*%(") == nil and loadstring("local null; return " .. lua)
  if not chunk then return nil, "not JSON", "BAD_JSON" end
  return chunk()
end

return fake_json
