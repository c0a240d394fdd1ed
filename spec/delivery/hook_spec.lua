local moonpost = require "moonpost"
local test = require "moonpost.test"
local delivery = require "spec.support.delivery"

local function noop() end

local function lines(world, text)
  local found = 0
  for _, line in ipairs(world:log()) do
    if line.text:find(text, 1, true) then found = found + 1 end
  end
  return found
end

describe("a hook's step", function()
  local world

  local function hook(node, step, run, more)
    local value = more or {}
    value[step] = run
    world:fault(moonpost.hook(value), { node = node })
  end

  before_each(function()
    world = delivery.chain()
    delivery.agent(world, noop)
  end)

  local steps = {
    { "client", "forward" }, { "hub", "receive" }, { "hub", "forward" }, { "owner", "receive" }, { "owner", "store" },
  }
  for _, place in ipairs(steps) do
    local node, step = place[1], place[2]

    it(("%s at the %s passes what it returns nothing for"):format(step, node), function()
      local seen = 0
      hook(node, step, function(envelope)
        if envelope.type == "message" then seen = seen + 1 end
      end)
      local id = delivery.send(world, "x")
      world:settle()
      assert.are.equal(1, seen)
      assert.are.equal("stored", world:receipt(id).level)
    end)

    it(("%s at the %s alters headers and body"):format(step, node), function()
      hook(node, step, function(envelope)
        if envelope.type == "message" then return { headers = { by = step }, body = { n = envelope.body + 1 } } end
      end)
      delivery.send(world, 1, { headers = { old = "gone" } })
      world:settle()
      assert.are.same({ n = 2 }, world:received("a@x")[1].body)
      assert.are.same({ by = step }, world:received("a@x")[1].headers)
    end)

    it(("%s at the %s drops, which is counted, and the sender sends again"):format(step, node), function()
      local times = 0
      hook(node, step, function(envelope)
        if envelope.type ~= "message" then return nil end
        times = times + 1
        if times < 3 then return moonpost.drop "not yet" end
      end)
      local id = delivery.send(world, "x")
      world:settle()
      assert.are.same({ 0, 1, 3 }, world:times(id, "sent"))
      assert.are.same({ 0, 1 }, world:times(id, "dropped"))
      assert.are.equal("not yet", delivery.facts(world, "dropped", id)[1].reason)
      assert.are.equal(2, world:counts(node).dropped)
      assert.are.equal(1, #world:received("a@x"))
    end)
  end

  for _, place in ipairs { { "owner", "forward" }, { "hub", "receive" }, { "hub", "forward" }, { "client", "receive" } } do
    local node, step = place[1], place[2]

    it(("%s at the %s sees one receipt for each message and may drop it"):format(step, node), function()
      local refs = {}
      hook(node, step, function(envelope)
        if envelope.type ~= "receipt" then return nil end
        refs[#refs + 1] = envelope.ref
        if #refs == 1 then return moonpost.drop "lost" end
      end)
      local first = delivery.send(world, 1)
      local second = delivery.send(world, 2)
      world:settle()
      assert.are.same({ first, second, first }, refs)
      assert.are.same({ 0, 1 }, world:times(first, "sent"))
      assert.are.same({ 0 }, world:times(second, "sent"))
    end)
  end

  it("sees who a message is from and to, and where it goes", function()
    local seen
    hook("hub", "forward", function(envelope, hop)
      if envelope.type ~= "message" then return end
      seen = ("%s %s %s %s %s %s %s"):format(envelope.from, envelope.to, envelope.transmission, hop.from, hop.to,
        hop.link, hop.node)
    end)
    delivery.send(world, "x")
    world:settle()
    assert.are.equal("client a@x 1 downstream downstream owner hub", seen)
  end)

  it("that fails lets the envelope pass, and the log says so", function()
    hook("owner", "receive", function() error "oops" end)
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.equal("stored", world:receipt(id).level)
    assert.are.equal(1, lines(world, "oops"))
  end)

  it("that fails drops the envelope when it says so", function()
    local times = 0
    hook("owner", "receive", function()
      times = times + 1
      if times == 1 then error "oops" end
    end, { on_error = "drop" })
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.same({ 0, 1 }, world:times(id, "sent"))
    assert.are.equal(1, world:counts("owner").dropped)
  end)

  it("that returns something else has failed", function()
    hook("owner", "receive", function() return "pass" end)
    delivery.send(world, "x")
    world:settle()
    assert.are.equal(1, #world:received("a@x"))
    assert.are.equal(1, lines(world, "hook"))
  end)

  it("cannot wait", function()
    hook("owner", "receive", function() moonpost.sleep(1) end)
    delivery.send(world, "x")
    world:settle()
    assert.are.equal(1, lines(world, "CANNOT_WAIT"))
    assert.are.equal(1, #world:received("a@x"))
  end)

  it("of a lower priority comes first", function()
    local order = {}
    hook("owner", "store", function() order[#order + 1] = "late" end, { priority = 2000 })
    hook("owner", "store", function() order[#order + 1] = "early" end, { priority = 10 })
    hook("owner", "store", function() order[#order + 1] = "middle" end)
    delivery.send(world, "x")
    assert.are.same({ "early", "middle", "late" }, order)
  end)

  it("sees what the one before it has altered", function()
    hook("owner", "store", function() return { body = "altered" } end, { priority = 1 })
    local seen
    hook("owner", "store", function(envelope) seen = envelope.body end, { priority = 2 })
    delivery.send(world, "x")
    assert.are.equal("altered", seen)
  end)

  it("cannot alter what a resend carries: the stored record stays", function()
    local seen = {}
    hook("client", "forward", function(envelope)
      seen[#seen + 1] = envelope.body
      return { body = envelope.body .. "!" }
    end)
    delivery.mute(world)
    delivery.send(world, "x", { retry = { jitter = 0, attempts = 3 } })
    world:settle()
    assert.are.same({ "x", "x", "x" }, seen)
    assert.are.same({ "x!", "x!", "x!" }, delivery.bodies(world))
  end)

  it("store that drops a message of the same node refuses it", function()
    hook("owner", "store", function() return moonpost.drop "no" end)
    local id = world:send("a@x", "x", { from = "owner" })
    assert.are.equal("REJECTED", world:receipt(id).code)
  end)
end)

describe("a hook's facts", function()
  local names = { "stored", "delivered", "handled", "retrying", "deferred", "dead" }

  -- A node with a store on a disk, what its hooks are told, and an agent.
  local function on_disk(handle)
    local world = test.world { seed = 1 }
    world:node("owner", { handle = { attempts = 1 } })
    local told, hooks = {}, {}
    for _, name in ipairs(names) do
      hooks[name] = function(fact) told[#told + 1] = fact.fact .. " " .. fact.id end
    end
    world:fault(moonpost.hook(hooks), { node = "owner" })
    delivery.agent(world, handle)
    world:advance "1s"
    return world, told
  end

  it("come when the commit is durable that they are about", function()
    local world, told = on_disk(noop)
    world:disk("owner", "ok", { commit = "100s" })
    world:send("a@x", 1, { id = "m1", from = "owner" })
    assert.are.equal(3, #world:facts "m1")
    assert.are.same({}, told)
    world:settle()
    assert.are.same({ "stored m1", "delivered m1", "handled m1" }, told)
  end)

  for _, case in ipairs {
    { "handled", noop }, { "deferred", function() return moonpost.defer("later", { delay = "1h" }) end },
    { "retrying", function() return moonpost.retry("again", { delay = "1h" }) end },
    { "dead", function() return moonpost.reject "never" end },
  } do
    it(("tell nothing of a commit that fails: %s"):format(case[1]), function()
      local world, told = on_disk(case[2])
      world:disk("owner", "failing")
      world:send("a@x", 1, { id = "m1", from = "owner" })
      world:advance "1s"
      assert.is_false(world:up("owner"))
      assert.are.equal(3, #world:facts "m1")
      assert.are.same({}, told)
      for _, line in ipairs(world:log()) do assert.is_nil(line.text:find("dead letter", 1, true)) end
    end)
  end

  it("do not wait for commits when they are about links", function()
    local world, told = on_disk(noop)
    world:fault(moonpost.hook { link_up = function(fact) told[#told + 1] = fact.fact end }, { node = "owner" })
    world:node("peer", { store = "memory", links = { "owner" } })
    world:disk("owner", "ok", { commit = "10s" })
    world:send("a@x", 1, { id = "m1", from = "owner" })
    world:advance "1s"
    assert.are.same({ "link_up" }, told)
  end)

  it("tell what happened, in order, at the owner and at the sender", function()
    local world = delivery.chain()
    local told = {}
    local function tell(node)
      local hooks = {}
      for _, name in ipairs { "stored", "delivered", "retrying", "handled", "acked", "timed_out", "dead" } do
        hooks[name] = function() told[#told + 1] = node .. " " .. name end
      end
      world:fault(moonpost.hook(hooks), { node = node })
    end
    tell "owner"
    tell "client"
    delivery.agent(world, function(ctx) if ctx.attempt == 1 then error "boom" end end)
    delivery.send(world, "x", { await = "handled" })
    world:settle()
    assert.are.same({
      "owner stored", "owner delivered", "owner retrying", "owner delivered", "owner handled", "client acked",
    }, told)
  end)

  it("that fail change nothing", function()
    local world = delivery.chain()
    world:fault(moonpost.hook { handled = function() error "oops" end }, { node = "owner" })
    delivery.agent(world, noop)
    local id = delivery.send(world, "x", { await = "handled" })
    world:settle()
    assert.is_true(world:receipt(id).ok)
    assert.are.equal(1, lines(world, "oops"))
  end)
end)

describe("the fault that drops two of three receipts", function()
  it("makes one message arrive three times and be acknowledged once", function()
    local world = delivery.chain()
    delivery.agent(world, noop)
    world:fault(moonpost.fault.drop { type = "receipt", pattern = "XX." }, { node = "owner" })
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.equal(3, #world:received("a@x"))
    assert.are.equal(2, world:counts("owner").dropped)
    assert.are.same({ 3 }, world:times(id, "acked"))
  end)
end)

describe("a hook on links", function()
  local function told(world, node, name, run)
    world:fault(moonpost.hook { [name] = run }, { node = node })
  end

  it("is told which link went down, why, how often it was dialled and when it is dialled again", function()
    local world = delivery.chain { client = { links = { { to = "hub", first = 1, factor = 2, jitter = 0 } } } }
    local seen = {}
    told(world, "client", "link_down", function(fact)
      seen[#seen + 1] = ("%s %s %d %d %s"):format(fact.fact, fact.link, fact.attempt, fact.delay, fact.reason)
    end)
    told(world, "client", "link_up", function(fact) seen[#seen + 1] = ("%s %s"):format(fact.fact, fact.link) end)
    world:cut("client", "hub")
    world:advance(2)
    world:heal("client", "hub")
    world:advance(2)
    assert.are.same({
      "link_down hub 1 1 the link is cut",
      "link_down hub 2 2 the link is cut",
      "link_up hub",
    }, seen)
  end)

  it("is told how many messages wait for it", function()
    local world = delivery.chain()
    local waiting
    told(world, "client", "link_down", function(fact) waiting = fact.waiting end)
    world:cut("client", "hub")
    for n = 1, 3 do delivery.send(world, n) end
    world:advance(1)
    assert.are.equal(3, waiting)
  end)

  it("is told of a link that has failed for good", function()
    local world = delivery.chain { client = { links = { { to = "hub", jitter = 0, attempts = 2 } } } }
    local failed
    told(world, "client", "link_failed", function(fact) failed = ("%s %s"):format(fact.link, fact.code) end)
    world:cut("client", "hub")
    world:advance(10)
    assert.are.equal("hub UNREACHABLE", failed)
  end)

  it("that raises is logged and counted; the link comes up, and other hooks are told", function()
    local world = delivery.chain()
    local others = 0
    delivery.agent(world, noop)
    for _, name in ipairs { "link_up", "link_down" } do
      told(world, "client", name, function() error "oops" end)
      told(world, "client", name, function() others = others + 1 end)
    end
    world:cut("client", "hub")
    world:heal("client", "hub")
    world:advance(1)
    local id = delivery.send(world, "x")
    assert.are.equal("stored", world:receipt(id).level)
    assert.are.equal(2, others)
    assert.are.equal(2, lines(world, "oops"))
  end)

  it("is beside a line of log with the number of the next dial, its delay and what waits", function()
    local world = delivery.chain { client = { links = { { to = "hub", first = 2, jitter = 0 } } } }
    world:cut("client", "hub")
    assert.are.equal(1, lines(world, "link down: hub: the link is cut; dial 2 in 2.0 s; 0 messages waiting"))
  end)
end)

describe("the log of a dead letter", function()
  it("says its code unless that only says that it is dead", function()
    local world = delivery.chain()
    delivery.agent(world, function(_, msg)
      if msg.body == "reject" then return moonpost.reject("never") end
      return delivery.failing()
    end, { retry = { attempts = 1 } })
    delivery.send(world, "fail")
    delivery.send(world, "reject")
    world:settle()
    local said = {}
    for _, line in ipairs(world:log()) do
      if line.text:find("^dead letter") then said[#said + 1] = line.text end
    end
    assert.are.same({
      "dead letter after 1 attempt: it does not work",
      "dead letter after 1 attempt: REJECTED: never",
    }, said)
  end)
end)
