--- What some random worlds have besides: an agent that sets timers and cancels them, lends records for a while, gives each
--- that asks the next place in its row, and is replaced by versions that read another state, on a disk that is slow at times.
--- A generator of its own leaves all else of a seed as it is.
local moonpost = require "moonpost"
local storm = require "moonpost.test.storm"

local timers = {}

local SETS, CANCELS, LENDS, PLACES, WAITS = "sets_timer", "cancels", "lends", "places", "waits"
local DOES = { SETS, SETS, CANCELS, CANCELS, LENDS, PLACES, PLACES, PLACES, WAITS }

local function keeps(actor) return actor.agent and not actor.fields.batch and not actor.twin end

local function draw_send(draw, at, from)
  local body = { does = DOES[draw(#DOES)], lasts = 1 + draw(15), n = 0 }
  return { at = at, from = from, body = body, key = draw(2) == 1 and "key " .. draw(3) or nil }
end

-- Some are sent together, so that their handlers end at one moment.
local function draw_group(draw, sends, actors, lasts)
  local at, from = draw(1000) / 1000 * lasts, actors[draw(#actors)][1]
  for _ = 1, draw(6) do sends[#sends + 1] = draw_send(draw, at, from) end
end

--- Draw what is done, if anything.
function timers.draw(seed, actors, lasts)
  local draw, able = storm.generator(seed * 11 + 5), {}
  for _, actor in ipairs(actors) do
    if keeps(actor) then able[#able + 1] = actor end
  end
  local drawn = { sends = {}, versions = {} }
  if #able == 0 or draw(4) > 1 then return drawn end
  drawn.actor, drawn.waits = able[draw(#able)], draw(20) == 1
  if draw(2) == 1 then drawn.actor.fields.concurrency = 8 end
  for _ = 1, 1 + draw(5) do draw_group(draw, drawn.sends, actors, lasts) end
  for n = 1, draw(4) - 1 do drawn.versions[n] = draw(1000) / 1000 * lasts end
  drawn.stalls = draw(4) == 1 and draw(1000) / 1000 * lasts or nil
  if draw(4) == 1 then drawn.slow = { at = draw(1000) / 1000 * lasts, commit = 5 + draw(30) } end
  return drawn
end

-- ---- handlers ----

local function of_actor(run, actor)
  local own = run.timers[actor] or { due = {}, cancels = {}, lent = {}, asked = {} }
  run.timers[actor] = own
  return own
end

local function set(run, ctx, msg, actor)
  local id = ctx:send(actor.agent, { does = "ack", n = 0 }, { delay = msg.body.lasts, key = msg.key })
  ctx.kv:set("timer/" .. msg.id, id)
  of_actor(run, actor).due[id] = run.now() + msg.body.lasts
end

-- Which run of this handler did it is known from what is kept.
local function cancel(run, ctx, _, actor)
  local cancels = of_actor(run, actor).cancels
  for _, timer in ipairs(ctx.kv:list { prefix = "timer/" }) do
    local id = timer.value
    ctx:cancel(id)
    ctx.kv:set("cancelled/" .. id, run.keeping.runs)
    ctx.kv:delete(timer.key)
    cancels[id] = cancels[id] or {}
    cancels[id][run.keeping.runs] = { at = run.now(), begins = run.keeping.begins }
  end
end

local A_MOMENT = 0.001

-- A record is there with the mark of the same commit until its time is over, and not afterwards.
local function check_record(run, ctx, id, over)
  local marked, there = ctx.kv:get("of/" .. id), ctx.kv:get("lent/" .. id)
  local now = run.now()
  if not run.steady then return end
  if there and over < now - A_MOMENT then run.problem("what was lent by " .. id .. " is there after its time") end
  if marked and not there and over > now + A_MOMENT then run.problem("what was lent by " .. id .. " is gone before its time") end
end

local function lend(run, ctx, msg, actor)
  local lent = of_actor(run, actor).lent
  lent[msg.id] = nil -- what an earlier attempt tried
  for id, over in moonpost.sorted_pairs(lent) do check_record(run, ctx, id, over) end
  ctx.kv:set("lent/" .. msg.id, 1, { ttl = msg.body.lasts })
  lent[msg.id] = run.now() + msg.body.lasts
end

-- All handlers that are acked add to the marks; so no two that read them find the same number.
local function place(_, ctx, msg)
  local when = msg.body.lasts % 3
  if when == 0 then moonpost.sleep "1s" end
  local marks = ctx.kv:get "marks"
  if when == 1 then moonpost.sleep "1s" end
  ctx.kv:set("place/" .. msg.id, marks)
end

local function wait(_, _, msg) moonpost.sleep(msg.body.lasts % 2 / 2 + 0.5) end

-- Shortly before its timeout, of 10 s.
local function nearly_too_slow() moonpost.sleep(9.7) end

local WORK = { [SETS] = set, [CANCELS] = cancel, [LENDS] = lend, [PLACES] = place, [WAITS] = wait,
  nearly_too_slow = nearly_too_slow }

--- Those handlers, as cast.lua has them.
timers.HANDLERS = {}
for does, work in pairs(WORK) do
  timers.HANDLERS[does] = function(run, ctx, msg, actor)
    work(run, ctx, msg, actor)
    return "done"
  end
end

-- ---- in a world ----

local function has(faults, kind)
  for _, fault in ipairs(faults) do
    if fault.kind == kind then return true end
  end
  return false
end

local function send(run, drawn, act)
  if not run.world:up(act.from) then return end
  local id = run.world:send(drawn.actor.agent, act.body, { from = act.from, key = act.key })
  if act.body.does == PLACES then of_actor(run, drawn.actor).asked[id] = true end
end

-- The next start loads what was loaded last, as a file would be.
local function replace(run, actor, agent_of)
  local version = (actor.version or 1) + 1
  if not run.world:up(actor[1]) then return end
  if run.world:reload(actor.agent, agent_of(run, actor, nil, version), { node = actor[1] }) then actor.version = version end
end

-- A disk that takes longer than a handler may.
local function slow_down(run, actor, slow)
  local node = actor[1]
  storm.plan(run.world, slow.at, function() run.world:disk(node, nil, { commit = slow.commit }) end)
  storm.plan(run.world, slow.at + slow.commit, function() run.world:disk(node, nil, { commit = actor.commit }) end)
end

-- The node stands still while handlers end and while their time is over: some are too late by the time it goes on.
local function stall(run, actor, at)
  local node, world = actor[1], run.world
  storm.plan(world, at, function()
    for n = 1, 12 do
      local does = n < 9 and "nearly_too_slow" or "ack"
      if world:up(node) then world:send(actor.agent, { does = does, n = 0 }, { from = node }) end
    end
  end)
  storm.plan(world, at + 9.6, function()
    if world:up(node) then world:pause(node) end
  end)
  storm.plan(world, at + 10.1, function()
    if world:up(node) then world:resume(node) end
  end)
end

--- Plan what was drawn.
function timers.enter(run, drawn, faults, agent_of)
  run.timers, run.steady = {}, not has(faults, "clock")
  run.commits_within = drawn.slow and drawn.slow.commit + 1 or 3
  if drawn.slow then slow_down(run, drawn.actor, drawn.slow) end
  if drawn.stalls then stall(run, drawn.actor, drawn.stalls) end
  for _, act in ipairs(drawn.sends) do
    storm.plan(run.world, act.at, function() send(run, drawn, act) end)
  end
  for _, at in ipairs(drawn.versions) do
    storm.plan(run.world, at, function() replace(run, drawn.actor, agent_of) end)
  end
end

-- ---- at the end ----

local function fail(...) error(string.format(...), 0) end

-- What waited for its time when the ack took it back, was handed to nobody afterwards.
local function check_cancelled(run, actor, id, runs)
  local kept = run.world:kv(actor.agent, "cancelled/" .. id, { node = actor[1] })
  local done, due = kept and runs[kept], run.timers[actor].due[id]
  local begun = run.keeping.begun[id]
  if not done or not begun or not run.steady or done.at >= due then return end
  if begun > done.begins then fail("%s was handed over after it was cancelled", id) end
end

local function check_lent(run, actor, lent)
  for id in pairs(lent) do
    local there = run.world:kv(actor.agent, "lent/" .. id, { node = actor[1] })
    if there then fail("what was lent by %s is there after its time", id) end
  end
end

local function check_places(run, actor, asked)
  local taken = {}
  for id in pairs(asked) do
    local at = run.world:kv(actor.agent, "place/" .. id, { node = actor[1] })
    if at and taken[at] then fail("%s and %s both have place %d", taken[at], id, at) end
    if at then taken[at] = id end
  end
end

-- Clocks may have gone half a day back; few worlds wait so long.
local function wait_for_lent(run, drawn)
  local over = run.steady or drawn.waits
  if over then run.world:advance(run.steady and "20s" or "26h") end
  return over
end

--- All of it holds.
function timers.check(run, drawn)
  local over = next(run.timers) and wait_for_lent(run, drawn)
  for actor, own in pairs(run.timers) do
    if actor.settings.store == "memory" then return end
    for id, runs in pairs(own.cancels) do check_cancelled(run, actor, id, runs) end
    check_places(run, actor, own.asked)
    if over then check_lent(run, actor, own.lent) end
  end
end

return timers
