--- Where the files are that come with the executable: those of the build tree, of an installation
--- (PREFIX/share/moonpost), or of a rock, which luarocks keeps in a folder of its own.
local shell = require "moonpost.shell"

local installed = {}

local IN_BUILD_TREE = { examples = "examples", meta = "lua/moonpost/meta" }

local function parent(path, levels)
  for _ = 1, levels do path = path:match("^(.*)/[^/]*$") or "" end
  return path
end

-- A tree may hold several versions; the executable is of the last.
local function of_rock(tree, name)
  local pattern = tree .. "/lib/luarocks/rocks-5.1/moonpost/%s/share/moonpost/" .. name
  local found = shell.list(pattern:format("*"))
  return found[#found] or pattern:format("VERSION")
end

--- The folder with this name.
---@param name "examples"|"meta"
---@return string|nil
---@return string[] tried
function installed.folder(name)
  local exe = shell.exe()
  local tree = parent(exe, 2)
  local tried = {
    parent(exe, 4) .. "/" .. IN_BUILD_TREE[name],
    tree .. "/share/moonpost/" .. name,
    of_rock(tree, name),
  }
  for _, place in ipairs(tried) do
    if shell.kind(place) == "folder" then return place, tried end
  end
  return nil, tried
end

return installed
