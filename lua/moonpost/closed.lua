--- Tables whose names are all known: another name is an error, not nil.
local errors = require "moonpost.errors"
local nearest = require "moonpost.nearest"

local closed = {}

--- A set of the words in a text.
---@param text string
---@return table<string, boolean>
function closed.words(text)
  local set = {}
  for word in text:gmatch("%S+") do set[word] = true end
  return set
end

local function index(prefix, known, later)
  local names = {}
  for name in pairs(known) do names[name] = true end
  for name in pairs(later) do names[name] = true end
  return function(_, name)
    if later[name] then errors.not_yet(prefix .. name) end
    errors.misuse(("%s%s: unknown%s"):format(prefix, tostring(name), nearest.hint(name, names)))
  end
end

--- Close a table: unknown names raise with the nearest one, later names raise UNSUPPORTED, and nothing
--- can be set.
---@generic T: table
---@param prefix string
---@param self T
---@param later table<string, boolean>
---@return T
function closed.close(prefix, self, later)
  return setmetatable(self, {
    __index = index(prefix, self, later),
    __newindex = function(_, name)
      errors.misuse(("%s%s: cannot be set"):format(prefix, tostring(name)))
    end,
  })
end

return closed
