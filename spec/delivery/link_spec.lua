local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"
local test = require "moonpost.test"

describe("messages leased to a link that dies", function()
  local world

  before_each(function()
    world = delivery.chain()
    delivery.agent(world, function() end)
  end)

  it("are given back in order and leave in order over the next one", function()
    delivery.mute(world)
    local ids = {}
    for n = 1, 5 do ids[n] = delivery.send(world, n) end
    world:cut("client", "hub")
    world:heal("client", "hub")
    world:advance(1)
    assert.are.same({ 1, 2, 3, 4, 5, 1, 2, 3, 4, 5 }, delivery.bodies(world))
    for n = 1, 5 do assert.are.same({ 0, 1 }, world:times(ids[n], "sent")) end
  end)

  it("keep their place before what was sent meanwhile", function()
    delivery.mute(world)
    for n = 1, 3 do delivery.send(world, n) end
    world:cut("client", "hub")
    for n = 4, 5 do delivery.send(world, n) end
    world:heal("client", "hub")
    world:advance(1)
    assert.are.same({ 1, 2, 3, 1, 2, 3, 4, 5 }, delivery.bodies(world))
  end)

  it("have spent no attempt by it", function()
    local speak = delivery.mute(world)
    local id = delivery.send(world, "x", { retry = { jitter = 0, attempts = 1, first = 10 } })
    world:cut("client", "hub")
    world:heal("client", "hub")
    speak()
    world:settle()
    assert.are.same({ 0, 1 }, world:times(id, "sent"))
    assert.are.equal("stored", world:receipt(id).level)
  end)

  it("start their waits anew, as if they had not been sent", function()
    delivery.mute(world)
    local id = delivery.send(world, "x", { retry = { jitter = 0, first = 10, factor = 2 } })
    world:advance(4)
    world:cut("client", "hub")
    world:heal("client", "hub")
    world:advance(40)
    assert.are.same({ 0, 5, 15, 35 }, world:times(id, "sent"))
  end)

  it("are in doubt, not refused, when their deadline passes while there is no link", function()
    delivery.mute(world)
    local id = delivery.send(world, "x")
    world:cut("client", "hub")
    world:settle()
    assert.are.same({ 0 }, world:times(id, "sent"))
    assert.are.same({ 120 }, world:times(id, "nacked"))
    assert.are.equal("IN_DOUBT", world:receipt(id).code)
  end)
end)

describe("a message that has never left because its link is down", function()
  local world, id

  before_each(function()
    world = delivery.chain()
    delivery.agent(world, function() end)
    world:cut("client", "hub")
    id = delivery.send(world, "x")
  end)

  it("is sent as soon as the link is up, at no attempt", function()
    world:advance(60)
    world:heal("client", "hub")
    world:settle()
    assert.are.same({ 61 }, world:times(id, "sent"))
    assert.are.equal(1, world:receipt(id).attempt)
  end)

  it("is UNREACHABLE after two minutes, and surely not handled", function()
    world:settle()
    assert.are.same({ 120 }, world:times(id, "nacked"))
    assert.are.equal("UNREACHABLE", world:receipt(id).code)
    assert.are.equal("UNREACHABLE", world:dead("a@x")[1].code)
    assert.are.equal(0, world:dead("a@x")[1].attempts)
  end)
end)

-- Was: "the link is down", and nothing of the address here that was meant.
it("the nearest address here is named also when the link is down", function()
  local world = delivery.chain()
  delivery.agent(world, function() end)
  world:cut("owner", "hub")
  local id = world:send("aa@x", "x", { from = "owner", fail_fast = true })
  world:settle()
  assert.are.equal("UNREACHABLE", world:receipt(id).code)
  assert.are.equal("the link is down; did you mean a@x?", world:receipt(id).reason)
end)

describe("the head of a lane whose link died with it three times", function()
  local world

  -- The link dies right after it is up and the message has been sent again.
  local function let_die(times)
    for _ = 1, times do
      world:cut("client", "hub")
      world:heal("client", "hub")
      world:advance(1)
    end
  end

  before_each(function()
    world = delivery.chain()
    delivery.agent(world, function() end)
    delivery.mute(world)
  end)

  it("is sent alone, before the others may go", function()
    local ids = {}
    for n = 1, 3 do ids[n] = delivery.send(world, n, { retry = { jitter = 0, first = 20 } }) end
    let_die(2)
    assert.are.same({ 0, 1, 2 }, world:times(ids[3], "sent"))
    let_die(1)
    assert.are.same({ 0, 1, 2, 3 }, world:times(ids[1], "sent"))
    assert.are.same({ 0, 1, 2 }, world:times(ids[2], "sent"))
    assert.are.same({ 0, 1, 2 }, world:times(ids[3], "sent"))
  end)

  it("spends an attempt by every further death, and is in doubt after the last", function()
    local id = delivery.send(world, "x", { retry = { jitter = 0, first = 20, attempts = 3 } })
    let_die(5)
    assert.is_nil(world:receipt(id))
    let_die(1)
    assert.are.same({ 0, 1, 2, 3, 4, 5 }, world:times(id, "sent"))
    assert.are.equal("IN_DOUBT", world:receipt(id).code)
    assert.are.equal("the link died each time it was sent after 6 transmissions; it may have been handled",
      world:receipt(id).reason)
  end)

  it("lets the others go when it has ended", function()
    local ids = {}
    for n = 1, 3 do ids[n] = delivery.send(world, n, { retry = { jitter = 0, first = 20, attempts = 1 } }) end
    let_die(4)
    assert.are.equal("IN_DOUBT", world:receipt(ids[1]).code)
    assert.are.same({ 0, 1, 2, 4 }, world:times(ids[2], "sent"))
    assert.are.same({ 0, 1, 2, 4 }, world:times(ids[3], "sent"))
  end)

  it("lets the others go when it was answered after all", function()
    local world2 = delivery.chain()
    world = world2
    delivery.agent(world2, function() end)
    local speak = delivery.mute(world2)
    local ids = {}
    for n = 1, 3 do ids[n] = delivery.send(world2, n, { retry = { jitter = 0, first = 20 } }) end
    let_die(2)
    speak()
    let_die(1)
    for n = 1, 3 do assert.are.equal("stored", world2:receipt(ids[n]).level) end
  end)
end)

describe("a link that is down", function()
  local function link_times(world, fact)
    local times = {}
    for _, happened in ipairs(delivery.facts(world, fact)) do
      if happened.node == "client" then times[#times + 1] = math.floor(happened.at) end
    end
    return times
  end

  it("is dialled again with growing waits up to the cap, for ever", function()
    local world = delivery.chain { client = { links = { { to = "hub", first = 1, factor = 2, cap = 5, jitter = 0 } } } }
    world:cut("client", "hub")
    world:advance(20)
    assert.are.same({ 0, 1, 3, 7, 12, 17 }, link_times(world, "link_down"))
  end)

  it("is dialled after first again when it was up for long enough", function()
    local link = { to = "hub", first = 1, factor = 2, jitter = 0, stable_for = 10 }
    local world = delivery.chain { client = { links = { link } } }
    world:cut("client", "hub")
    world:advance(5)
    world:heal("client", "hub")
    world:advance(15)
    assert.are.same({ 0, 7 }, link_times(world, "link_up"))
    world:cut("client", "hub")
    world:heal("client", "hub")
    world:advance(1)
    assert.are.same({ 0, 7, 21 }, link_times(world, "link_up"))
  end)

  it("is not dialled so soon again when it was up for a moment only", function()
    local link = { to = "hub", first = 1, factor = 2, jitter = 0, stable_for = 10 }
    local world = delivery.chain { client = { links = { link } } }
    for _ = 1, 3 do
      world:cut("client", "hub")
      world:heal("client", "hub")
      world:advance(10)
    end
    assert.are.same({ 0, 1, 12, 24 }, link_times(world, "link_up"))
  end)

  it("has failed for good after its attempts", function()
    local world = delivery.chain { client = { links = { { to = "hub", jitter = 0, attempts = 3 } } } }
    world:cut("client", "hub")
    world:advance "1h"
    assert.are.same({ 3 }, link_times(world, "link_failed"))
    world:heal("client", "hub")
    world:advance "1h"
    assert.are.equal(0, world:counts("client").links_up)
  end)

  it("dials by its own clock: a send never dials", function()
    local world = delivery.chain { client = { links = { { to = "hub", first = 30, jitter = 0 } } } }
    delivery.agent(world, function() end)
    world:cut("client", "hub")
    world:heal("client", "hub")
    world:advance(10)
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.same({ 20 }, world:times(id, "sent"))
  end)
end)

describe("a link over which nothing is heard", function()
  it("is closed after two heartbeats, and what it held is sent over the next one", function()
    local world = delivery.chain { client = { links = { delivery.link("hub", { heartbeat = 5 }) } } }
    delivery.agent(world, function() end)
    local id = delivery.send(world, "x", { retry = { jitter = 0, first = 60 } })
    world:settle()
    assert.are.same({ 0 }, world:times(id, "acked"))
    world:delay("client", "hub", "1h")
    local lost = delivery.send(world, "y", { retry = { jitter = 0, first = 60, deadline = "1h" } })
    world:advance(9)
    assert.are.equal(1, world:counts("client").links_up)
    world:advance(6)
    assert.are.equal(0, world:counts("client").links_up)
    world:delay("client", "hub", 0)
    world:settle()
    assert.are.equal("stored", world:receipt(lost).level)
    assert.are.equal(2, #world:times(lost, "sent"))
  end)

  it("stays up while heartbeats are answered", function()
    local world = delivery.chain()
    world:advance "1h"
    assert.are.equal(1, world:counts("client").links_up)
    assert.are.equal(0, #delivery.facts(world, "link_down"))
  end)

  it("is not closed, and nothing sent again, by a node that stood still and has not read yet", function()
    local world = delivery.chain { client = { links = { delivery.link("hub", { heartbeat = 5 }) } } }
    delivery.agent(world, function() end)
    world:advance "4s"
    world:delay("client", "hub", "100ms")
    local id = delivery.send(world, "x")
    world:pause "client"
    world:advance "9s"
    world:resume "client"
    world:advance "1s"
    assert.are.equal(1, #world:times(id, "sent"))
    assert.is_true(world:receipt(id).ok)
    assert.are.equal(0, #delivery.facts(world, "link_down"))
  end)
end)

describe("a node that stood still", function()
  local world

  before_each(function() world = test.world() end)
  after_each(function() world:close() end)

  it("reads the answer that waits for it before its handler's question ends", function()
    world:node "bank"
    world:node("shop", { links = { "bank" } })
    local function slow()
      moonpost.sleep "1s"
      return 7
    end
    world:load(moonpost.agent { address = "a@bank", on = { message = slow } }, { node = "bank" })
    local function ask(ctx) return ctx:call("a@bank", 1, { timeout = "5s" }) end
    world:load(moonpost.agent { address = "c@shop", retry = { attempts = 1 }, on = { message = ask } }, { node = "shop" })
    local id = world:send("c@shop", 1, { from = "shop", await = "handled" })
    world:advance "500ms"
    world:pause "shop"
    world:advance "6s"
    world:resume "shop"
    world:advance "1s"
    assert.equal(7, world:receipt(id).result)
  end)

  it("lets a handler end whose own wait was over long ago", function()
    local function wait() moonpost.sleep "1s" end
    world:load(moonpost.agent { address = "a@x", timeout = "5s", on = { message = wait } })
    local id = world:send("a@x", 1)
    world:advance "500ms"
    world:pause "node"
    world:advance "6s"
    world:resume "node"
    world:advance "1s"
    assert.equal(1, #world:times(id, "handled"))
  end)
end)
