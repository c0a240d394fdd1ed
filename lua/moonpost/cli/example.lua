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
  verbs = {
    { name = "ls", summary = "which there are, what each shows and how long it takes",
      examples = { { "moonpost example ls", "which there are" } } },
    { name = "run", usage = "NAME", summary = "run one to its end; exits with 1 when a check fails",
      details = "  Starts its processes and ends them; those that start has left running are used.",
      examples = {
        { "moonpost example run lost-ack --verbose", "and show its envelopes" },
        { "moonpost example run lost-ack --virtual", "the same without waiting" },
      } },
    { name = "show", usage = "NAME", summary = "the file to read first",
      examples = { { "moonpost example show lost-ack", "its agent" } } },
    { name = "explain", usage = "NAME", summary = "which lines keep the promise, and how to break them",
      examples = { { "moonpost example explain crash", "what it shows, and what may go wrong" } } },
    { name = "copy", usage = "NAME [FOLDER]", summary = "a project of yours, in FOLDER or ./NAME",
      examples = { { "moonpost example copy lost-ack ./mine", "then: moonpost example run ./mine" } } },
    { name = "start", usage = "NAME", summary = "its nodes only; they go on running",
      examples = { { "moonpost example start lost-ack", "then run it as often as you like" } } },
    { name = "stop", usage = "NAME", summary = "end them",
      examples = { { "moonpost example stop lost-ack", "after start" } } },
    { name = "logs", usage = "NAME", summary = "what they said",
      examples = { { "moonpost example logs lost-ack", "after start" } } },
    { name = "clean", usage = "NAME", summary = "end them, and remove their traces",
      examples = { { "moonpost example clean lost-ack", "as if it had never run" } } },
  },
  later_verbs = { "serve" },
  summary = "scenarios that run as processes and check themselves",
  details = "  NAME is a name that ls prints, or a scenario's folder: a path with a slash in it, or a dot.",
  flags = {
    { name = "verbose", verbs = { "run" }, help = "every line and each envelope, with times and whole ids" },
    { name = "virtual", verbs = { "run" }, help = "in virtual time, in this process" },
    { name = "seed", value = "N", verbs = { "run" }, help = "of everything random" },
    { name = "json", verbs = { "run", "logs" }, help = "JSON lines" },
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
