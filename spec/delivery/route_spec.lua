local moonpost = require "moonpost"
local test = require "moonpost.test"
local delivery = require "spec.support.delivery"

local function noop() end

describe("a message to an address that nobody serves", function()
  local world

  before_each(function() world = delivery.chain() end)

  it("is tried again by the sender's schedule, at no attempt", function()
    local id = delivery.send(world, "x", { retry = { jitter = 0, attempts = 1 } })
    world:advance(20)
    assert.is_nil(world:receipt(id))
    assert.are.same({ 0, 1, 3, 7, 15 }, world:times(id, "retrying"))
    for _, fact in ipairs(delivery.facts(world, "retrying", id)) do assert.are.equal("NO_ROUTE", fact.code) end
  end)

  it("is delivered when the agent is there", function()
    local id = delivery.send(world, "x")
    world:advance(5)
    delivery.agent(world, noop)
    world:settle()
    assert.are.same({ 7 }, world:times(id, "handled"))
    assert.are.equal("stored", world:receipt(id).level)
  end)

  it("is NO_ROUTE after two minutes, with the nearest address, and surely not handled", function()
    delivery.agent(world, noop, { address = "b@x" })
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.same({ 120 }, world:times(id, "nacked"))
    assert.are.equal("NO_ROUTE", world:receipt(id).code)
    assert.are.equal("NO_ROUTE", world:dead("a@x")[1].code)
    assert.are.equal(0, world:dead("a@x")[1].attempts)
    assert.are.equal('no agent at "a@x"; did you mean b@x?', delivery.facts(world, "retrying", id)[1].reason)
  end)

  it("is NO_ROUTE at once when its sender does not want to wait for a way", function()
    delivery.agent(world, noop, { address = "b@x" })
    local id = delivery.send(world, "x", { fail_fast = true })
    assert.are.equal("NO_ROUTE", world:receipt(id).code)
    assert.are.equal('no agent at "a@x"; did you mean b@x?', world:receipt(id).reason)
  end)

  -- Was: a sender that gave up at the first NO_ROUTE said so even when an earlier transmission had not been
  -- answered, as if the message had surely not been handled.
  it("is in doubt, not NO_ROUTE, when an earlier transmission was left unanswered", function()
    delivery.agent(world, noop)
    delivery.mute(world)
    local id = delivery.send(world, "x", { fail_fast = true })
    world:cut("owner", "hub")
    world:advance(1)
    assert.are.equal(1, #world:received("a@x"))
    assert.are.equal("IN_DOUBT", world:receipt(id).code)
  end)

  it("is tried again, also by who does not want to wait, when its link went while it was on it", function()
    delivery.agent(world, noop)
    delivery.mute(world)
    local id = delivery.send(world, "x", { fail_fast = true })
    world:cut("client", "hub")
    world:advance(0.5)
    assert.is_nil(world:receipt(id))
    world:heal("client", "hub")
    world:advance(300)
    assert.equal("IN_DOUBT", world:receipt(id).code) -- nobody hears its receipts: after all its attempts
    assert.is_true(#world:received("a@x") > 2)
  end)

  it("has the whole wait for its answer again after NO_ROUTE", function()
    local id = delivery.send(world, "x", { retry = { jitter = 0, first = 10, attempts = 2 } })
    world:advance(2)
    delivery.agent(world, noop)
    delivery.mute(world)
    world:settle()
    assert.are.same({ 0, 10, 20 }, world:times(id, "sent"))
    assert.are.equal("IN_DOUBT", world:receipt(id).code)
  end)
end)

describe("a message whose owner's link is down behind the sentinel", function()
  it("is NO_ROUTE there, costs time only, and goes when the owner is back", function()
    local world = delivery.chain()
    delivery.agent(world, noop)
    world:cut("owner", "hub")
    local id = delivery.send(world, "x", { retry = { jitter = 0, attempts = 1 } })
    world:advance(1.5)
    world:heal("owner", "hub")
    world:settle()
    assert.are.same({ 0, 1, 3 }, world:times(id, "sent"))
    assert.are.same({ 3 }, world:times(id, "handled"))
  end)
end)

describe("a mailbox at its limit", function()
  local world, id

  before_each(function()
    world = delivery.chain { owner = { mailbox = { max = 2 } } }
    delivery.agent(world, function() moonpost.sleep(10) end, { concurrency = 1 })
    delivery.send(world, 1)
    delivery.send(world, 2)
    id = delivery.send(world, 3, { retry = { jitter = 0, attempts = 1 } })
  end)

  it("refuses with BUSY, which costs its sender the time that the owner asks for, and no attempt", function()
    assert.is_nil(world:receipt(id))
    local refused = delivery.facts(world, "retrying", id)
    assert.are.equal(1, #refused)
    assert.are.equal("BUSY", refused[1].code)
    assert.are.equal(1, refused[1].delay)
  end)

  it("takes the message when there is room again", function()
    world:settle()
    assert.are.same({ 1, 2, 3 }, delivery.bodies(world))
    assert.are.equal("stored", world:receipt(id).level)
    assert.are.equal(11, #world:times(id, "sent"))
  end)

  it("counts nothing as dead or lost", function()
    world:settle()
    assert.are.equal(0, world:counts("owner").dead)
    assert.are.equal(0, world:counts("owner").lost)
    assert.are.equal(3, world:counts("owner").handled)
  end)

  -- Was: the receipt of a sender that gives up at once had lost the owner's retry_after.
  it("tells a sender that does not want to wait, with the time after which to try again", function()
    local other = delivery.send(world, 4, { fail_fast = true })
    assert.are.equal("BUSY", world:receipt(other).code)
    assert.are.equal(1, world:receipt(other).retry_after)
  end)

  it("refuses a message of its own node in the same way", function()
    local here = world:send("a@x", 4, { from = "owner" })
    assert.are.equal("BUSY", world:receipt(here).code)
    assert.are.equal(1, world:receipt(here).retry_after)
  end)
end)

describe("sentinels in a chain", function()
  local world

  before_each(function()
    world = test.world { seed = 1 }
    world:node "top"
    world:node("left", { links = { delivery.link "top" } })
    world:node("right", { links = { delivery.link "top" } })
    world:node("owner", { links = { delivery.link "left" } })
    world:node("client", { links = { delivery.link "right" }, send = { jitter = 0 } })
    delivery.agent(world, function(_, msg) return msg.body .. "!" end)
  end)

  it("carry a message up and down, and its receipt back", function()
    assert.are.equal("x!", (world:call("a@x", "x", { from = "client" })))
  end)

  it("put the name of the node that dialled them in place of a sender that they cannot believe", function()
    world:call("a@x", "x", { from = "client" })
    assert.are.equal("right", world:received("a@x")[1].from)
  end)

  it("keep a message at its sender while a link in the middle is down", function()
    world:cut("left", "top")
    local id = delivery.send(world, "x", { await = "handled" })
    world:advance(2)
    assert.is_nil(world:receipt(id))
    world:heal("left", "top")
    world:settle()
    assert.are.equal("x!", world:receipt(id).result)
    assert.are.equal(0, #world:dead("a@x"))
  end)

  it("know the address again after any of their links was down", function()
    for _, pair in ipairs { { "owner", "left" }, { "left", "top" }, { "right", "top" }, { "client", "right" } } do
      world:cut(pair[1], pair[2])
      world:heal(pair[1], pair[2])
      world:advance(2)
      assert.are.equal("x!", (world:call("a@x", "x", { from = "client" })))
    end
  end)

  it("forget the address when its owner's link is down, all the way up", function()
    world:cut("owner", "left")
    local id = delivery.send(world, "x", { fail_fast = true })
    assert.are.equal("NO_ROUTE", world:receipt(id).code)
  end)

  it("serve agents of their own", function()
    delivery.agent(world, function() return "top" end, { address = "t@x", node = "top" })
    delivery.agent(world, function() return "right" end, { address = "r@x", node = "right" })
    assert.are.equal("top", (world:call("t@x", "x", { from = "client" })))
    assert.are.equal("right", (world:call("r@x", "x", { from = "client" })))
    assert.are.equal("right", (world:call("r@x", "x", { from = "owner" })))
  end)

  it("send to agents below them", function()
    assert.are.equal("x!", (world:call("a@x", "x", { from = "top" })))
    assert.are.equal("x!", (world:call("a@x", "x", { from = "left" })))
  end)
end)

describe("a client with two sentinels", function()
  it("tries the other one when the first knows no way", function()
    local world = test.world { seed = 1 }
    world:node "one"
    world:node "two"
    world:node("owner", { links = { "two" } })
    world:node("client", { links = { "one", "two" }, send = { jitter = 0 } })
    delivery.agent(world, noop)
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.same({ 1 }, world:times(id, "handled"))
  end)

  it("uses the one that is up", function()
    local world = test.world { seed = 1 }
    world:node "one"
    world:node "two"
    world:node("owner", { links = { "one", "two" } })
    world:node("client", { links = { "one", "two" } })
    delivery.agent(world, noop)
    world:cut("client", "one")
    local id = delivery.send(world, "x")
    assert.are.equal("stored", world:receipt(id).level)
  end)
end)

describe("a message to an agent of the same node", function()
  local world

  before_each(function()
    world = test.world { seed = 1 }
    world:node("node", { send = { jitter = 0 }, handle = { jitter = 0 } })
  end)

  -- Was: the answer of the same commit said `handled` to a sender that asked for `stored`, or DEAD when the
  -- handler had failed at once; over a link it would have been `stored`.
  it("is stored without any link, and its receipt says no more than was asked for", function()
    delivery.agent(world, noop, { node = "node" })
    local id = world:send("a@x", "x")
    assert.are.equal("stored", world:receipt(id).level)
    assert.are.equal(0, world:counts("node").transmissions)
    assert.are.equal(1, #world:received("a@x"))
  end)

  it("is stored for its sender although its handler rejects it at once", function()
    delivery.agent(world, function() return moonpost.reject "no" end, { node = "node" })
    local id = world:send("a@x", "x")
    assert.is_true(world:receipt(id).ok)
    assert.are.equal(1, #world:dead("a@x"))
  end)

  it("is handled with a result", function()
    delivery.agent(world, function(_, msg) return { twice = msg.body * 2 } end, { node = "node" })
    assert.are.same({ twice = 42 }, (world:call("a@x", 21)))
  end)

  it("ends dead for a caller when its handler fails to the end", function()
    delivery.agent(world, delivery.failing, { node = "node", retry = { attempts = 2, jitter = 0 } })
    local result, reason, code = world:call("a@x", "x")
    assert.is_nil(result)
    assert.are.equal("it does not work", reason)
    assert.are.equal("DEAD", code)
  end)

  it("that was sent before the agent was loaded is delivered when it is", function()
    local id = world:send("a@x", "x")
    world:advance(10)
    delivery.agent(world, noop, { node = "node" })
    world:settle()
    assert.are.equal("stored", world:receipt(id).level)
    assert.are.equal(1, #world:received("a@x"))
  end)

  it("that nobody serves is NO_ROUTE after two minutes, when its store is memory", function()
    world:node("other", { store = "memory", send = { jitter = 0 } })
    local id = world:send("a@x", "x", { from = "other" })
    world:settle()
    assert.are.same({ 120 }, world:times(id, "nacked"))
    assert.are.equal("NO_ROUTE", world:receipt(id).code)
  end)
end)

describe("a log about messages that cannot go", function()
  local world

  local function complaints()
    local count = 0
    for _, line in ipairs(world:log()) do
      if line.node == "client" and line.text:find("cannot be sent now", 1, true) then count = count + 1 end
    end
    return count
  end

  -- Was: a line for each message, and again for each of its tries.
  it("has one line for a destination, and another one after messages have gone meanwhile", function()
    world = delivery.chain()
    for n = 1, 10 do delivery.send(world, n) end
    world:advance(20)
    assert.are.equal(1, complaints())
    delivery.agent(world, noop)
    world:settle()
    assert.are.equal(10, #world:received("a@x"))
    world:cut("owner", "hub")
    delivery.send(world, 11)
    world:advance(20)
    assert.are.equal(1, complaints())
  end)
end)

describe("messages whose address nobody serves", function()
  local world

  before_each(function()
    world = test.world { seed = 1 }
    world:node "hub"
  end)
  after_each(function() world:close() end)

  local function come()
    world:node("owner", { links = { "hub" } })
    world:load(moonpost.agent { address = "late@x", on = { message = function() end } }, { node = "owner" })
  end

  local function send() return world:send("late@x", "x", { from = "hub", await = "handled" }) end

  it("go to an owner as soon as it is linked", function()
    local first, second = send(), send()
    world:advance "20s"
    come()
    world:advance "10ms"
    assert.is_true(world:receipt(first).ok)
    assert.is_true(world:receipt(second).ok)
  end)

  -- Was: each new message let the oldest look for a way and wait twice as long, up to a minute within a second.
  it("wait no longer because others come behind them", function()
    local id = send()
    for _ = 1, 100 do
      world:advance "5ms"
      send()
    end
    world:advance "1500ms"
    assert.is_true(#world:times(id, "retrying") >= 2)
    local facts = world:facts(id)
    assert.is_true(facts[#facts].delay < 5, facts[#facts].delay)
  end)
end)
