--- The command line: finds the command and runs it.
local args = require "moonpost.cli.args"
local help = require "moonpost.cli.help"
local nearest = require "moonpost.nearest"
local term = require "moonpost.cli.term"

local cli = {}

local USAGE = 2

local COMMANDS = {
  require "moonpost.cli.new",
  require "moonpost.cli.run",
  require "moonpost.cli.sentinel",
  require "moonpost.cli.send",
  require "moonpost.cli.call",
  require "moonpost.cli.status",
  require "moonpost.cli.tail",
  require "moonpost.cli.trace",
  require "moonpost.cli.metrics",
  require "moonpost.cli.dlq",
  require "moonpost.cli.queue",
  require "moonpost.cli.reload",
  require "moonpost.cli.generations",
  require "moonpost.cli.exec",
  require "moonpost.cli.test",
  require "moonpost.cli.example",
  require "moonpost.cli.bench",
  require "moonpost.cli.store",
  require "moonpost.cli.version",
}

-- Names of the API that this version refuses.
local LATER = {}
for name in ([[sim check doctor publish stream
  policy config choose completion]]):gmatch("%S+") do
  LATER[name] = true
end

local BY_NAME = {}
for _, command in ipairs(COMMANDS) do BY_NAME[command.name] = command end

local function refuse(name, text)
  term.complain(name, text)
  term.note(name and ("see: moonpost %s --help"):format(name) or "see: moonpost --help")
  return USAGE
end

local function unknown(name)
  if LATER[name] then
    term.complain(nil, ("UNSUPPORTED: %s: not yet in this version"):format(name))
    return USAGE
  end
  if name:find("%.lua$") then
    return refuse(nil, ("%q is no command; run an agent with: moonpost run %s, a program with: moonpost exec %s")
      :format(name, name, name))
  end
  local names = { help = true }
  for known in pairs(BY_NAME) do names[known] = true end
  return refuse(nil, ("%q is no command%s"):format(name, nearest.hint(name, names)))
end

local function show_help(name)
  if not name then
    io.stdout:write(help.all(COMMANDS))
    return 0
  end
  local command = BY_NAME[name]
  if not command then return unknown(name) end
  io.stdout:write(help.command(command))
  return 0
end

local function run(command, words)
  local options, reason = args.parse(command, words)
  if not options then return refuse(command.name, reason) end
  if options.help then return show_help(command.name) end
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
    io.stderr:write(help.all(COMMANDS))
    return USAGE
  end
  if HELP[name] then return show_help(words[1]) end
  if name == "--version" then name = "version" end
  local command = BY_NAME[name]
  if not command then return unknown(name) end
  return run(command, words)
end

return cli
