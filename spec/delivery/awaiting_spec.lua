local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

-- How many data frames and questions about them the hub got from the client.
local function count_frames(world)
  local frames = 0
  world:fault(moonpost.hook {
    receive = function(envelope)
      if envelope.type == "message" then frames = frames + 1 end
    end,
  }, { node = "hub" })
  return function() return frames end
end

describe("a message whose sender wants to know that it was handled", function()
  local world, frames

  before_each(function()
    world = delivery.chain()
    frames = count_frames(world)
  end)

  it("is never resent because its handler is slow", function()
    delivery.agent(world, function() moonpost.sleep "10m" end, { timeout = "1h" })
    local id = delivery.send(world, "x", { await = "handled" })
    world:settle()
    assert.are.same({ 0 }, world:times(id, "sent"))
    assert.are.same({ 600 }, world:times(id, "acked"))
    assert.are.equal("handled", world:receipt(id).level)
    assert.are.equal(1, #world:received("a@x"))
  end)

  it("is asked about every 30 s while it is only stored", function()
    delivery.agent(world, function() moonpost.sleep(100) end, { timeout = "1h" })
    delivery.send(world, "x", { await = "handled" })
    assert.are.equal(1, frames())
    world:advance(29.999)
    assert.are.equal(1, frames())
    world:advance(0.001)
    assert.are.equal(2, frames())
    world:advance(60)
    assert.are.equal(4, frames())
    world:settle()
    assert.are.equal(4, frames())
  end)

  it("ends by the answer to a question when the receipt of its end was lost", function()
    delivery.agent(world, function() moonpost.sleep(5) end)
    local id = delivery.send(world, "x", { await = "handled" })
    local speak = delivery.mute(world)
    world:advance(10)
    speak()
    world:advance(19.999)
    assert.is_nil(world:receipt(id))
    world:settle()
    assert.are.same({ 30 }, world:times(id, "acked"))
    assert.are.equal("handled", world:receipt(id).level)
    assert.are.same({ 0 }, world:times(id, "sent"))
  end)

  it("is dead for its sender by the answer to a question too", function()
    delivery.agent(world, function() moonpost.sleep(5) return moonpost.reject "no" end)
    local id = delivery.send(world, "x", { await = "handled" })
    local speak = delivery.mute(world)
    world:advance(10)
    speak()
    world:settle()
    assert.are.same({ 30 }, world:times(id, "nacked"))
    assert.are.equal("DEAD", world:receipt(id).code)
  end)

  it("is asked about at once when the sender's link is up again", function()
    delivery.agent(world, function() moonpost.sleep(5) end)
    local id = delivery.send(world, "x", { await = "handled" })
    world:cut("client", "hub")
    world:advance(10.5)
    world:heal("client", "hub")
    world:settle()
    assert.are.same({ 11 }, world:times(id, "acked"))
    assert.are.same({ 0 }, world:times(id, "sent"))
  end)

  it("is sent again when another node serves the address, which knows nothing of it", function()
    delivery.agent(world, function() moonpost.sleep(20) end)
    local id = delivery.send(world, "x", { await = "handled" })
    world:cut("owner", "hub")
    world:node("other", { links = { "hub" } })
    delivery.agent(world, function() return "by the other" end, { node = "other" })
    world:advance(29.999)
    assert.are.same({ 0 }, world:times(id, "sent"))
    world:advance(0.001)
    assert.are.same({ 0, 30 }, world:times(id, "sent"))
    assert.are.equal("by the other", world:receipt(id).result)
    assert.are.equal(2, world:receipt(id).attempt)
  end)

  -- Was: the two minutes of a memory outbox ran on while the owner had the message, so that an UNKNOWN after
  -- them made it IN_DOUBT at once instead of sending it again.
  it("has as long to be sent again as it had left when it was stored", function()
    delivery.agent(world, function() moonpost.sleep "1h" end, { timeout = "2h" })
    local id = delivery.send(world, "x", { await = "handled", timeout = "1h" })
    world:advance(601)
    world:cut("owner", "hub")
    world:node("other", { links = { "hub" } })
    delivery.agent(world, function() end, { node = "other" })
    world:settle()
    assert.are.same({ 0, 630 }, world:times(id, "sent"))
    assert.are.equal("handled", world:receipt(id).level)
  end)

  it("answers its waiter with TIMEOUT when that waits no longer, and goes on", function()
    delivery.agent(world, function() moonpost.sleep(20) end)
    local id = delivery.send(world, "x", { await = "handled", timeout = 5 })
    world:advance(5)
    assert.are.equal("TIMEOUT", world:receipt(id).code)
    world:settle()
    assert.are.same({ 20 }, world:times(id, "handled"))
    assert.are.same({ 20 }, world:times(id, "acked"))
  end)

  it("costs the owner's retries no transmission", function()
    local runs = 0
    delivery.agent(world, function()
      runs = runs + 1
      if runs < 4 then error "not yet" end
    end)
    local id = delivery.send(world, "x", { await = "handled" })
    world:settle()
    assert.are.same({ 0 }, world:times(id, "sent"))
    assert.are.same({ 0, 1, 3, 7 }, world:times(id, "delivered"))
    assert.are.same({ 7 }, world:times(id, "acked"))
  end)

  it("is pending for ever when its owner never comes back, and its sender keeps asking for nothing", function()
    delivery.agent(world, function() moonpost.sleep(20) end)
    local id = delivery.send(world, "x", { await = "handled" })
    world:cut("owner", "hub")
    world:advance "1h"
    assert.is_nil(world:receipt(id))
    assert.are.same({ 0 }, world:times(id, "sent"))
  end)
end)

describe("a world that is closed", function()
  -- Was: the engine freed its waiters while their deadlines still stood in its heap, and freeing its links wrote
  -- into them (seen by AddressSanitizer).
  it("may have waiters, deliveries and sleepers left", function()
    local world = delivery.chain()
    delivery.agent(world, function() moonpost.sleep(20) end)
    for _ = 1, 10 do delivery.send(world, "x", { await = "handled", timeout = 5 }) end
    world:send("a@x", "x", { from = "owner", await = "handled", timeout = 5 })
    world:advance(1)
    world:close()
    assert.has_error(function() world:advance(1) end)
  end)
end)

describe("a message whose sender wants no more than that it is stored", function()
  it("is forgotten by its sender once it is stored, whatever becomes of it", function()
    local world = delivery.chain()
    local frames = count_frames(world)
    delivery.agent(world, function() moonpost.sleep(100) return nil, "no" end, { timeout = "1h" })
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.same({ 0 }, world:times(id, "acked"))
    assert.are.equal("stored", world:receipt(id).level)
    assert.are.equal(1, frames())
  end)
end)
