local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

-- More than a mailbox holds in memory (WINDOW_COUNT).
local MANY = 10000

describe("a mailbox with more messages than it holds in memory", function()
  local world

  local function fill(options)
    for n = 1, MANY do delivery.send(world, n, options) end
  end

  -- How many of the messages came, and whether in order.
  local function came()
    local bodies, sorted = delivery.bodies(world), true
    for n = 2, #bodies do sorted = sorted and bodies[n] == bodies[n - 1] + 1 end
    return #bodies, sorted
  end

  before_each(function()
    world = delivery.chain()
  end)

  it("hands all of them over once, in their order", function()
    delivery.agent(world, function() moonpost.sleep(0.001) end, { concurrency = 1 })
    fill()
    world:settle()
    assert.are.same({ MANY, true }, { came() })
    assert.are.equal(0, world:counts("owner").waiting)
  end)

  it("counts those that are not in memory", function()
    delivery.agent(world, function() moonpost.sleep(1000) end, { concurrency = 1, timeout = "1h" })
    fill()
    world:advance(100)
    assert.are.equal(MANY - 1, world:counts("owner").waiting)
  end)

  it("tells a sender here the end of a message that was not in memory", function()
    delivery.agent(world, function(_, msg)
      moonpost.sleep(0.001)
      return msg.body
    end, { concurrency = 1 })
    fill()
    world:advance(5)
    local id = world:send("a@x", "last", { from = "owner", await = "handled" })
    world:settle()
    assert.are.equal("last", world:receipt(id).result)
  end)

  it("finds a duplicate of a message that is not in memory", function()
    local runs = {}
    delivery.agent(world, function(_, msg)
      moonpost.sleep(0.001)
      runs[msg.body] = (runs[msg.body] or 0) + 1
    end, { concurrency = 1, dedup = { key = function(msg) return tostring(msg.body) end } })
    fill()
    local id = delivery.send(world, MANY, { await = "handled" })
    world:settle()
    assert.are.equal(1, runs[MANY])
    assert.is_true(world:receipt(id).ok)
    assert.is_true(world:receipt(id).dup)
  end)

  it("expires what became worthless there", function()
    delivery.agent(world, function() moonpost.sleep(1) end, { concurrency = 1 })
    for n = 1, MANY do delivery.send(world, n, { expires = n > 9000 and 100 or nil }) end
    world:settle()
    assert.are.same({ 9000, true }, { came() })
    assert.are.equal(1000, world:counts("owner").expired)
  end)

  it("keeps its bound over all of them", function()
    world = delivery.chain { owner = { mailbox = { max = 9000 } } }
    delivery.agent(world, function() moonpost.sleep(1000) end, { concurrency = 1, timeout = "1h" })
    fill()
    world:advance(50)
    assert.are.equal(8999, world:counts("owner").waiting)
  end)
end)
