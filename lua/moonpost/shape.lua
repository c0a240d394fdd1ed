--- What a constructor's table may hold: a small declarative checker.
---
--- A shape is a table of fields: `{ timeout = { read = units.duration, default = 30 } }`. A reader
--- takes a value and answers it in normal form, or `nil, reason [, code]`. A reason that starts with
--- "." or "[" begins with the path inside the value, so paths are only built when something is wrong.
local errors = require "moonpost.errors"
local nearest = require "moonpost.nearest"
local show = require "moonpost.show"
local sorted_pairs = require "moonpost.sorted_pairs"

local shape = {}

---@class moonpost.Field
---@field read (fun(value: any): any, string|nil, string|nil)|nil nil takes any value
---@field default any
---@field required boolean|nil
---@field not_yet boolean|nil a name of the API that this version refuses
---@field refused string|nil why it cannot be used here
---@field hidden boolean|nil never suggested

local function segment(key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then return "." .. key end
  return "[" .. show(key) .. "]"
end

local function join(path, reason)
  local first = reason:sub(1, 1)
  if first == "." or first == "[" then return path .. reason end
  return path .. ": " .. reason
end

local function suggestions(fields)
  local names = {}
  for name, field in pairs(fields) do
    if not field.hidden and not field.refused then names[name] = true end
  end
  return names
end

local function unknown_key(fields, given)
  local worst
  for key in pairs(given) do
    if fields[key] == nil and (worst == nil or tostring(key) < tostring(worst)) then worst = key end
  end
  if worst == nil then return nil end
  return join(segment(worst), "unknown key" .. nearest.hint(worst, suggestions(fields)))
end

--- Check a table and answer a new one in normal form.
---@param fields table<string, moonpost.Field>
---@param given any
---@return table|nil
---@return string|nil reason
---@return string|nil code "UNSUPPORTED" for what is not there yet
function shape.read(fields, given)
  if type(given) ~= "table" then return nil, "expected a table, got " .. show(given) end
  local unknown = unknown_key(fields, given)
  if unknown then return nil, unknown end
  local taken = {}
  for name, field in sorted_pairs(fields) do
    local value = given[name]
    if value == nil then
      if field.required then return nil, join(segment(name), "required") end
      taken[name] = field.default
    elseif field.not_yet then
      return nil, join(segment(name), errors.NOT_YET), "UNSUPPORTED"
    elseif field.refused then
      return nil, join(segment(name), field.refused)
    else
      local read, reason, code = value, nil, nil
      if field.read then read, reason, code = field.read(value) end
      if read == nil then return nil, join(segment(name), reason), code end
      taken[name] = read
    end
  end
  return taken
end

--- Raise what a reader answered, with the name of the whole before it.
---@param name string
---@param reason string
---@param code string|nil
function shape.refuse(name, reason, code)
  local text = join(name, reason)
  if code then error(errors.new { code = code, reason = text, final = false }, 0) end
  errors.misuse(text)
end

--- Check a constructor's table or raise.
---@param name string such as "agent"
---@param fields table<string, moonpost.Field>
---@param given any
---@return table
function shape.construct(name, fields, given)
  local taken, reason, code = shape.read(fields, given)
  if taken then return taken end
  return shape.refuse(name, reason --[[@as string]], code)
end

--- A reader of a table with these fields.
function shape.table(fields)
  return function(value) return shape.read(fields, value) end
end

--- A reader of values of one Lua type.
function shape.type(name)
  return function(value)
    if type(value) == name then return value end
    return nil, ("expected a %s, got %s"):format(name, show(value))
  end
end

shape.boolean = shape.type("boolean")
shape.func = shape.type("function")

--- A reader of strings from 1 to `most` bytes without control characters.
function shape.string(most)
  return function(value)
    if type(value) ~= "string" then return nil, "expected a string, got " .. show(value) end
    if value == "" then return nil, "is empty" end
    if #value > most then return nil, ("has %d bytes; at most %d"):format(#value, most) end
    if value:find("%c") then return nil, show(value) .. " has control characters" end
    return value
  end
end

--- A reader of numbers between two bounds, included.
function shape.number(least, most)
  return function(value)
    if type(value) == "number" and value >= least and value <= most then return value end
    return nil, ("expected a number from %s to %s, got %s"):format(least, most, show(value))
  end
end

--- A reader of whole numbers between two bounds, included; math.huge only if it is the upper one.
function shape.whole(least, most)
  return function(value)
    if type(value) == "number" and value >= least and value <= most and (value % 1 == 0 or value == most) then
      return value
    end
    local range = most == math.huge and "%d on" or "%d to " .. most
    return nil, ("expected a whole number from " .. range .. ", got %s"):format(least, show(value))
  end
end

--- A reader of one of some words.
---@param words table<string, boolean> false: a word of the API that is not there yet
function shape.choice(words)
  local list, known = {}, {}
  for word, there in sorted_pairs(words) do
    if there then list[#list + 1], known[word] = show(word), true end
  end
  local expected = "expected " .. table.concat(list, ", ") .. ", got "
  return function(value)
    if known[value] then return value end
    if words[value] == false then return nil, show(value) .. ": " .. errors.NOT_YET, "UNSUPPORTED" end
    return nil, expected .. show(value) .. nearest.hint(value, known)
  end
end

-- The key that makes a table no list, if there is one.
local function stray_key(value)
  for key in sorted_pairs(value) do
    if type(key) ~= "number" or key < 1 or key > #value or key % 1 ~= 0 then return key end
  end
end

--- A reader of a list of at most `most` items.
function shape.list(read, most)
  return function(value)
    if type(value) ~= "table" then return nil, "expected a list, got " .. show(value) end
    local stray = stray_key(value)
    if stray ~= nil then return nil, "expected a list, got a table with the key " .. show(stray) end
    if #value > most then return nil, ("has %d items; at most %d"):format(#value, most) end
    local taken = {}
    for index = 1, #value do
      local item, reason, code = read(value[index])
      if item == nil then return nil, join("[" .. index .. "]", reason), code end
      taken[index] = item
    end
    return taken
  end
end

return shape
