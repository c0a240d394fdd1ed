--- A private copy of a scenario's files, gone when this process is.
local shell = require "moonpost.shell"

local stage = {}

--- Copy a scenario and its neighbours; answers the copy's folder.
---@param scenario table
---@return string
function stage.open(scenario)
  local above, temp = scenario.folder .. "/..", shell.temp()
  assert(shell.copy_tree(scenario.folder, temp .. "/" .. scenario.name))
  for _, neighbour in ipairs(scenario.neighbours) do
    assert(shell.copy_tree(above .. "/" .. neighbour, temp .. "/" .. neighbour))
  end
  return temp .. "/" .. scenario.name
end

return stage
