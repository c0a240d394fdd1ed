--- A scenario as a project of one's own.
local shell = require "moonpost.shell"

local STATE = "/.run" -- of nodes that were started where it was copied from
local INCLUDED = "^include (%.%./[%w_-]+/Makefile)%s*$"

local function write(path, text)
  local file, reason = io.open(path, "w")
  if not file then return nil, reason end
  local ok, wrong = file:write(text)
  local closed, why = file:close()
  return ok and closed, wrong or why
end

-- A Makefile that is another scenario's comes along as text.
local function own_makefile(from, to)
  local text = shell.read_file(from .. "/Makefile")
  local included = text and text:match(INCLUDED)
  if not included then return true end
  local whole, reason = shell.read_file(from .. "/" .. included)
  if not whole then return nil, reason end
  return write(to .. "/Makefile", whole)
end

local function copy_folder(from, to)
  local ok, reason = shell.copy_tree(from, to)
  if ok and shell.kind(to .. STATE) then ok, reason = shell.remove_tree(to .. STATE) end
  if not ok then return nil, reason end
  return own_makefile(from, to)
end

local function beside(folder, name)
  local above = folder:match("^(.*)/[^/]*$")
  return (above and above .. "/" or "") .. name
end

--- Copy a scenario, and beside it those that it is built on.
---@param scenario table
---@param folder string must not be there
---@return string[]|nil copied the folders, the scenario's first
---@return string|nil reason
return function(scenario, folder)
  if shell.kind(folder) then return nil, folder .. " is here already; name another folder" end
  local ok, reason = copy_folder(scenario.folder, folder)
  if not ok then return nil, reason end
  local copied = { folder }
  for _, name in ipairs(scenario.neighbours) do
    local place = beside(folder, name)
    if not shell.kind(place) then
      ok, reason = copy_folder(beside(scenario.folder, name), place)
      if not ok then return nil, reason end
      copied[#copied + 1] = place
    end
  end
  return copied
end
