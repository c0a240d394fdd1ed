--- Variables of the environment that look like ours and mean nothing.
local machine = require "moonpost.machine"
local nearest = require "moonpost.nearest"

local variables = {}

-- What is not of settings: scenarios, the bench and builds with planted bugs have variables of their own.
local function is_other(name)
  return name == "MOONPOST_EXAMPLES" or name == "MOONPOST_PLANT" or name:find("^MOONPOST_BENCH") ~= nil
end

--- One text for each variable that is set and that nobody reads, with the nearest name.
---@return string[]
function variables.unknown()
  local set, known = machine.variables()
  local names, texts = {}, {}
  for _, name in ipairs(known) do names[name] = true end
  for _, name in ipairs(set) do
    if not names[name] and not is_other(name) then
      texts[#texts + 1] = name .. " is set, and means nothing" .. nearest.hint(name, names)
    end
  end
  return texts
end

return variables
