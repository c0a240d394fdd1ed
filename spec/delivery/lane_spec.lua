local delivery = require "spec.support.delivery"

describe("what an owner remembers of a sender", function()
  local world

  -- Run this text as a program with a client that is linked to the sentinel.
  local function run(text)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write('local moonpost = require "moonpost"\nlocal client = assert(moonpost.client { link = "hub" })\n', text)
    file:close()
    local code, reason = world:exec(path, { name = "visitor" })
    os.remove(path)
    assert.are.equal(0, code, reason)
    world:settle()
  end

  before_each(function() world = delivery.chain() end)

  it("is forgotten when the sender stops and has the ends of all its messages", function()
    delivery.agent(world, function() end)
    run [[
      for n = 1, 3 do assert(client:send("a@x", n, { await = "handled" })) end
      client:close()
    ]]
    assert.are.equal(3, #world:received("a@x"))
    assert.are.equal(0, world:counts("owner").lanes)
  end)

  -- Was: a bye let the owner forget all closed lanes, whether the sender knew of their ends or not.
  it("is kept when the sender may not know the end of one", function()
    delivery.agent(world, function() end)
    delivery.mute(world)
    run [[
      client:send("a@x", 1, { await = "none" })
      moonpost.sleep(0.5)
      client:close()
    ]]
    assert.are.equal(1, #world:received("a@x"))
    assert.are.equal(1, world:counts("owner").lanes)
  end)

  it("is kept while the sender goes on", function()
    delivery.agent(world, function() end)
    delivery.send(world, "x", { await = "handled" })
    world:settle()
    assert.are.equal(1, world:counts("owner").lanes)
  end)
end)

describe("a sender's policy for one message", function()
  it("holds for the waits that cost no attempt too", function()
    local world = delivery.chain()
    local id = delivery.send(world, "x", { retry = { first = 7, factor = 1, jitter = 0, deadline = 30 } })
    world:settle()
    assert.are.same({ 0, 7, 14, 21, 28 }, world:times(id, "sent"))
    assert.are.equal("NO_ROUTE", world:receipt(id).code)
  end)

  it("is kept once for each message that goes by it, however many there are", function()
    local world = delivery.chain()
    delivery.agent(world, function() end)
    for n = 1, 200 do
      delivery.send(world, n, { retry = { first = n, jitter = 0 } })
      if n % 50 == 0 then world:settle() end
    end
    world:settle()
    assert.are.equal(200, #world:received("a@x"))
  end)
end)

describe("a node that sends to more and more destinations", function()
  it("refuses a message to one more than it can hold while messages wait for all of them", function()
    local world = delivery.chain { client = { outbox = { max = 100000 } } }
    world:cut("client", "hub")
    for n = 1, 65536 do world:send("a" .. n .. "@x", "x", { from = "client" }) end
    local id = world:send("one@more", "x", { from = "client" })
    assert.are.equal("STORE_FULL", world:receipt(id).code)
    assert.are.equal("messages wait for more destinations than a node can hold", world:receipt(id).reason)
    local known = world:send("a1@x", "x", { from = "client" })
    assert.is_nil(world:receipt(known))
  end)
end)
