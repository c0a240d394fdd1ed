--- The files that a node in a folder would load, as `moonpost run` chooses them.
local inspect = require "moonpost.inspect"
local json = require "moonpost.json"
local shell = require "moonpost.shell"

local files = {}

---@class moonpost.cli.Project
---@field settings_file string|nil
---@field root string
---@field settings table|nil what the settings file says, in normal form; nil: it has faults
---@field reason string|nil then why it cannot be loaded
---@field values table the settings in force that the environment and flags can change
---@field origins table<string, string> and who changed them: by "SEND_FIRST"

--- A path of the settings, seen from here.
---@param root string
---@param path string
---@return string
function files.at(root, path)
  return (root == "." or path:sub(1, 1) == "/") and path or root .. "/" .. path
end

--- The settings of a folder: those of the file, or of node.lua if it is there, under environment and flags.
---@param path string|false|nil false: there is none
---@param flags string[][]|nil pairs: "STORE", "memory"
---@return moonpost.cli.Project|nil
---@return string|nil reason of a wrong flag or variable
function files.project(path, flags)
  if path == nil and shell.kind "node.lua" then path = "node.lua" end
  path = path or nil
  local found, reason, code = inspect.settings(path, flags)
  if not found and code == "USAGE" then return nil, reason end
  local root = path and path:match("^(.*)/[^/]*$") or "."
  if not found then return { settings_file = path, root = root, reason = reason, values = {}, origins = {} } end
  return {
    settings_file = path,
    root = root == "" and "/" or root,
    settings = found.text and json.decode(found.text) or nil,
    values = found.values,
    origins = found.origins,
  }
end

--- The files of a list of the settings, and the entries that stand for none.
---@param root string
---@param patterns (string|false)[]
---@return string[] paths
---@return string[] missing
function files.matches(root, patterns)
  local paths, missing = {}, {}
  for _, pattern in ipairs(patterns) do
    local found = pattern and shell.list(files.at(root, pattern)) or {}
    for _, path in ipairs(found) do paths[#paths + 1] = path end
    if pattern and #found == 0 then missing[#missing + 1] = pattern end
  end
  return paths, missing
end

-- What is raised after loading has the name of our own chunk in front of it.
local function named(path, reason)
  local rest = reason:match("^moonpost: (.*)$")
  if not rest then return reason end
  return rest:find("^[^:]+%.lua:") and rest or path .. ": " .. rest
end

--- What a file of a kind says when it is loaded; nil and the reason.
---@param kind "agent"|"policy"
---@param path string
---@return table|nil
---@return string|nil reason
function files.load(kind, path)
  local text, reason = inspect.load(kind, path)
  if not text then return nil, named(path, reason) end
  return json.decode(text)
end

return files
