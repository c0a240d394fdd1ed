--- Iteration in a stable order: `pairs` has none.
local errors = require "moonpost.errors"
local iteration = require "moonpost.iteration"

local function before(left, right)
  local left_type, right_type = type(left), type(right)
  if left_type ~= right_type then return left_type == "number" end
  return left < right
end

--- Like pairs: numbers first, then strings. The keys are those of the beginning; what has gone since is
--- left out.
---@generic K, V
---@param map table<K, V>
---@return fun(): K, V
local function sorted_pairs(map)
  if type(map) ~= "table" then errors.misuse("sorted_pairs: expected a table, got " .. type(map)) end
  local keys = {}
  for key in iteration.pairs(map) do
    if type(key) ~= "number" and type(key) ~= "string" then
      errors.misuse("sorted_pairs: a " .. type(key) .. " as a key has no order")
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, before)
  local index = 0
  return function()
    repeat
      index = index + 1
    until keys[index] == nil or map[keys[index]] ~= nil
    return keys[index], map[keys[index]]
  end
end

return sorted_pairs
