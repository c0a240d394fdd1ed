--- Random worlds: nodes that link and lose each other, envelopes that get lost, handlers that fail, wait
--- and give up, agents that are loaded again, well or not. Every message must end with a reason, and every receipt must be true.
---
---     build/sim spec/sim/random.lua --seeds N     seeds 1..N
---     build/sim spec/sim/random.lua --seed N      one, with every line of its log
local moonpost = require "moonpost"
local test = require "moonpost.test"

local random = {}

-- A generator of our own, so that a seed names a run whatever else draws numbers.
local function generator(seed)
  local state = seed * 2654435761 % 4294967296
  return function(limit)
    state = (state * 1103515245 + 12345) % 4294967296
    return math.floor(state / 65536) % limit + 1
  end
end

-- What a handler does with a message: written in its body, so that a resend does the same.
local HANDLERS = {
  ack = function() return "done" end,
  slow = function() moonpost.sleep "3s" return "done" end,
  fail_once = function(ctx)
    if ctx.attempt == 1 then error("the first attempt fails") end
    return "done"
  end,
  always_fails = function() error("it always fails") end,
  defer = function(_, msg, deferred)
    if deferred[msg.id] then return "done" end
    deferred[msg.id] = true
    return moonpost.defer("not now", { delay = "2s" })
  end,
  reject = function() return moonpost.reject("no") end,
  skip = function() return moonpost.skip("nothing to do") end,
  too_slow = function() moonpost.sleep "1m" end,
}
local DOINGS = { "ack", "ack", "ack", "ack", "slow", "fail_once", "always_fails", "defer", "reject", "skip", "too_slow" }

local STARTS = {
  function() end,
  function() moonpost.sleep "4s" end,
  function() error("no database", 0) end,
  function()
    moonpost.sleep "1s"
    error("no database after all", 0)
  end,
}

local function agent_of(draw, address, start)
  local deferred = {}
  return moonpost.agent {
    address = address,
    concurrency = draw(4),
    timeout = "10s",
    retry = { attempts = draw(4), first = "500ms", jitter = 0.1 },
    dedup = draw(2) == 1 and { ttl = "24h" } or "none",
    on = {
      message = function(ctx, msg) return HANDLERS[msg.body](ctx, msg, deferred) end,
      start = start,
    },
  }
end

-- Loses envelopes of all kinds while the weather is bad.
local function bad_weather(draw, weather)
  return moonpost.hook {
    forward = function()
      if weather.bad and draw(100) <= weather.loss then return moonpost.drop("bad weather") end
    end,
  }
end

local function make_world(seed, draw)
  local world = test.world { seed = seed }
  local weather = { bad = true, loss = draw(4) * 10 - 10 }
  local send = { attempts = draw(5) + 1, first = "1s", cap = "20s" }
  world:node("hub")
  world:node("owner", { links = { { to = "hub", first = "500ms", cap = "5s" } } })
  world:node("sender", { links = { { to = "hub", first = "500ms", cap = "5s" } }, send = send })
  world:node("direct", { links = { { to = "owner", first = "500ms", cap = "5s" } }, send = send })
  for _, node in ipairs { "hub", "owner", "sender", "direct" } do
    world:fault(bad_weather(draw, weather), { node = node })
  end
  world:load(agent_of(draw, "a@owner"), { node = "owner" })
  world:load(agent_of(draw, "b@hub"), { node = "hub" })
  return world, weather
end

local PAIRS = { { "owner", "hub" }, { "sender", "hub" }, { "direct", "owner" } }

local function disturb(world, draw)
  local pair = PAIRS[draw(#PAIRS)]
  local what = draw(6)
  if what == 1 then
    world:cut(pair[1], pair[2])
  elseif what <= 4 then
    world:heal(pair[1], pair[2])
  else
    world:delay(pair[1], pair[2], draw(2) == 1 and 0 or draw(1500) / 1000)
  end
end

local function reload(world, draw)
  local here = draw(2) == 1
  local address, node = here and "a@owner" or "b@hub", here and "owner" or "hub"
  world:reload(address, agent_of(draw, address, STARTS[draw(#STARTS)]), { node = node })
end

local function send_one(world, draw, sent)
  local from = ({ "sender", "direct", "owner", "hub" })[draw(4)]
  local to = draw(2) == 1 and "a@owner" or "b@hub"
  local options = { from = from, await = draw(2) == 1 and "handled" or "stored" }
  if draw(12) == 1 then options.expires = "5s" end
  if draw(12) == 1 then options.delay = draw(8) end
  if draw(12) == 1 then options.profile, options.await = "at-most-once", "sent" end
  local id = world:send(to, DOINGS[draw(#DOINGS)], options)
  sent[#sent + 1] = { id = id, to = to, profile = options.profile }
end

local function clear_up(world, weather)
  weather.bad = false
  for _, pair in ipairs(PAIRS) do
    world:heal(pair[1], pair[2])
    world:delay(pair[1], pair[2], 0)
  end
end

-- What the facts say of a message: how often it was handled, and which ends it had.
local function tally(world, id)
  local count = { handled = 0, dead = 0, expired = 0, delivered = 0 }
  for _, fact in ipairs(world:facts(id)) do
    if count[fact.fact] then count[fact.fact] = count[fact.fact] + 1 end
  end
  return count
end

local function is_dead(world, message)
  for _, letter in ipairs(world:dead(message.to)) do
    if letter.id == message.id then return true end
  end
  return false
end

local function check_message(world, message)
  local receipt = world:receipt(message.id)
  local count = tally(world, message.id)
  local ended = count.handled + count.expired > 0 or is_dead(world, message)
  if message.profile == "at-most-once" then
    assert(count.delivered <= 1, "an at-most-once message was handed over twice: " .. message.id)
    return
  end
  assert(receipt, "no receipt: " .. message.id)
  assert(ended, ("lost: %s, receipt %s"):format(message.id, tostring(receipt)))
  if receipt.ok and receipt.level == "handled" then
    assert(count.handled > 0, "a receipt says handled, but nobody handled it: " .. message.id)
  end
end

-- Everything that was said, as one text: the same seed says the same.
local function transcript(world)
  local lines = {}
  for _, line in ipairs(world:log()) do
    lines[#lines + 1] = ("%9.3f %-7s %-26s %s"):format(line.at, line.node, line.id, line.text)
  end
  return table.concat(lines, "\n")
end

--- Run one world to its end and check it.
---@param seed integer
---@return boolean ok
---@return string transcript
---@return string|nil reason
function random.run(seed)
  local draw = generator(seed)
  local world, weather = make_world(seed, draw)
  local sent = {}
  local ok, reason = pcall(function()
    for _ = 1, 10 + draw(30) do
      send_one(world, draw, sent)
      if draw(3) == 1 then disturb(world, draw) end
      if draw(5) == 1 then reload(world, draw) end
      world:advance(draw(2000) / 1000)
    end
    clear_up(world, weather)
    world:settle()
    world:check()
    for _, message in ipairs(sent) do check_message(world, message) end
  end)
  local said = transcript(world)
  world:close()
  return ok, said, reason
end

local function fail(seed, said, reason)
  print(said)
  print(("seed %d: %s"):format(seed, tostring(reason)))
  print(("replay:  build/sim spec/sim/random.lua --seed %d"):format(seed))
  error("an invariant was broken", 0)
end

local REPEAT_EVERY = 50

local function run_seeds(first, last, loud)
  for seed = first, last do
    local ok, said, reason = random.run(seed)
    if not ok then fail(seed, said, reason) end
    if loud then print(said) end
    if seed % REPEAT_EVERY == 0 and select(2, random.run(seed)) ~= said then
      fail(seed, said, "the second run of this seed said something else")
    end
  end
  print(("%d worlds, every promise kept"):format(last - first + 1))
end

local options = {}
for index = 1, select("#", ...), 2 do options[(select(index, ...))] = tonumber((select(index + 1, ...))) end
if options["--seed"] then
  run_seeds(options["--seed"], options["--seed"], true)
elseif options["--seeds"] then
  run_seeds(1, options["--seeds"], false)
end
return random
