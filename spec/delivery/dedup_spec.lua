local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

local function counting()
  local runs = 0
  return function(_, msg)
    runs = runs + 1
    return ("%s by run %d"):format(tostring(msg.body), runs)
  end
end

describe("a resend to an agent without a dedup policy", function()
  it("is handed over again, with the number of its transmission", function()
    local world = delivery.chain()
    local seen = {}
    delivery.agent(world, function(ctx, msg) seen[#seen + 1] = ctx.transmission .. " " .. msg.id end)
    delivery.mute(world)
    local id = delivery.send(world, "x", { retry = { jitter = 0, attempts = 3 } })
    world:settle()
    assert.are.same({ "1 " .. id, "2 " .. id, "3 " .. id }, seen)
  end)

  it("is a first attempt of its own", function()
    local world = delivery.chain()
    local attempts = {}
    delivery.agent(world, function(ctx) attempts[#attempts + 1] = ctx.attempt end)
    delivery.mute(world)
    delivery.send(world, "x", { retry = { jitter = 0, attempts = 3 } })
    world:settle()
    assert.are.same({ 1, 1, 1 }, attempts)
  end)
end)

describe("a resend to an agent with a dedup policy", function()
  local world

  before_each(function() world = delivery.chain() end)

  it("is acknowledged again but not handed over", function()
    delivery.agent(world, counting(), { dedup = {} })
    local speak = delivery.mute(world)
    local id = delivery.send(world, "x")
    world:advance(2)
    speak()
    world:settle()
    assert.are.same({ 0, 1, 3 }, world:times(id, "sent"))
    assert.are.same({ 0 }, world:times(id, "delivered"))
    assert.are.same({ 1, 3 }, world:times(id, "duplicate"))
    assert.are.equal(3, world:receipt(id).attempt)
    assert.is_true(world:receipt(id).dup)
  end)

  it("is acknowledged with the first result", function()
    delivery.agent(world, counting(), { dedup = {} })
    local speak = delivery.mute(world)
    local id = delivery.send(world, "x", { await = "handled" })
    world:advance(0.5)
    speak()
    world:settle()
    assert.are.equal("x by run 1", world:receipt(id).result)
    assert.is_true(world:receipt(id).dup)
  end)

  it("has its receipts from the first while that is in hand", function()
    delivery.agent(world, function() moonpost.sleep(10) return "slow" end, { dedup = {} })
    local speak = delivery.mute(world)
    local id = delivery.send(world, "x", { await = "handled" })
    world:advance(2)
    speak()
    world:settle()
    assert.are.same({ 0, 1, 3 }, world:times(id, "sent"))
    assert.are.same({ 0 }, world:times(id, "delivered"))
    assert.are.same({ 10 }, world:times(id, "acked"))
    assert.are.equal("slow", world:receipt(id).result)
  end)

  -- Was: it waited behind the first, and when that had become a dead letter the resend of the very same message
  -- was handed over with attempts of its own.
  it("is dead with its first", function()
    delivery.agent(world, function() moonpost.sleep(2) return nil, "no" end,
      { dedup = {}, retry = { attempts = 2, first = 1, jitter = 0 } })
    local speak = delivery.mute(world)
    local id = delivery.send(world, "x", { await = "handled" })
    world:advance(1.5)
    speak()
    world:settle()
    assert.are.same({ 0, 3 }, world:times(id, "delivered"))
    assert.are.equal("DEAD", world:receipt(id).code)
    assert.are.equal(1, #world:dead("a@x"))
  end)

  -- Was: it expired behind the first, and said EXPIRED for the number that a handler was working on.
  it("does not expire while its first is in hand", function()
    delivery.agent(world, function() moonpost.sleep(10) return "done" end, { dedup = {} })
    local speak = delivery.mute(world)
    local id = delivery.send(world, "x", { await = "handled", expires = 5 })
    world:advance(1.5)
    speak()
    world:settle()
    assert.are.equal("done", world:receipt(id).result)
    assert.are.equal(0, #world:times(id, "expired"))
  end)

  -- Was: a resend that came after the ttl was handed over, although the lane knew its number.
  it("is recognised by its number when its key is forgotten", function()
    delivery.agent(world, counting(), { dedup = { ttl = "2s" } })
    delivery.mute(world)
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.equal(6, #world:times(id, "sent"))
    assert.are.equal(1, #world:times(id, "delivered"))
  end)
end)

describe("messages with the same dedup key", function()
  local world
  local by_order = { key = function(msg) return msg.body.order end }

  before_each(function() world = delivery.chain() end)

  it("are handled once, whoever sent them", function()
    delivery.agent(world, function(_, msg) return msg.body.n end, { dedup = by_order })
    local first = delivery.send(world, { order = "A", n = 1 }, { await = "handled" })
    local second = delivery.send(world, { order = "A", n = 2 }, { await = "handled" })
    local third = world:send("a@x", { order = "A", n = 3 }, { from = "hub", await = "handled" })
    local other = delivery.send(world, { order = "B", n = 4 }, { await = "handled" })
    world:settle()
    assert.are.same({ 1, 1, 1, 4 }, {
      world:receipt(first).result, world:receipt(second).result, world:receipt(third).result,
      world:receipt(other).result,
    })
    assert.are.equal(2, #world:received("a@x"))
    assert.are.same({ false, true, true, false }, {
      world:receipt(first).dup, world:receipt(second).dup, world:receipt(third).dup, world:receipt(other).dup,
    })
  end)

  it("by their ids are handled once", function()
    delivery.agent(world, counting(), { dedup = {} })
    delivery.send(world, "x", { id = "one" })
    delivery.send(world, "y", { id = "one" })
    world:settle()
    assert.are.same({ "x" }, delivery.bodies(world))
    assert.are.equal(1, world:counts("owner").duplicates)
  end)

  it("wait while the first is in hand, and are acknowledged with it", function()
    delivery.agent(world, function() moonpost.sleep(5) return "first" end, { dedup = by_order })
    delivery.send(world, { order = "A" })
    local second = delivery.send(world, { order = "A" }, { await = "handled" })
    world:advance(4)
    assert.is_nil(world:receipt(second))
    assert.are.equal(1, #world:received("a@x"))
    world:settle()
    assert.are.same({ 5 }, world:times(second, "acked"))
    assert.are.equal("first", world:receipt(second).result)
    assert.are.equal(1, #world:received("a@x"))
  end)

  it("hand the key on when the first is rejected", function()
    delivery.agent(world, function(_, msg)
      moonpost.sleep(5)
      if msg.body.bad then return moonpost.reject "bad" end
      return "good"
    end, { dedup = by_order })
    local first = delivery.send(world, { order = "A", bad = true }, { await = "handled" })
    local second = delivery.send(world, { order = "A" }, { await = "handled" })
    world:settle()
    assert.are.equal("REJECTED", world:receipt(first).code)
    assert.are.equal("good", world:receipt(second).result)
    assert.is_false(world:receipt(second).dup)
    assert.are.same({ 10 }, world:times(second, "acked"))
  end)

  it("hand the key on when the first expires", function()
    delivery.agent(world, function(_, msg)
      if msg.body.n == 1 then return moonpost.defer("not now", { delay = 60 }) end
    end, { dedup = by_order })
    delivery.send(world, { order = "A", n = 1 }, { expires = 10 })
    local second = delivery.send(world, { order = "A", n = 2 })
    world:settle()
    assert.are.same({ 10 }, world:times(second, "delivered"))
  end)

  it("wait through the retries of the first", function()
    local runs = 0
    delivery.agent(world, function()
      runs = runs + 1
      if runs < 3 then return nil, "not yet" end
      return runs
    end, { dedup = by_order })
    delivery.send(world, { order = "A" })
    local second = delivery.send(world, { order = "A" }, { await = "handled" })
    world:settle()
    assert.are.same({ 3 }, world:times(second, "acked"))
    assert.are.equal(3, world:receipt(second).result)
    assert.are.equal(3, runs)
  end)

  it("are new again after the ttl, which begins when the first was handled", function()
    delivery.agent(world, function() moonpost.sleep(5) end, { dedup = { ttl = "1m" } })
    delivery.send(world, 1, { id = "one" })
    world:advance(64.9)
    delivery.send(world, 2, { id = "one" })
    world:advance(0.1)
    delivery.send(world, 3, { id = "one" })
    world:settle()
    assert.are.same({ 1, 3 }, delivery.bodies(world))
  end)

  it("are remembered for ever with an endless ttl", function()
    delivery.agent(world, counting(), { dedup = { ttl = math.huge } })
    delivery.send(world, 1, { id = "one" })
    world:advance "3d"
    delivery.send(world, 2, { id = "one" })
    world:settle()
    assert.are.same({ 1 }, delivery.bodies(world))
  end)

  it("have no result when the first one's was too large to be kept, and no other instead", function()
    delivery.agent(world, function() return ("x"):rep(16 * 1024 + 1) end, { dedup = {} })
    local first = delivery.send(world, "x", { id = "one", await = "handled" })
    local second = world:send("a@x", "y", { from = "hub", id = "one", await = "handled" })
    world:settle()
    assert.are.equal(second, first)
    assert.is_true(world:receipt(second).dup)
    assert.is_nil(world:receipt(second).result)
  end)

  it("have an empty string as their result when that was the first one's", function()
    delivery.agent(world, function() return "" end, { dedup = {} })
    delivery.send(world, "x", { id = "one", await = "handled" })
    local second = world:send("a@x", "y", { from = "hub", id = "one", await = "handled" })
    world:settle()
    assert.are.equal("", world:receipt(second).result)
  end)

  it("that are too old when they wait expire for their own senders", function()
    delivery.agent(world, function() moonpost.sleep(20) end, { dedup = by_order })
    delivery.send(world, { order = "A" })
    local second = delivery.send(world, { order = "A" }, { await = "handled", expires = 5 })
    world:settle()
    assert.are.same({ 5 }, world:times(second, "nacked"))
    assert.are.equal("EXPIRED", world:receipt(second).code)
    assert.are.equal(1, #world:received("a@x"))
  end)

  it("fall back to their ids when the key function raises, and the log says so", function()
    delivery.agent(world, counting(), { dedup = { key = function() error "oops" end } })
    delivery.send(world, 1, { id = "one" })
    delivery.send(world, 2, { id = "one" })
    delivery.send(world, 3, { id = "two" })
    world:settle()
    assert.are.same({ 1, 3 }, delivery.bodies(world))
    local complaints = 0
    for _, line in ipairs(world:log()) do
      if line.level == "error" and line.text:find("the dedup policy failed", 1, true) then complaints = complaints + 1 end
    end
    assert.are.equal(3, complaints)
  end)

  it("of the same node are handled once too", function()
    delivery.agent(world, counting(), { dedup = {} })
    local first = world:send("a@x", "x", { from = "owner", id = "one", await = "handled" })
    local second = world:send("a@x", "y", { from = "owner", id = "one", await = "handled" })
    world:settle()
    assert.are.equal("x by run 1", world:receipt(second).result)
    assert.is_true(world:receipt(second).dup)
    assert.are.equal("x by run 1", world:receipt(first).result)
  end)

  -- Was: the policy was asked about the message before the store hook had altered it.
  it("are compared as the store hook leaves them", function()
    delivery.agent(world, counting(), { dedup = { key = function(msg) return msg.headers.group end } })
    world:fault(moonpost.hook { store = function() return { headers = { group = "same" } } end }, { node = "owner" })
    delivery.send(world, 1)
    delivery.send(world, 2)
    world:settle()
    assert.are.same({ 1 }, delivery.bodies(world))
  end)
end)
