--- Scenarios: sets of processes that run together and check what they claim. The functions are the verbs of
--- `moonpost example`; each takes its parsed command line and answers an exit code.
local background = require "moonpost.scenario.background"
local copy = require "moonpost.scenario.copy"
local explain = require "moonpost.scenario.explain"
local find = require "moonpost.scenario.find"
local guest = require "moonpost.scenario.guest"
local real = require "moonpost.scenario.real"
local runtime = require "moonpost.runtime"
local serve = require "moonpost.scenario.serve"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"
local transcript = require "moonpost.scenario.transcript"
local verdict = require "moonpost.scenario.verdict"
local virtual = require "moonpost.scenario.virtual"

local scenario = {}

local FAILED, USAGE, INTERRUPTED = 1, 2, 130

local function complain(reason, code)
  term.complain("example", reason)
  return code or FAILED
end

-- A verb for a scenario that exists.
local function of_scenario(act)
  return function(options)
    if options.seed and not tonumber(options.seed) then
      return complain(("--seed: %q is not a number"):format(options.seed), USAGE)
    end
    local found, reason = find.load(options[1], tonumber(options.seed))
    if not found then return complain(reason, USAGE) end
    return act(found, options)
  end
end

-- ---- ls, show, explain, copy ----

local function row(name)
  local found, reason = find.load(name)
  if not found then return { name, term.styled("red", reason) } end
  return { name, ("%-62s %3d s"):format(found.summary, found.duration) }
end

--- List the scenarios.
---@return integer
function scenario.ls()
  local names, reason = find.names()
  if not names then return complain(reason) end
  local rows = {}
  for index, name in ipairs(names) do rows[index] = row(name) end
  term.out(term.columns(rows))
  return 0
end

--- Print the file that a scenario is about.
scenario.show = of_scenario(function(found)
  local file = found.folder .. "/" .. (found.shown or "scenario.lua")
  local text, reason = shell.read_file(file)
  if not text then return complain(reason) end
  term.note(term.styled("dim", "-- " .. file, "stderr"))
  io.stdout:write(text)
  return 0
end)

--- Print what it shows, which lines make it true, and how to break them.
scenario.explain = of_scenario(function(found)
  local text, reason = explain(found)
  if not text then return complain(reason) end
  term.out(text)
  return 0
end)

--- Copy it into a folder of one's own.
scenario.copy = of_scenario(function(found, options)
  local copied, reason = copy(found, options[2] and options[2]:gsub("/+$", "") or found.name)
  if not copied then return complain(reason) end
  local folder = copied[1]
  for _, each in ipairs(copied) do term.out("copied   " .. each) end
  term.note(("\nnext:    moonpost example run %s"):format(folder:find("/", 1, true) and folder or "./" .. folder))
  return 0
end)

-- ---- run ----

-- A scenario whose programs never began has nothing to be judged.
local function conclude(found, lines, facts, ok, reason)
  local judged = verdict.of(found, facts)
  if lines.began then lines:conclude(judged) end
  if not ok then return complain(("%s: %s"):format(found.name, reason)) end
  return judged.ok and 0 or FAILED
end

local function run_virtual(found, options)
  local lines = transcript.new(found, { verbose = options.verbose, json = options.json, clock = true })
  local began = runtime.clock()
  local facts, ok, reason = virtual.run(found, options, function(each) lines:show(each) end,
    function(at) lines.began = at end)
  local took = (runtime.clock() - began) * 1000
  local code = conclude(found, lines, facts, ok, reason)
  if not options.json then term.note(term.styled("dim", ("in %.0f ms of real time"):format(took), "stderr")) end
  return code
end

local MILLISECOND = 0.001 -- what runtime.now does not tell

local function run_started(run, lines)
  local ok, reason = run:start_nodes()
  if not ok then return nil, reason end
  lines.began = runtime.now() + MILLISECOND
  ok, reason = run:run_programs()
  lines.ended = runtime.now()
  return ok, reason
end

local function run_real(found, options)
  local lines = transcript.new(found, options)
  local function show(each) lines:show(each) end
  local pid, given = background.serving(found)
  local run = pid and guest.new(found, options, show, given) or real.new(found, options, show)
  local ok, reason = run_started(run, lines)
  run:stop()
  if run.interrupted then return INTERRUPTED end
  return conclude(found, lines, run.play.facts, ok, reason)
end

--- Run a scenario and judge it.
scenario.run = of_scenario(function(found, options)
  return (options.virtual and run_virtual or run_real)(found, options)
end)

-- ---- start, stop, logs, clean ----

--- Leave the nodes running in the background.
scenario.start = of_scenario(function(found, options)
  local pid = background.serving(found)
  if pid then
    term.note(("%s is started already (process %d)"):format(found.name, pid))
    return 0
  end
  local lines = transcript.new(found, options)
  local ok, reason = background.start(found, function(each) lines:show(each) end)
  if ok then return 0 end
  return reason == "interrupted" and INTERRUPTED or complain(("%s: %s"):format(found.name, reason))
end)

--- The process that `start` leaves behind.
scenario.serve = of_scenario(serve)

--- Stop what `start` left running.
scenario.stop = of_scenario(function(found)
  local ok, reason = background.stop(found)
  if ok then
    term.note(found.name .. " is stopped")
    return 0
  end
  if not reason then return complain(found.name .. " does not stop") end
  term.note(("%s is %s"):format(found.name, reason))
  return 0
end)

--- Everything that the started nodes said.
scenario.logs = of_scenario(function(found, options)
  local records = background.records(found)
  if #records == 0 then term.note(found.name .. " was not started") end
  local lines = transcript.new(found, { verbose = true, json = options.json })
  table.sort(records, function(a, b) return a.at < b.at end)
  for _, each in ipairs(records) do lines:show(each) end
  return 0
end)

--- Stop, and remove what was left in the scenario's folder.
scenario.clean = of_scenario(function(found)
  background.stop(found)
  background.clean(found)
  return 0
end)

return scenario
