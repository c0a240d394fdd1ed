local test = require "moonpost.test"
local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

local LINK_CREDIT = 8192

local function noop() end

describe("the window of a lane", function()
  local world

  local function on_the_way(ids)
    local sent = 0
    for _, id in ipairs(ids) do sent = sent + #world:times(id, "sent") end
    return sent
  end

  local function send(count)
    local ids = {}
    for n = 1, count do ids[n] = delivery.send(world, n, { retry = { jitter = 0, first = 60 } }) end
    return ids
  end

  it("lets as many unanswered messages be on their way as the link's setting says", function()
    world = delivery.chain { client = { links = { delivery.link("hub", { window = 3 }) } } }
    delivery.agent(world, noop)
    local speak = delivery.mute(world)
    local ids = send(10)
    assert.are.equal(3, on_the_way(ids))
    speak()
  end)

  it("is 64 when nobody says otherwise", function()
    world = delivery.chain()
    delivery.agent(world, noop)
    delivery.mute(world)
    assert.are.equal(64, on_the_way(send(70)))
  end)

  it("moves on with each answer, and all arrive in order", function()
    world = delivery.chain { client = { links = { delivery.link("hub", { window = 3 }) } } }
    delivery.agent(world, noop)
    world:delay("client", "hub", 0.1)
    send(9)
    world:advance(0.15)
    assert.are.same({ 1, 2, 3 }, delivery.bodies(world))
    world:advance(0.2)
    assert.are.same({ 1, 2, 3, 4, 5, 6 }, delivery.bodies(world))
    world:settle()
    assert.are.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, delivery.bodies(world))
  end)

  it("of one address does not hold up another", function()
    world = delivery.chain { client = { links = { delivery.link("hub", { window = 1 }) } } }
    delivery.agent(world, noop)
    delivery.agent(world, noop, { address = "b@x" })
    delivery.mute(world)
    send(3)
    world:send("b@x", "b", { from = "client" })
    assert.are.same({ 1 }, delivery.bodies(world))
    assert.are.same({ "b" }, delivery.bodies(world, "b@x"))
  end)

  it("is not filled by messages that are stored and awaited", function()
    world = delivery.chain { client = { links = { delivery.link("hub", { window = 2 }) } } }
    delivery.agent(world, function() moonpost.sleep(10) end)
    for n = 1, 6 do delivery.send(world, n, { await = "handled" }) end
    assert.are.equal(6, #world:received("a@x"))
  end)

  it("is not filled by messages that wait for their retry after NO_ROUTE", function()
    world = delivery.chain { client = { links = { delivery.link("hub", { window = 2 }) } } }
    local ids = send(5)
    world:advance(0.5)
    assert.are.equal(5, on_the_way(ids))
  end)
end)

describe("the credit of a link", function()
  local world

  local function fill()
    for n = 1, LINK_CREDIT do delivery.send(world, n, { profile = "at-most-once" }) end
  end

  before_each(function()
    world = test.world { seed = 1 }
    world:node("hub", { send = { jitter = 0 } })
    world:node("owner", { links = { delivery.link "hub" } })
    world:node("client", { links = { delivery.link "hub" }, send = { jitter = 0 } })
    delivery.agent(world, noop)
  end)

  it("bounds what is under way: the next message waits until the peer has dealt with some", function()
    world:delay("client", "hub", 0.1)
    fill()
    local id = delivery.send(world, "x")
    assert.are.same({}, world:times(id, "sent"))
    world:settle()
    assert.are.same({ 0.2 }, world:times(id, "sent"))
    assert.are.equal("stored", world:receipt(id).level)
  end)

  it("that is used up is BUSY for an at-most-once message, which is lost and counted", function()
    world:delay("client", "hub", 0.1)
    fill()
    local id = delivery.send(world, "x", { profile = "at-most-once" })
    assert.are.equal("BUSY", world:receipt(id).code)
    assert.are.equal(1, world:counts("client").lost)
  end)

  it("that is used up behind a sentinel is BUSY for that destination only, soon tried again at no attempt", function()
    world:node("other", { links = { delivery.link "hub" } })
    delivery.agent(world, noop, { address = "b@x", node = "other" })
    world:delay("hub", "owner", 0.25)
    fill()
    local id = delivery.send(world, "x", { retry = { jitter = 0, attempts = 1, first = 2 } })
    local b = world:send("b@x", "x", { from = "client" })
    assert.are.equal("stored", world:receipt(b).level)
    assert.are.equal("BUSY", delivery.facts(world, "retrying", id)[1].code)
    world:settle()
    assert.are.same({ 0, 0.1, 0.2, 0.3, 0.4, 0.5 }, world:times(id, "sent"))
    assert.are.equal("stored", world:receipt(id).level)
  end)

  it("is given again for ever", function()
    for _ = 1, 3 do fill() end
    world:settle()
    assert.are.equal(0, world:counts("client").lost)
    assert.are.equal(0, world:counts("hub").lost)
    assert.are.equal(3 * LINK_CREDIT, world:counts("owner").handled)
  end)

  it("begins anew with a new link", function()
    world:delay("client", "hub", 0.1)
    fill()
    world:cut("client", "hub")
    world:heal("client", "hub")
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.equal("stored", world:receipt(id).level)
  end)
end)

describe("the bytes that wait to be written to a link", function()
  local BODY = ("b"):rep(100 * 1024)
  local COUNT, FIT = 100, 82 -- of such messages in 8 MiB

  local function bodies(world)
    local count = 0
    for _, body in ipairs(delivery.bodies(world)) do count = count + (body == BODY and 1 or 0) end
    return count
  end

  local function send(world)
    for _ = 1, COUNT do delivery.send(world, BODY, { retry = { jitter = 0, first = 20 } }) end
  end

  it("are bounded: what does not fit stays in the outbox of a node whose peer does not read", function()
    local world = delivery.chain { client = { links = { delivery.link("hub", { window = 1000 }) } } }
    delivery.agent(world, noop)
    world:delay("client", "hub", 5)
    send(world)
    assert.are.equal(FIT, world:counts("client").transmissions)
    world:advance(4)
    assert.are.equal(FIT, world:counts("client").transmissions)
    world:settle()
    assert.are.equal(COUNT, world:counts("client").transmissions)
    assert.are.equal(COUNT, bodies(world))
  end)

  it("are bounded behind a sentinel, too: it says BUSY, and all arrives in the end, each once", function()
    local world = delivery.chain { client = { links = { delivery.link("hub", { window = 1000 }) } } }
    delivery.agent(world, noop)
    world:delay("hub", "owner", 5)
    send(world)
    assert.are.equal(COUNT - FIT, #delivery.facts(world, "retrying"))
    for _, fact in ipairs(delivery.facts(world, "retrying")) do assert.are.equal("BUSY", fact.code) end
    world:settle()
    assert.are.equal(COUNT, bodies(world))
  end)
end)
