local delivery = require "spec.support.delivery"

describe("a message whose receipts are lost", function()
  local world

  before_each(function()
    world = delivery.chain()
    delivery.agent(world, function() end)
    delivery.mute(world)
  end)

  it("is sent again exactly first, then twice as long, after each transmission", function()
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.same({ 0, 1, 3, 7, 15, 31 }, world:times(id, "sent"))
  end)

  it("is in doubt when the wait after the last transmission has passed", function()
    local id = delivery.send(world, "x")
    world:advance(62.999)
    assert.is_nil(world:receipt(id))
    world:advance(0.001)
    assert.are.equal("IN_DOUBT", world:receipt(id).code)
  end)

  it("is a dead letter at its sender then, which says that it may have been handled", function()
    local id = delivery.send(world, "x")
    world:settle()
    local dead = world:dead("a@x")
    assert.are.equal(1, #dead)
    assert.are.equal(id, dead[1].id)
    assert.are.equal("IN_DOUBT", dead[1].code)
    assert.are.equal("no answer after 6 transmissions; it may have been handled", dead[1].reason)
    assert.are.equal(6, dead[1].attempts)
  end)

  it("keeps its id in all transmissions", function()
    local id = delivery.send(world, "x")
    world:settle()
    local ids = {}
    for index, message in ipairs(world:received("a@x")) do ids[index] = message.id end
    assert.are.same({ id, id, id, id, id, id }, ids)
  end)

  it("waits no longer than the cap", function()
    local id = delivery.send(world, "x", { retry = { jitter = 0, cap = 5, attempts = 6 } })
    world:settle()
    assert.are.same({ 0, 1, 3, 7, 12, 17 }, world:times(id, "sent"))
  end)

  it("is sent once when its policy gives one attempt, and is in doubt after first", function()
    local id = delivery.send(world, "x", { retry = { jitter = 0, attempts = 1, first = 4 } })
    world:settle()
    assert.are.same({ 0 }, world:times(id, "sent"))
    assert.are.same({ 4 }, world:times(id, "nacked"))
  end)

  it("follows a list of delays whose last entry repeats", function()
    local id = delivery.send(world, "x", { retry = { jitter = 0, delays = { 1, 5 }, attempts = 4 } })
    world:settle()
    assert.are.same({ 0, 1, 6, 11 }, world:times(id, "sent"))
    assert.are.same({ 16 }, world:times(id, "nacked"))
  end)

  it("follows linear growth", function()
    local id = delivery.send(world, "x", { retry = { jitter = 0, first = 1, step = 2, attempts = 4 } })
    world:settle()
    assert.are.same({ 0, 1, 4, 9 }, world:times(id, "sent"))
    assert.are.same({ 16 }, world:times(id, "nacked"))
  end)

  it("is in doubt at the deadline of its policy, in the middle of a wait", function()
    local id = delivery.send(world, "x", { retry = { jitter = 0, deadline = 10 } })
    world:settle()
    assert.are.same({ 0, 1, 3, 7 }, world:times(id, "sent"))
    assert.are.same({ 10 }, world:times(id, "nacked"))
    assert.are.equal("IN_DOUBT", world:receipt(id).code)
    assert.are.equal("the deadline for sending has passed after 4 transmissions; it may have been handled",
      world:receipt(id).reason)
  end)

  it("is in doubt after two minutes when its outbox is memory, whatever attempts are left", function()
    local id = delivery.send(world, "x", { retry = { jitter = 0, first = 50, factor = 1, attempts = 100 } })
    world:settle()
    assert.are.same({ 0, 50, 100 }, world:times(id, "sent"))
    assert.are.same({ 120 }, world:times(id, "nacked"))
  end)

  it("is acknowledged by the first receipt that comes through, which names its transmission", function()
    local world2 = delivery.chain()
    delivery.agent(world2, function() end)
    local speak = delivery.mute(world2)
    local id = delivery.send(world2, "x")
    world2:advance(2)
    speak()
    world2:settle()
    assert.are.same({ 0, 1, 3 }, world2:times(id, "sent"))
    assert.are.same({ 3 }, world2:times(id, "acked"))
    assert.are.equal(3, world2:receipt(id).attempt)
  end)

  it("lets its sender's jitter move the resends, but never beyond the cap", function()
    local id = delivery.send(world, "x", { retry = { jitter = 0.5, first = 10, factor = 1, cap = 10, attempts = 8 } })
    world:settle()
    local times = world:times(id, "sent")
    local shorter = 0
    for n = 2, #times do
      local wait = times[n] - times[n - 1]
      assert.is_true(wait >= 5 and wait <= 10.001)
      if wait < 9.999 then shorter = shorter + 1 end
    end
    assert.are.equal(8, #times)
    assert.is_true(shorter > 0)
  end)
end)

describe("a sender whose policy is a function", function()
  local asked, id, world

  before_each(function()
    asked = {}
    world = delivery.chain {
      client = {
        send = function(failure)
          asked[#asked + 1] = ("%d %s %g %s"):format(failure.attempt, failure.code, failure.elapsed, failure.address)
          if failure.attempt == 3 then return nil, "enough" end
          return 10
        end,
      },
    }
    delivery.agent(world, function() end)
    delivery.mute(world)
    id = delivery.send(world, "x")
    world:settle()
  end)

  it("waits as long as the function says", function()
    assert.are.same({ 0, 10, 20 }, world:times(id, "sent"))
  end)

  it("tells it the attempt, that nobody answered, how long it has tried, and the address", function()
    assert.are.same({ "1 TIMEOUT 0 a@x", "2 TIMEOUT 10 a@x", "3 TIMEOUT 20 a@x" }, asked)
  end)

  it("is in doubt after the last transmission that the function allowed", function()
    assert.are.equal("IN_DOUBT", world:receipt(id).code)
  end)
end)

describe("a message with its link up", function()
  it("is sent once when it is answered at once", function()
    local world = delivery.chain()
    delivery.agent(world, function() end)
    local id = delivery.send(world, "x")
    world:settle()
    world:advance("5m")
    assert.are.same({ 0 }, world:times(id, "sent"))
    assert.are.equal("stored", world:receipt(id).level)
  end)

  it("is not sent again because its answer takes its time, as long as that is shorter than first", function()
    local world = delivery.chain()
    delivery.agent(world, function() end)
    world:delay("hub", "owner", 0.4)
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.same({ 0 }, world:times(id, "sent"))
    assert.are.same({ 0.8 }, world:times(id, "acked"))
  end)

  it("is acknowledged once although two transmissions are answered", function()
    local world = delivery.chain()
    delivery.agent(world, function() end)
    world:delay("hub", "owner", 0.7)
    local id = delivery.send(world, "x")
    world:settle()
    world:advance(10)
    assert.are.same({ 0, 1 }, world:times(id, "sent"))
    assert.are.same({ 1.4 }, world:times(id, "acked"))
    assert.are.equal(0, #world:dead("a@x"))
  end)
end)

describe("an outbox at its limit", function()
  it("refuses with STORE_FULL, and takes messages again when there is room", function()
    local world = delivery.chain { client = { outbox = { max = 2 } } }
    world:cut("client", "hub")
    local first, second = delivery.send(world, 1), delivery.send(world, 2)
    local third = delivery.send(world, 3)
    assert.is_nil(world:receipt(first))
    assert.is_nil(world:receipt(second))
    assert.are.equal("STORE_FULL", world:receipt(third).code)
    delivery.agent(world, function() end)
    world:heal("client", "hub")
    world:settle()
    local fourth = delivery.send(world, 4)
    world:settle()
    assert.are.equal("stored", world:receipt(fourth).level)
    assert.are.same({ 1, 2, 4 }, delivery.bodies(world))
  end)
end)
