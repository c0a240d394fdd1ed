--- "Did you mean": the name that is nearest to one that does not exist.
local nearest = {}

local LENGTH_MAX = 64
local PART_MIN = 3

--- How many letters must be put in, left out, changed or swapped with their neighbour.
local function distance(left, right)
  local before, row, next_row = {}, {}, {}
  for column = 0, #right do row[column] = column end
  for line = 1, #left do
    local letter = left:byte(line)
    next_row[0] = line
    for column = 1, #right do
      local other = right:byte(column)
      local cost = letter == other and 0 or 1
      local best = math.min(row[column] + 1, next_row[column - 1] + 1, row[column - 1] + cost)
      if line > 1 and column > 1 and letter == right:byte(column - 1) and left:byte(line - 1) == other then
        best = math.min(best, before[column - 2] + 1)
      end
      next_row[column] = best
    end
    before, row, next_row = row, next_row, before
  end
  return row[#right]
end

--- A word cut short, or with something behind it: "warning" for "warn".
local function is_part(word, name)
  local short, long = word, name
  if #short > #long then short, long = long, short end
  return #short >= PART_MIN and long:sub(1, #short) == short
end

local function allowed(word, name)
  return math.min(math.max(1, math.floor(math.max(#word, #name) / 3)), #word - 1)
end

--- The nearest of some names, when one is near enough for a slip of the keyboard (a third of its
--- letters). Of two equally near names the first in the alphabet.
---@param word string
---@param names table<string, any> the names are the keys
---@return string|nil
function nearest.find(word, names)
  if type(word) ~= "string" or #word > LENGTH_MAX then return nil end
  local lower, best, least = word:lower(), nil, nil
  for name in pairs(names) do
    if type(name) == "string" and #name <= LENGTH_MAX then
      local steps = is_part(lower, name:lower()) and 1 or distance(lower, name:lower())
      if steps <= allowed(word, name) and (not best or steps < least or (steps == least and name < best)) then
        best, least = name, steps
      end
    end
  end
  return best
end

--- The end of an error text: `; did you mean "attempts"?`, or nothing.
---@param word string
---@param names table<string, any> the names are the keys
---@return string
function nearest.hint(word, names)
  local name = nearest.find(word, names)
  return name and ('; did you mean "%s"?'):format(name) or ""
end

return nearest
