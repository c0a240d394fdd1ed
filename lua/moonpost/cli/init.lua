--- The command line: finds the command and runs it.
local args = require "moonpost.cli.args"
local commands = require "moonpost.cli.commands"
local help = require "moonpost.cli.help"
local nearest = require "moonpost.nearest"
local term = require "moonpost.cli.term"

local cli = {}

local USAGE = 2

local function refuse(name, text)
  term.complain(name, text)
  term.note(name and ("see: moonpost %s --help"):format(name) or "see: moonpost --help")
  return USAGE
end

local function unknown(name)
  if commands.later[name] then
    term.complain(nil, ("UNSUPPORTED: %s: not yet in this version"):format(name))
    return USAGE
  end
  if name:find("%.lua$") then
    return refuse(nil, ("%q is no command; run an agent with: moonpost run %s, a program with: moonpost exec %s")
      :format(name, name, name))
  end
  local names = { help = true }
  for known in pairs(commands.by_name) do names[known] = true end
  return refuse(nil, ("%q is no command%s"):format(name, nearest.hint(name, names)))
end

local function show_help(name, word)
  if not name or name == "help" then
    io.stdout:write(help.all(commands.groups))
    return 0
  end
  if name == "commands" then
    io.stdout:write(help.commands(commands.list))
    return 0
  end
  local command = commands.by_name[name]
  if not command then return unknown(name) end
  local verb, reason
  if word and command.verbs then verb, reason = args.verb(command, word) end
  if reason then return refuse(name, reason) end
  io.stdout:write(help.command(command, verb))
  return 0
end

local function run(command, words)
  local options, reason = args.parse(command, words)
  if not options then return refuse(command.name, reason) end
  if options.help then return show_help(command.name, options[1]) end
  return command.run(options)
end

local HELP = { help = true, ["--help"] = true, ["-h"] = true }

--- Run a command line; answers its exit code.
---@param ... string
---@return integer
function cli.main(...)
  local words = { ... }
  local name = table.remove(words, 1)
  if not name then
    io.stderr:write(help.all(commands.groups))
    return USAGE
  end
  if HELP[name] then return show_help(words[1], words[2]) end
  if name == "--version" then name = "version" end
  local command = commands.by_name[name]
  if not command then return unknown(name) end
  return run(command, words)
end

return cli
