--- `moonpost check`: faults in the files of a project, without a node.
local faults = require "moonpost.cli.faults"
local files = require "moonpost.cli.files"
local inspect = require "moonpost.inspect"
local moonpost = require "moonpost"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local FOUND, USAGE = 1, 2
local NOTHING = "there is nothing to check here: no node.lua and no agents/*.lua; name files, or a project's folder"
local PROGRAM = "%s: no agent, a program: moonpost exec %s; its names were looked at"

-- A folder stands for its node.lua; of several files one at most is settings.
local function settings_of(named)
  for _, path in ipairs(named) do
    local folder = shell.kind(path) == "folder" and path:gsub("(.)/+$", "%1")
    local own = folder and files.at(folder, "node.lua")
    if own then return shell.kind(own) == "file" and own, folder end
    if inspect.is_settings(path) or path:match("[^/]+$") == "node.lua" then return path end
  end
end

local function show(fault)
  local place = fault.line and ("%s:%d"):format(fault.file, fault.line) or fault.file
  term.out(("%s: %s: %s"):format(term.styled("bold", place), term.styled("red", fault.rule), fault.message))
  if fault.fix then term.out("  fix: " .. fault.fix) end
end

local function answer(found, count, as_json)
  if as_json then
    term.out(moonpost.json.encode(moonpost.array(found)))
  else
    for _, fault in ipairs(found) do show(fault) end
    term.out(("%s, %s"):format(words.of(count, "file"), #found == 0 and "nothing found" or words.of(#found, "fault")))
  end
  return #found == 0 and 0 or FOUND
end

local function refuse(reason)
  term.complain("check", reason)
  return USAGE
end

return {
  name = "check",
  usage = "check [FILE...]",
  summary = "faults in your files, by rule and fix, without starting a node",
  details = [[
  Loads settings, agents, hooks and policies as a node would, and looks at the globals of each function. Without
  FILE: all of this folder; FILE can be the folder of another project. Exit code 0: nothing found, 1: faults.]],
  takes = "file",
  flags = { { name = "json", help = "an array of { file, line, rule, message, fix }, without what is not known" } },
  at_most = 64,
  examples = {
    { "moonpost check", "the project of this folder" },
    { "moonpost check agents/mail.lua", "one file" },
  },
  run = function(options)
    local named = #options > 0 and { unpack(options) } or nil
    for _, path in ipairs(named or {}) do
      if not shell.kind(path) then return refuse(path .. ": no such file or folder") end
    end
    local settings, folder = settings_of(named or {})
    local project, reason = files.project(settings)
    if not project then return refuse(reason) end
    if folder then project.root = folder end
    local found, count, programs = faults.find(project, not folder and named or nil)
    if count == 0 and #found == 0 then
      return refuse(NOTHING)
    end
    for _, path in ipairs(programs) do term.note(PROGRAM:format(path, path)) end
    return answer(found, count, options.json)
  end,
}
