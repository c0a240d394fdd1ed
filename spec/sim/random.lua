--- Random worlds: each seed draws its nodes, agents, messages and a storm of faults. Every promise must be kept.
---
---     build/sim spec/sim/random.lua --seeds N [--from S] [--minutes M]     seeds S (1) to S + N - 1
---     build/sim spec/sim/random.lua --seed N                              one, with every envelope
local storm = require "moonpost.test.storm"
local test = require "moonpost.test"
local transcript = require "moonpost.test.transcript"
local cast = require "spec.sim.cast"
local keeping = require "spec.sim.keeping"
local timers = require "spec.sim.timers"

local random = {}

local DIED = "the process died while this was in hand"

local function lasts(actor) return actor.settings.store ~= "memory" end

local function all_last(actors)
  for _, actor in ipairs(actors) do
    if not lasts(actor) then return false end
  end
  return true
end

local function index_actors(run)
  run.by_name, run.by_address = {}, {}
  for _, actor in ipairs(run.actors) do
    run.by_name[actor[1]] = actor
    if actor.agent then run.by_address[actor.agent] = actor end
  end
end

-- Somebody had it; who only says no to it has not.
local function was_taken(world, id)
  for _, fact in ipairs(world:facts(id)) do
    if fact.fact ~= "nacked" then return true end
  end
  return false
end

local function new_run(world, actors)
  local run = { world = world, sent = {}, order = {}, deferred = {}, effects = {}, told = {}, killers = {}, pauses = {} }
  run.actors, run.all_last, run.keeping = { unpack(actors) }, all_last(actors), keeping.new()
  index_actors(run)
  function run.was_taken(id) return was_taken(world, id) end
  function run.now() return storm.now(world) end
  function run.problem(text) run.problems = run.problems or text end
  function run.began(msg, actor)
    for _, pause in ipairs(run.flipped and {} or run.pauses) do
      local paused = pause.method == "pause" and not pause.over and pause.actor == actor
      local receipt = paused and world:receipt(pause.id)
      if receipt and receipt.ok then run.problem(msg.id .. " was handed over while its mailbox was paused") end
    end
  end
  return run
end

-- Weather of a seed: some have none, some one kind, some all.
local function draw_storm(draw, long)
  local kinds, strength = {}, draw(4)
  if strength == 1 then return {} end
  for _, kind in ipairs(storm.KINDS) do
    if draw(4) < strength then kinds[#kinds + 1] = kind end
  end
  if draw(25) == 1 then kinds[#kinds + 1] = "bit_flip" end
  if #kinds == 0 then return {} end
  return storm.draw(draw, kinds, long + 5, 6 * strength)
end

--- Everything that a seed stands for.
function random.draw(seed)
  local draw = storm.generator(seed)
  local script = { seed = seed, actors = cast.draw(draw) }
  script.acts, script.lasts = cast.acts(draw, script.actors)
  script.greed = cast.greed(seed, script.actors, script.lasts)
  script.timers = timers.draw(seed, script.actors, script.lasts)
  script.faults = draw_storm(draw, script.lasts)
  return script
end

local function has_flip(faults)
  for _, fault in ipairs(faults) do
    if fault.kind == "bit_flip" then return true end
  end
  return false
end

-- ---- what must be true at the end ----

local function letters_of(run)
  local world = run.world
  local lines = {}
  for _, actor in ipairs(run.actors) do
    for _, letter in ipairs(actor.agent and world:dead(actor.agent) or {}) do
      lines[#lines + 1] = ("%s %s %s %d"):format(letter.id, letter.code, letter.reason, letter.attempts)
    end
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

local function is_there(run, sends)
  for _, id in ipairs(sends) do
    if not run.was_taken(id) then return false end
  end
  return true
end

-- Of all its attempts one was acknowledged, and what that one sent is there.
local function check_effects(run)
  if not run.all_last then return end
  for id, attempts in pairs(run.effects) do
    local found = not storm.handled(run.world, id)
    for _, sends in ipairs(attempts) do found = found or is_there(run, sends) end
    if not found then error(id .. " was handled, and what it sent is nowhere", 0) end
  end
end

-- An earlier start of a store is heard no more, whether the later one is there or not.
local function check_takeover(run)
  local world, takeover = run.world, run.takeover
  if not takeover or not takeover.same or not run.all_last then return end
  local function fenced()
    world:advance "1m"
    if world:counts(takeover.before).links_up > 0 then error("an earlier start of a store is linked", 0) end
  end
  fenced()
  if world:counts(takeover.later).links_up == 0 then error("the later start of a store is not linked", 0) end
  world:crash(takeover.later)
  world:crash(takeover.before)
  storm.start(world, takeover.before)
  fenced()
  storm.start(world, takeover.later)
end

-- Who is told of its dead letters was told of each; a purge may take what was to be told.
local function check_told(run)
  if not run.all_last or run.purged then return end
  for _, actor in ipairs(run.actors) do
    for _, letter in ipairs(actor.agent and actor.fields.dead and run.world:dead(actor.agent) or {}) do
      if letter.where == "mailbox" and not run.told[letter.id] then
        error(letter.id .. " is a dead letter, and its agent was not told", 0)
      end
    end
  end
end

local function check_blame(run)
  for _, fact in ipairs(run.world:facts()) do
    if fact.reason == DIED and not run.killers[fact.id] then
      error(("%s is blamed for the end of a process, and did not end it"):format(fact.id), 0)
    end
  end
end

local function check_receipts(run)
  for _, id in ipairs(run.order) do
    local receipt = run.world:receipt(id)
    if run.lossless then assert(receipt, "no receipt: " .. id) end
  end
end

-- All nodes die and begin again: what they knew, they know.
local function check_next_life(run)
  local world = run.world
  local letters = letters_of(run)
  if not run.all_last then return end
  local before = #world:facts()
  for _, actor in ipairs(run.actors) do world:crash(actor[1]) end
  for _, actor in ipairs(run.actors) do world:restart(actor[1]) end
  world:advance "1m"
  local facts = world:facts()
  for index = before + 1, #facts do
    if facts[index].fact == "delivered" then
      error(facts[index].id .. " is handed over in the next life, although all had come to an end", 0)
    end
  end
  local now = letters_of(run)
  if now ~= letters then error(("the dead letters are others in the next life:\n%s\nwere\n%s"):format(now, letters), 0) end
end

-- Whether somebody was down, who is up again.
local function revive(run)
  local any = false
  for _, actor in ipairs(run.actors) do
    if not run.world:up(actor[1]) then
      any = true
      storm.start(run.world, actor[1])
    end
  end
  return any
end

-- Nobody dies any more, and no mailbox is paused, durably.
local function come_up(run)
  for _ = 1, 40 do
    local any = revive(run)
    for _, pause in ipairs(run.pauses) do any = cast.resume(run, pause) or any end
    run.world:advance "5s"
    if not any and not revive(run) then return end
  end
  error("a node does not stay up", 0)
end

-- A world of which a part is down has less that is pending.
local function settle(run)
  repeat
    come_up(run)
    run.world:settle()
  until not revive(run)
  run.world:advance(run.commits_within)
end

local function check_all(run, drawn_timers)
  settle(run)
  run.world:check()
  check_effects(run)
  cast.check_greedy(run)
  check_told(run)
  check_blame(run)
  check_takeover(run)
  check_receipts(run)
  keeping.check(run)
  check_next_life(run)
  keeping.check(run)
  timers.check(run, drawn_timers)
  run.world:check()
end

-- ---- running ----

local function play(script, faults, run)
  local world = run.world
  run.flipped = has_flip(faults)
  cast.enter(run, script.actors)
  cast.enter_greedy(run, script.greed)
  cast.enter_timers(run, script.timers, faults)
  storm.over(world, faults)
  for _, act in ipairs(script.acts) do
    world:advance(math.max(0, act.at - run.now()))
    cast.act(run, act)
  end
  world:advance "5s"
  storm.calm(world)
  if run.flipped then
    world:advance "1h"
  else
    check_all(run, script.timers)
  end
  if run.problems then error(run.problems, 0) end
end

--- Run one world to its end and check it.
---@param script table what random.draw made
---@param faults table|nil a part of its storm; nil: all
---@param show boolean|nil its envelopes, too
---@return boolean ok
---@return string|nil reason
---@return string trace
---@return string transcript
function random.run(script, faults, show)
  local world = test.world { seed = script.seed }
  world.show = show
  local run = new_run(world, script.actors)
  local ok, reason = pcall(play, script, faults or script.faults, run)
  local trace = world:trace_hash()
  local said = show and transcript.of(world) or ""
  random.virtual = (random.virtual or 0) + storm.now(world)
  random.deliveries = (random.deliveries or 0) + (ok and not show and storm.deliveries(world) or 0)
  world:close()
  return ok, reason, trace, said
end

-- The part of a message that is about what was broken.
local function essence(reason)
  return (tostring(reason):gsub("^.-: at [%d.]+ s: ", ""):gsub("%w*%d%w*", "N"))
end

local function fail(script, reason)
  local wanted = essence(reason)
  local faults = storm.shrink(script.faults, function(fewer)
    local ok, other = random.run(random.draw(script.seed), fewer)
    return not ok and essence(other) == wanted
  end)
  print(("seed %d: %s"):format(script.seed, tostring(reason)))
  print(("%d of %d faults are needed:\n%s"):format(#faults, #script.faults, storm.tell(faults)))
  print(("replay:  build/sim spec/sim/random.lua --seed %d"):format(script.seed))
  io.stdout:flush()
  error("a promise was broken", 0)
end

local function show_one(seed)
  local script = random.draw(seed)
  local ok, reason, trace, said = random.run(script, nil, true)
  print(said)
  print(storm.tell(script.faults))
  print(("seed %d  trace %s"):format(seed, trace))
  if not ok then fail(script, reason) end
end

local REPEAT_EVERY = 100

local function run_seed(seed)
  local script = random.draw(seed)
  local ok, reason, trace = random.run(script)
  if not ok then fail(script, reason) end
  if seed % REPEAT_EVERY == 0 and select(3, random.run(random.draw(seed))) ~= trace then
    fail(script, "the second run of this seed was another")
  end
  return trace
end

local function run_seeds(first, count, minutes)
  local began, clock, last, ran = os.time(), os.clock(), "", 0
  for seed = first, first + count - 1 do
    if minutes and os.time() - began >= minutes * 60 then break end
    last, ran = run_seed(seed), ran + 1
  end
  print(("%d worlds, %d deliveries, every promise kept; last trace %s"):format(ran, random.deliveries or 0, last))
  local took = os.clock() - clock
  print(("%.1f h of their time in %.1f s: %d times as fast"):format(random.virtual / 3600, took, random.virtual / took))
end

local options = {}
for index = 1, select("#", ...), 2 do options[(select(index, ...))] = tonumber((select(index + 1, ...))) end
if options["--seed"] then
  show_one(options["--seed"])
elseif options["--seeds"] or options["--minutes"] then
  run_seeds(options["--from"] or 1, options["--seeds"] or math.huge, options["--minutes"])
end
return random
