-- The three risks of connections that are made again while messages wait: that their retries disturb each other, that
-- messages change places, that all who wait fight for what there is.
local delivery = require "spec.support.delivery"
local moonpost = require "moonpost"

local function noop() end

local function times(world, node, kind)
  local found = {}
  for _, fact in ipairs(delivery.facts(world, kind)) do
    if fact.node == node then found[#found + 1] = math.floor(fact.at * 1000 + 0.5) / 1000 end
  end
  return found
end

describe("interference: retries of a link and retries of messages", function()
  local DIALS = { 0, 1, 3, 7, 15 }
  local settings = { client = { links = { { to = "hub", first = 1, factor = 2, jitter = 0 } } } }

  it("dials at the same times whether nothing waits or a hundred messages do", function()
    for _, messages in ipairs { 0, 100 } do
      local world = delivery.chain(settings)
      delivery.agent(world, noop)
      world:cut("client", "hub")
      for n = 1, messages do
        delivery.send(world, n)
        world:advance(0.01)
      end
      world:advance(20 - messages * 0.01)
      assert.are.same(DIALS, times(world, "client", "link_down"))
      world:close()
    end
  end)

  it("spends no attempt of a message on dials that fail", function()
    local world = delivery.chain(settings)
    delivery.agent(world, noop)
    world:cut("client", "hub")
    local id = delivery.send(world, "x", { retry = { attempts = 1, jitter = 0 } })
    world:advance(30)
    world:heal("client", "hub")
    world:settle()
    assert.are.same({ 31 }, world:times(id, "sent"))
    assert.are.equal(1, world:receipt(id).attempt)
    world:close()
  end)

  it("spends no dial of a link on messages that are not answered", function()
    local world = delivery.chain { client = { links = { { to = "hub", first = 1, jitter = 0, attempts = 2 } } } }
    delivery.agent(world, noop)
    delivery.mute(world)
    local id = delivery.send(world, "x", { retry = { attempts = 5, first = 1, factor = 1, jitter = 0 } })
    world:settle()
    assert.are.equal(5, #world:times(id, "sent"))
    assert.are.same({}, times(world, "client", "link_down"))
    assert.are.equal(1, world:counts("client").links_up)
    world:close()
  end)

  it("lets one link die without the other noticing", function()
    local world = delivery.chain()
    world:node("other", { links = { delivery.link "hub" } })
    delivery.agent(world, noop)
    world:cut("client", "hub")
    local id = world:send("a@x", "over there", { from = "other" })
    assert.are.equal("stored", world:receipt(id).level)
    assert.are.same({ 0 }, world:times(id, "sent"))
    assert.are.same({}, times(world, "other", "link_down"))
    world:close()
  end)
end)

describe("reorder: messages of one sender across a reconnect", function()
  local COUNT, IN_ORDER = 40, {}
  for n = 1, COUNT do IN_ORDER[n] = n end

  -- Delays that differ from message to message, as they do by default.
  local function agitated()
    return { first = 1, factor = 2, jitter = 0.5, deadline = "1h" }
  end

  local function send_every(world, seconds, at)
    for n = 1, COUNT do
      delivery.send(world, n)
      world:advance(seconds)
      if at[n] then at[n]() end
    end
    world:settle()
  end

  local function chain()
    local world = delivery.chain { client = { send = agitated() } }
    delivery.agent(world, noop, { concurrency = 1, dedup = { ttl = "1h" } })
    return world
  end

  for _, pace in ipairs { 0.02, 0.1, 0.3 } do
    it(("keep their order when the sender's link dies, one every %.2f s"):format(pace), function()
      local world = chain()
      send_every(world, pace, {
        [10] = function() world:cut("client", "hub") end,
        [25] = function() world:heal("client", "hub") end,
      })
      assert.are.same(IN_ORDER, delivery.bodies(world))
      world:close()
    end)

    it(("keep their order when the owner's link dies, so that there is no way, one every %.2f s"):format(pace), function()
      local world = chain()
      send_every(world, pace, {
        [10] = function() world:cut("owner", "hub") end,
        [25] = function() world:heal("owner", "hub") end,
      })
      assert.are.same(IN_ORDER, delivery.bodies(world))
      world:close()
    end)
  end

  it("wait behind the oldest while there is no way, and one new message makes it look again", function()
    local world = chain()
    world:cut("owner", "hub")
    local ids = {}
    for n = 1, 3 do ids[n] = delivery.send(world, n) end
    world:advance(60)
    local tried = #world:times(ids[2], "sent")
    world:heal("owner", "hub")
    world:advance(1)
    delivery.send(world, 4)
    assert.are.same({ 1, 2, 3, 4 }, delivery.bodies(world))
    assert.is_true(tried <= 1, ("the second was tried %d times, beside the first"):format(tried))
    world:close()
  end)

  it("do not wait behind one that stays away for a reason of its own", function()
    local world = chain()
    local refused = false
    world:fault(moonpost.hook {
      store = function(envelope)
        if envelope.body == 1 and not refused then
          refused = true
          return moonpost.drop "lost once"
        end
      end,
    }, { node = "owner" })
    for n = 1, 3 do delivery.send(world, n) end
    world:settle()
    assert.are.same({ 2, 3, 1 }, delivery.bodies(world))
    world:close()
  end)
end)

describe("contention: many senders and one agent", function()
  local SENDERS, EACH = 8, 25

  local function crowd()
    local world = delivery.chain()
    for sender = 1, SENDERS do world:node("sender" .. sender, { links = { delivery.link "hub" } }) end
    delivery.agent(world, function() moonpost.sleep(0.01) end, { concurrency = 4 })
    return world
  end

  local function handled_of(world, from)
    local count = 0
    for _, message in ipairs(world:received "a@x") do
      if message.body.from == from then count = count + 1 end
    end
    return count
  end

  it("serves each in its turn, not the first until it has nothing more", function()
    local world = crowd()
    for n = 1, EACH do
      for sender = 1, SENDERS do world:send("a@x", { from = sender, n = n }, { from = "sender" .. sender }) end
    end
    world:advance(SENDERS * EACH * 0.01 / 4 / 2)
    for sender = 1, SENDERS do
      local share = handled_of(world, sender)
      assert.is_true(share >= EACH / 2 - 2 and share <= EACH / 2 + 2, ("sender %d: %d"):format(sender, share))
    end
    world:settle()
    for sender = 1, SENDERS do assert.are.equal(EACH, handled_of(world, sender)) end
    world:close()
  end)

  it("lets all of them through after the sentinel lost every link at once", function()
    local world = crowd()
    for sender = 1, SENDERS do world:cut("sender" .. sender, "hub") end
    for n = 1, EACH do
      for sender = 1, SENDERS do world:send("a@x", { from = sender, n = n }, { from = "sender" .. sender }) end
    end
    for sender = 1, SENDERS do world:heal("sender" .. sender, "hub") end
    world:settle()
    for sender = 1, SENDERS do assert.are.equal(EACH, handled_of(world, sender)) end
    assert.are.same({}, world:dead "a@x")
    world:close()
  end)

  it("does not let a sender whose messages are refused keep the others away", function()
    local world = crowd()
    for n = 1, EACH do
      world:send("nobody@x", n, { from = "sender1", retry = { deadline = "1m" } })
      world:send("a@x", { from = 1, n = n }, { from = "sender1" })
    end
    world:advance(1)
    assert.are.equal(EACH, handled_of(world, 1))
    world:close()
  end)
end)
