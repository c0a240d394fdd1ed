--- Real processes that are killed without warning at any moment, and a ledger of what was confirmed:
---
---     driver --> durable, memory --> near --> sentinel --> far --> receiver
---                programs -------/
---
--- `near` and `far` are relays. Each round sends, draws faults, starts again what was killed, waits until everything has
--- come to an end, and looks at all stores. See HACKING.md; run by `make crash`.
local draw = require "proof.draw"
local kept = require "proof.kept"
local posix = require "proof.posix"
local runs = require "proof.run"
local stage = require "proof.stage"

local PLANS = { "o", "o", "o", "o", "s", "s", "f", "f", "d", "r" }

-- Who is killed or stopped; the more often it is here, the more often it is drawn.
local FAULTS = {
  { kill = { "receiver" } }, { kill = { "receiver" } }, { kill = { "receiver" } }, { kill = { "sentinel" } },
  { kill = { "sentinel" } }, { kill = { "durable" } }, { kill = { "durable" } }, { kill = { "memory" } },
  { kill = { "program" } }, { kill = { "receiver", "durable" } }, { kill = { "sentinel", "receiver" } },
  { kill = { "sentinel", "receiver", "durable", "memory", "program" } },
  { kill = { "sentinel", "receiver", "durable", "memory", "program", "near", "far" } },
  { kill = { "near" } }, { kill = { "far" } }, { kill = { "near", "far" } },
  { stop = "receiver" }, { stop = "sentinel" }, { stop = "durable" }, { stop = "near" }, { stop = "far" },
}

local PATIENT_ONCE_IN = 8
local LETTERS_EVERY = 20 -- rounds, then the dead letters are removed

-- How a supervisor's child ends.
local CRASHES = { "KILL", "ABRT", "SEGV" }

local crash = {}

-- ---- faults ----

local function names_of(run, list)
  local names = {}
  for _, name in ipairs(list) do
    if name ~= "program" then names[#names + 1] = name end
    for prefix in pairs(name == "program" and run.programs or {}) do names[#names + 1] = prefix end
  end
  table.sort(names)
  return names
end

local function count_victims(run, list)
  local what = #list > 3 and "all" or table.concat(list, "+")
  run.victims[what] = (run.victims[what] or 0) + 1
end

-- What was handled and is not there any more was settled on disk: it must not come again.
local function look_at_receiver(run)
  for _, id in ipairs(kept.ids(run.stage:path "receiver/data")) do run.note("kept " .. id) end
  run.note "looked receiver"
end

-- The supervisor sees to the rest.
local function crash_children(run, names, random)
  for _, name in ipairs(names) do
    run.stage:crash_child(name, random:one_of(CRASHES), function()
      run.note("killed " .. name)
      if name == "receiver" then look_at_receiver(run) end
    end)
    run.respawns[name] = (run.respawns[name] or 0) + 1
    run.respawned = run.respawned + 1
  end
end

-- All at once: first every signal, then every wait. A supervisor takes its child with it.
local function kill_alone(run, names)
  for _, name in ipairs(names) do run.stage:strike(name) end
  for _, name in ipairs(names) do
    run.stage:bury(name)
    run.note("killed " .. name)
    run.programs[name] = nil
  end
  if not run.stage.pids.receiver then look_at_receiver(run) end
  for _, name in ipairs(stage.NAMES) do
    if not run.stage.pids[name] then run.stage:start(name) end
  end
end

local function kill(run, list, random)
  count_victims(run, list)
  local supervised, alone = {}, {}
  for _, name in ipairs(names_of(run, list)) do
    local children = run.stage:is_supervised(name) and random:once_in(2)
    table.insert(children and supervised or alone, name)
  end
  run.kills = run.kills + #supervised + #alone
  crash_children(run, supervised, random)
  if #alone > 0 then kill_alone(run, alone) end
end

local function stop(run, name, random)
  count_victims(run, { "stop " .. name })
  run.stage:signal(name, "STOP")
  run:go_on(random:upto(60) / 1000)
  if random:once_in(4) then
    kill(run, { name }, random)
  else
    run.stage:signal(name, "CONT")
  end
end

local function kills(faults, name)
  for _, fault in ipairs(faults) do
    for _, each in ipairs(fault.kill or { fault.stop }) do
      if each == name then return true end
    end
  end
  return false
end

-- ---- a round ----

-- A store that only grows makes each look at it longer.
local function remove_letters(run)
  local _, why = run.stage:remove_letters "receiver"
  if why then run.ledger:violation("receiver", "dlq rm: " .. why) end
end

-- A node that crashes by itself does so behind the back of its supervisor.
local function look_for_respawns(run)
  for _, name in ipairs(stage.NAMES) do
    local own = run.respawns[name] or 0
    if run.stage:count_respawns(name) > own then
      run.ledger:violation(name, "crashed by itself: " .. run.stage:log(name):sub(-400))
    end
    run.respawns[name] = nil
  end
end

local function one_round(run, round)
  local random = draw.new(run.seed + round - 1)
  run.stage.random = random
  local faults = { random:one_of(FAULTS), random:once_in(2) and random:one_of(FAULTS) or nil }
  local certain = not kills(faults, "memory")
  run:connect("durable", true)
  run:connect("memory", certain)
  run:feed(round, "durable", random, PLANS, true)
  run:feed(round, "memory", random, PLANS, certain)
  run:start_programs(round, random)
  for _, fault in ipairs(faults) do
    run:go_on(random:upto(80) / 1000)
    if fault.stop then stop(run, fault.stop, random) else kill(run, fault.kill, random) end
  end
  run:drain(random:once_in(PATIENT_ONCE_IN))
  if round % LETTERS_EVERY == 0 and not run:is_broken() then remove_letters(run) end
  look_for_respawns(run)
end

local function sorted_text(counts)
  local parts = {}
  for what, count in pairs(counts) do parts[#parts + 1] = what .. " " .. count end
  table.sort(parts)
  return table.concat(parts, ", ")
end

local function rows_of(run, rounds, seconds)
  local counts = run.ledger.counts
  return {
    { "rounds", rounds }, { "seconds", ("%.1f"):format(seconds) }, { "processes killed", run.kills },
    { "started again by supervisor", run.respawned },
    { "faults", sorted_text(run.victims) }, { "messages", counts.messages }, { "confirmed", counts.confirmed },
    { "handled", counts.handled }, { "dead letters", counts.dead }, { "nacks", counts.refused },
    { "in doubt", run.in_doubt }, { "handled, not yet told", run.unheard },
    { "handled again, unsettled", counts.duplicated }, { "broken promises", #run.ledger.violations },
  }
end

--- Run `options.rounds` rounds from `options.seed` on, for at most `options.seconds`.
---@return integer exit code
function crash.run(options)
  posix.die_when_interrupted()
  print(("seed %d"):format(options.seed))
  local run, began, round = runs.new(options), posix.now(), 0
  run.victims, run.kills, run.respawns, run.respawned = {}, 0, {}, 0
  repeat
    round = round + 1
    one_round(run, round)
    run:progress("round", round)
  until round == options.rounds or run:is_broken() or posix.now() - began > options.seconds
  return run:finish(rows_of(run, round, posix.now() - began),
    ("replay the choices (timing differs): make crash SEED=%d ITER=1"):format(run.seed + round - 1))
end

return crash
