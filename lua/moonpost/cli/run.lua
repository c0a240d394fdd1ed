--- `moonpost run`: a node.
local node = require "moonpost.cli.node"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local FAILED = 1
local NO_SETTINGS = "%s is a folder without node.lua; go there and name its agents: cd %s && moonpost run agents/*.lua"
local MISNAMED = "settings are in node.lua, and there is only a moonpost.lua here; rename it: mv moonpost.lua node.lua"

-- A folder stands for its node.lua.
local function files_of(options)
  local files = {}
  for index, path in ipairs(options) do
    files[index] = path
    if shell.kind(path) == "folder" then
      files[index] = path:gsub("(.)/+$", "%1") .. "/node.lua"
      if not shell.kind(files[index]) then return nil, NO_SETTINGS:format(path, path) end
    end
  end
  local misnamed = #files == 0 and not shell.kind "node.lua" and shell.kind "moonpost.lua"
  if misnamed then return nil, MISNAMED end
  return files
end

local flags = { { name = "watch", help = "load an agent again when one of its files was saved" } }
for _, flag in ipairs(node.FLAGS) do flags[#flags + 1] = flag end

return {
  name = "run",
  takes = "file",
  usage = "run [FILE...]",
  summary = "a node: from node.lua, a settings file, or agent files",
  details = [[
  Without FILE: node.lua of this folder, else agents/*.lua; FILE can be a folder with a node.lua. Messages are
  kept in data/. Ctrl-C stops it, with `grace` for handlers; a second one ends it. kill -HUP reloads changed agents.]],
  flags = flags,
  at_most = 64,
  examples = {
    { "moonpost run --watch", "what you save is at work at once" },
    { "moonpost run agents/greeter.lua", "one agent, no settings" },
    { "moonpost run --listen tcp://127.0.0.1:7071", "with a door for others" },
  },
  run = function(options)
    local files, reason = files_of(options)
    if files then return node.run("run", { files = files, doors = options.listen or {} }, options) end
    term.complain("run", reason)
    return FAILED
  end,
}
