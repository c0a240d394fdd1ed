--- The cast of a random world: nodes, their links, agents and what these do with messages. All of it is drawn from the seed
--- before the world begins, so that a fault more or less changes nothing else.
local moonpost = require "moonpost"
local storm = require "moonpost.test.storm"
local keeping = require "spec.sim.keeping"
local timers = require "spec.sim.timers"

local cast = {}

local TIMEOUT = 10

-- Nodes by name: whom they link to, and the address of their agent.
local TOPOLOGIES = {
  { { "alone", agent = "a@alone" } },
  { { "owner", agent = "a@owner" }, { "sender", links = { "owner" } } },
  { { "hub" }, { "owner", links = { "hub" }, agent = "a@owner" }, { "sender", links = { "hub" } } },
  { { "hub", agent = "b@hub" }, { "owner", links = { "hub" }, agent = "a@owner" }, { "sender", links = { "hub" } },
    { "direct", links = { "owner" } } },
  { { "top" }, { "hub", links = { "top" } }, { "owner", links = { "top" }, agent = "a@owner" },
    { "sender", links = { "hub" }, agent = "c@sender" } },
  { { "left", agent = "a@left" }, { "right", links = { "left" }, agent = "b@right" } },
  -- A later start of the owner's store, or another store, takes over its name and address.
  { { "hub" }, { "owner", links = { "hub" }, agent = "a@owner", twin = true }, { "sender", links = { "hub" } } },
}

-- What a handler does with a message: said in its body, so that a resend does the same.
local HANDLERS = {
  ack = function() return "done" end,
  slow = function() moonpost.sleep "3s" return "done" end,
  fail_once = function(_, ctx)
    if ctx.attempt == 1 then error("the first attempt fails") end
    return "done"
  end,
  always_fails = function() error("it always fails") end,
  defer = function(run, _, msg)
    if run.deferred[msg.id] then return "done" end
    run.deferred[msg.id] = true
    return moonpost.defer("not now", { delay = "2s" })
  end,
  reject = function() return moonpost.reject "no" end,
  skip = function() return moonpost.skip "nothing to do" end,
  too_slow = function() moonpost.sleep "1m" end,
  -- Its end and its timeout come at the same moment.
  just_in_time = function() moonpost.sleep(TIMEOUT) return "done" end,
  runs_away = function() while true do end end,
  passes_on = function(run, ctx, msg)
    local sends = {}
    for n = 1, msg.body.copies do
      sends[n] = ctx:send(msg.body.to, { does = "ack", n = n }, { key = msg.key, profile = msg.body.profile })
    end
    if msg.body.copies > 1 then moonpost.sleep "1s" end
    run.effects[msg.id] = run.effects[msg.id] or {}
    table.insert(run.effects[msg.id], sends)
    return "done"
  end,
  counts = function(run, ctx, msg, actor, version)
    keeping.count(run, actor, ctx, msg, version)
    return "done"
  end,
  audit = function() return "done" end,
  -- Who has a store in memory cannot know whom to blame: there such a message comes again for as long as it is sent.
  kills = function(run, _, msg, actor)
    local node = actor[1]
    if actor.settings.store == "memory" then return "done" end
    run.killers[msg.id] = true
    storm.plan(run.world, run.now() + 2, function()
      storm.start(run.world, node)
    end)
    run.world:crash(node)
  end,
}

for does, handler in pairs(timers.HANDLERS) do HANDLERS[does] = handler end

local DOES = {
  "ack", "ack", "ack", "ack", "ack", "slow", "slow", "fail_once", "fail_once", "always_fails", "defer", "reject", "skip",
  "too_slow", "just_in_time", "passes_on", "passes_on", "passes_on",
  "counts", "counts", "counts", "counts",
}
local SELDOM = { "runs_away", "kills" }

local STARTS = {
  function() end,
  function() moonpost.sleep "4s" end,
  function() error("no database", 0) end,
  function()
    moonpost.sleep "1s"
    error("no database after all", 0)
  end,
}

-- Long keys that are the same for their first 30 letters.
local function key_of(msg) return msg.key or "" end

-- Longer than wall clocks jump.
local DEDUPS = { "none", "none", { ttl = "24h" }, { ttl = "24h" }, { ttl = "9000h", key = key_of } }

local ORDERS = { "none", "none", "key", "strict" }

local function handle(run, actor, ctx, msg, version)
  local sent = run.sent[msg.id]
  if sent and sent.body.n ~= msg.body.n then run.problem(msg.id .. " came with another body than it was sent with") end
  return HANDLERS[msg.body.does](run, ctx, msg, actor, version)
end

local function handler(run, actor, version)
  return function(ctx, msg)
    run.began(msg, actor)
    keeping.began(run, msg)
    local result = keeping.mark(run, actor, ctx, msg)
    local answer = handle(run, actor, ctx, msg, version)
    return answer == "done" and result or answer
  end
end

-- The same for many messages: each by itself, until the node is killed.
local function batch_handler(run, actor)
  return function(ctx, msgs)
    local answers = {}
    for _, msg in ipairs(msgs) do run.began(msg, actor) end
    for index, msg in ipairs(msgs) do
      local ok, answer = pcall(handle, run, actor, ctx, msg)
      answers[index] = ok and answer or moonpost.retry(tostring(answer))
      if not run.world:up(actor[1]) then break end
    end
    return answers
  end
end

local function batch_of(run, actor)
  local batch = actor.fields.batch
  return batch and { size = batch.size, within = batch.within, handle = batch_handler(run, actor) }
end

local function on_dead(run)
  return function(_, dead) run.told[dead.id] = true end
end

--- An agent's declaration, the same but for on.start, and its version, when it is loaded again.
local function agent_of(run, actor, start, version)
  local fields = actor.fields
  version = version or actor.version
  return moonpost.agent {
    address = actor.agent,
    concurrency = fields.concurrency,
    timeout = TIMEOUT,
    budget = "2ms",
    profile = fields.profile,
    retry = { attempts = fields.attempts, first = "500ms", jitter = 0.1 },
    dedup = fields.dedup,
    order = fields.order,
    batch = batch_of(run, actor),
    version = version,
    migrate = version and keeping.migrate(run, version) or nil,
    on = {
      message = not fields.batch and handler(run, actor, version or 1) or nil,
      dead = fields.dead and on_dead(run) or nil,
      start = start,
    },
  }
end

local function draw_agent(draw)
  local batch = draw(4) == 1 and { size = draw(6), within = draw(1000) / 1000 } or nil
  local order = ORDERS[draw(#ORDERS)]
  return {
    concurrency = draw(4),
    attempts = draw(4),
    profile = draw(12) == 1 and "at-most-once" or nil,
    dedup = DEDUPS[draw(#DEDUPS)],
    order = batch and "none" or order,
    dead = draw(2) == 1,
    batch = batch,
  }
end

local function settings_of(actor, draw)
  local links = {}
  for index, to in ipairs(actor.links or {}) do links[index] = { to = to, first = "500ms", cap = "5s" } end
  return {
    links = links,
    store = draw(10) == 1 and "memory" or nil,
    send = { attempts = draw(5) + 1, first = "1s", cap = "20s", deadline = "20m" },
    mailbox = draw(5) == 1 and { max = 2 + draw(10) } or nil,
    outbox = draw(6) == 1 and { max = 2 + draw(10) } or nil,
  }
end

--- Draw who there is.
function cast.draw(draw)
  local actors = {}
  for index, drawn in ipairs(TOPOLOGIES[draw(#TOPOLOGIES)]) do
    actors[index] = { drawn[1], links = drawn.links, agent = drawn.agent, twin = drawn.twin }
    actors[index].settings = settings_of(drawn, draw)
    actors[index].commit = draw(3) == 1 and draw(300) / 1000 or draw(3) == 1 and 0.002 or 0
    if drawn.agent then actors[index].fields = draw_agent(draw) end
  end
  return actors
end

local function addresses_of(actors)
  local addresses = {}
  for _, actor in ipairs(actors) do
    if actor.agent then addresses[#addresses + 1] = actor end
  end
  return addresses
end

local function draw_body(draw, n, addresses)
  local does = draw(40) == 1 and SELDOM[draw(#SELDOM)] or DOES[draw(#DOES)]
  local body = { does = does, n = n }
  if does == "passes_on" or does == "counts" then
    body.to, body.copies = addresses[draw(#addresses)].agent, draw(4)
    body.profile = draw(4) == 1 and "exactly-once" or nil
  end
  if does == "counts" then
    body.kv, body.waits = draw(2) == 1, draw(2) == 1 and draw(2000) / 1000 or nil
  end
  if draw(40) == 1 then body.fill = ("x"):rep(20000) end
  return body
end

local function draw_options(draw, actors)
  local options = { from = actors[draw(#actors)][1], await = draw(2) == 1 and "handled" or "stored" }
  if draw(12) == 1 then options.expires = draw(2) == 1 and "5s" or "12s" end
  if draw(12) == 1 then options.delay = draw(8) end
  if draw(12) == 1 then options.profile, options.await = "at-most-once", "sent" end
  if not options.profile and draw(4) == 1 then options.profile, options.await = "exactly-once", "handled" end
  if draw(3) > 1 then options.key = ("key/"):rep(8) .. draw(4) end
  return options
end

-- When it happens, what it is.
local function draw_act(draw, n, actors, addresses)
  local actor = addresses[draw(#addresses)]
  local kind = draw(14)
  if kind == 1 then return { kind = "reload", actor = actor, start = STARTS[draw(#STARTS)] } end
  if kind == 2 and draw(2) == 1 then
    return { kind = "hold", method = draw(2) == 1 and "pause" or "drain", actor = actor, lasts = draw(20) }
  end
  if kind == 3 and draw(6) == 1 then return { kind = "purge", actor = actor } end
  if kind == 4 and actor.twin and draw(2) == 1 then
    return { kind = "takeover", actor = actor, same = draw(2) == 1, epoch = 1000 }
  end
  return { kind = "send", to = actor.agent, body = draw_body(draw, n, addresses), options = draw_options(draw, actors) }
end

--- Draw what is done, in the order of time.
function cast.acts(draw, actors)
  local acts, at, addresses = {}, 0, addresses_of(actors)
  for n = 1, 8 + draw(30) do
    acts[n] = draw_act(draw, n, actors, addresses)
    acts[n].at = at
    if draw(3) > 1 then at = at + draw(2000) / 1000 end
  end
  return acts, at
end

-- ---- an agent in a state of its own, which runs out of memory ----

local GREEDY, GREEDY_FILE = "greedy@world", "spec/sim/greedy.lua"

--- Draw who has it, if anybody, and what it is sent. A generator of its own leaves all else of the seed as it is.
function cast.greed(seed, actors, lasts)
  local draw = storm.generator(seed * 7 + 3)
  local actor, sends = actors[draw(#actors)], {}
  if draw(8) > 1 or actor.twin then return { sends = {} } end
  for n = 1, 1 + draw(4) do
    sends[n] = { at = draw(1000) / 1000 * lasts, from = actors[draw(#actors)][1], exhausts = draw(2) == 1 }
  end
  return { node = actor[1], sends = sends }
end

local function ask_greedy(run, send)
  if not run.world:up(send.from) then return end
  local id = run.world:send(GREEDY, { exhausts = send.exhausts }, { from = send.from })
  if send.exhausts then run.exhausts[#run.exhausts + 1] = id end
end

--- It is there, and is sent what was drawn.
function cast.enter_greedy(run, greed)
  run.exhausts = {}
  if greed.node then run.world:load(GREEDY_FILE, { node = greed.node }) end
  for _, send in ipairs(greed.sends) do
    storm.plan(run.world, run.now() + send.at, function() ask_greedy(run, send) end)
  end
end

--- Who wants more memory than there is, does not get it; the process and all others go on.
function cast.check_greedy(run)
  for _, id in ipairs(run.exhausts) do
    if storm.handled(run.world, id) then error(id .. " was handled with more memory than its agent may have", 0) end
  end
end

--- What was drawn of timers and versions is planned.
function cast.enter_timers(run, drawn, faults)
  timers.enter(run, drawn, faults, agent_of)
end

--- Everybody is there.
function cast.enter(run, actors)
  local world = run.world
  for _, actor in ipairs(actors) do
    world:node(actor[1], actor.settings, actor.twin and { store = "first" } or nil)
    if actor.commit > 0 then world:disk(actor[1], nil, { commit = actor.commit }) end
  end
  for _, actor in ipairs(actors) do
    if actor.agent then world:load(agent_of(run, actor), { node = actor[1] }) end
  end
end

local ACTS = {}

function ACTS.send(run, act)
  if not run.world:up(act.options.from) then return end
  local id = run.world:send(act.to, act.body, act.options)
  run.sent[id] = act
  keeping.sent(run, id, act, run.by_address[act.to])
  run.order[#run.order + 1] = id
end

function ACTS.reload(run, act)
  local node = act.actor[1]
  if run.world:up(node) then run.world:reload(act.actor.agent, agent_of(run, act.actor, act.start), { node = node }) end
end

local function administer(run, actor, method)
  return run.world:send("$node", { address = actor.agent }, { from = actor[1], method = method, await = "handled" })
end

local function end_holds(run, actor)
  for _, hold in ipairs(run.pauses) do
    if hold.actor == actor then hold.over = true end
  end
end

--- Deliver again; false: that is durable already.
function cast.resume(run, pause)
  local receipt = pause.resumed and run.world:receipt(pause.resumed)
  if receipt and receipt.ok then return false end
  end_holds(run, pause.actor)
  if run.world:up(pause.actor[1]) then pause.resumed = administer(run, pause.actor, "resume") end
  return true
end

function ACTS.hold(run, act)
  if not run.world:up(act.actor[1]) or act.actor.settings.store then return end
  end_holds(run, act.actor)
  act.id = administer(run, act.actor, act.method)
  run.pauses[#run.pauses + 1] = act
  storm.plan(run.world, run.now() + act.lasts, function() cast.resume(run, act) end)
end

function ACTS.purge(run, act)
  run.purged = true
  if run.world:up(act.actor[1]) then administer(run, act.actor, "purge") end
end

-- The same store again, by a later start (a copy of its disk: nothing is in it), or another one under the same name,
-- whose owner is dead then.
function ACTS.takeover(run, act)
  local before = act.actor
  if run.takeover then return end
  local twin = { "later", links = before.links, agent = before.agent, settings = before.settings, fields = before.fields }
  if not act.same and run.world:up(before[1]) then run.world:crash(before[1]) end
  run.takeover = { before = before[1], later = "later", same = act.same }
  table.insert(run.actors, twin)
  run.world:node("later", twin.settings,
    { goes_by = before[1], store = act.same and "first" or "second", epoch = act.same and act.epoch or nil })
  run.world:load(agent_of(run, twin), { node = "later" })
end

--- Do it.
function cast.act(run, act)
  ACTS[act.kind](run, act)
end

return cast
