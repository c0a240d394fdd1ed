--- `moonpost example`: the scenarios, which live in moonpost.scenario. Its functions take
--- { [1] = NAME, verbose = true, virtual = true, seed = "7", json = true } and answer an exit code.
local nearest = require "moonpost.nearest"
local term = require "moonpost.cli.term"

local USAGE = 2
local VERBS = { ls = 0, run = 1, show = 1, explain = 1, copy = 2, start = 1, stop = 1, logs = 1, clean = 1, serve = 1 }

local function complain(text)
  term.complain("example", text)
  return USAGE
end

return {
  name = "example",
  usage = "example ls|run|show|explain|copy|start|stop|logs|clean [NAME] [FOLDER]",
  verbs = { "ls", "run", "show", "explain", "copy", "start", "stop", "logs", "clean" },
  later_verbs = { "serve" },
  summary = "scenarios that run as processes and check themselves",
  details = [[
  NAME is a name that ls prints, or a scenario's folder with a slash in it. run starts the processes, waits
  for the end and exits with 1 when a check fails. start leaves the nodes running: run then uses them, logs
  prints what they said, stop ends them, clean removes their traces. show prints the file to read first, explain
  which lines keep the promise and how to break them; copy makes a project of it in FOLDER, else in ./NAME.]],
  flags = {
    { name = "verbose", help = "every line and each envelope, with times and whole ids" },
    { name = "virtual", help = "in virtual time, in this process" },
    { name = "seed", value = "N", help = "of everything random" },
    { name = "json", help = "JSON lines" },
  },
  at_least = 1,
  at_most = 3,
  examples = {
    { "moonpost example ls", "which there are" },
    { "moonpost example run lost-ack --verbose", "run one and show its envelopes" },
    { "moonpost example run lost-ack --virtual", "the same without waiting" },
  },
  run = function(options)
    local verb = table.remove(options, 1)
    if not VERBS[verb] then
      local hint = nearest.hint(verb, VERBS)
      return complain(("%q is none of ls, run, show, explain, copy, start, stop, logs, clean%s"):format(verb, hint))
    end
    if VERBS[verb] > 0 and not options[1] then return complain("which one? see: moonpost example ls") end
    local surplus = options[VERBS[verb] + 1]
    if surplus then return complain(("%q is one argument too many"):format(surplus)) end
    return require("moonpost.scenario")[verb](options)
  end,
}
