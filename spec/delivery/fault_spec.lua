local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"
local test = require "moonpost.test"

local fault = moonpost.fault

local function raised(act, ...)
  local ok, reason = pcall(act, ...)
  assert.is_false(ok)
  return tostring(reason)
end

local function bodies(world)
  local list = {}
  for index, msg in ipairs(world:received "a@x") do list[index] = msg.body end
  return list
end

describe("a fault", function()
  local world

  before_each(function()
    world = delivery.chain()
    delivery.agent(world, function() end)
  end)
  after_each(function() world:close() end)

  it("makes messages late, which others overtake", function()
    world:fault(fault.delay { by = "300ms", type = "message", pattern = "X." }, { node = "client" })
    local late = delivery.send(world, "late")
    delivery.send(world, "quick")
    world:settle()
    assert.same({ "quick", "late" }, bodies(world))
    assert.same({ 0.3 }, world:times(late, "delivered"))
    assert.same({ 0 }, world:times(late, "sent"))
    world:check()
  end)

  it("makes receipts late, also on a node between", function()
    world:fault(fault.delay { by = "500ms", type = "receipt", pattern = "X" }, { node = "hub" })
    local id = delivery.send(world, "x")
    world:settle()
    assert.same({ 0.5 }, world:times(id, "acked"))
  end)

  it("sends messages twice, which a dedup policy recognises", function()
    world:reload("a@x", moonpost.agent { address = "a@x", dedup = { ttl = "1h" }, on = { message = function() end } },
      { node = "owner" })
    world:fault(fault.duplicate { type = "message", to = "a@x", pattern = "X" }, { node = "client" })
    local id = delivery.send(world, "x")
    world:settle()
    assert.equal(1, #world:times(id, "delivered"))
    assert.equal(1, #world:times(id, "duplicate"))
    assert.equal(1, #world:times(id, "sent"))
    world:check()
  end)

  it("sends messages twice on a node between, within the credit of the link", function()
    world:fault(fault.duplicate { type = "message", pattern = "X" }, { node = "hub" })
    for n = 1, 200 do delivery.send(world, n) end
    world:settle()
    assert.is_true(#world:received "a@x" > 300)
    world:check()
  end)

  it("does not double what is sent at most once", function()
    world:fault(fault.duplicate { pattern = "X" }, { node = "client" })
    delivery.send(world, "x", { profile = "at-most-once", await = "sent" })
    world:settle()
    assert.same({ "x" }, bodies(world))
  end)

  it("lets the next message overtake", function()
    world:fault(fault.reorder { type = "message", pattern = "X.." }, { node = "client" })
    for n = 1, 4 do delivery.send(world, n) end
    world:settle()
    assert.same({ 2, 1, 3, 4 }, bodies(world))
    world:check()
  end)

  it("lets it go alone when nobody comes soon", function()
    world:fault(fault.reorder { type = "message", pattern = "X" }, { node = "client" })
    local id = delivery.send(world, 1)
    world:settle()
    assert.same({ 0.5 }, world:times(id, "delivered"))
  end)

  it("loses what is late when the link goes down, and the sender sends again", function()
    world:fault(fault.delay { by = "10s", type = "message", pattern = "X." }, { node = "client" })
    local id = delivery.send(world, "x")
    world:cut("client", "hub")
    world:heal("client", "hub")
    world:settle()
    assert.equal(1, #world:times(id, "delivered"))
    assert.is_true(world:times(id, "delivered")[1] < 10)
  end)

  it("hits at a rate that a seed repeats", function()
    local function late_ones(seed)
      local other = delivery.chain()
      delivery.agent(other, function() end)
      other:fault(fault.delay { by = "5s", type = "message", rate = 0.5, seed = seed }, { node = "client" })
      local times = {}
      for n = 1, 20 do
        local id = delivery.send(other, n)
        other:advance "100ms"
        times[n] = #other:times(id, "delivered")
      end
      other:close()
      return table.concat(times)
    end
    assert.equal(late_ones(3), late_ones(3))
    assert.are_not.equal(late_ones(3), late_ones(4))
  end)
end)

describe("a crash by a fault", function()
  it("comes before anybody hears of the fact, and at each start anew", function()
    local world = test.world()
    world:node "bank"
    world:node("shop", { links = { { to = "bank", first = "1s", cap = "1s" } }, send = { jitter = 0 } })
    world:load(moonpost.agent { address = "a@bank", on = { message = function() end } }, { node = "bank" })
    world:fault(fault.crash { at = "stored", to = "a@bank", pattern = ".X" }, { node = "bank" })
    local function send() return world:send("a@bank", {}, { from = "shop", await = "handled" }) end
    local first = send()
    assert.is_true(world:receipt(first).ok)
    local second = send()
    assert.is_false(world:up "bank")
    assert.is_nil(world:receipt(second))
    world:restart "bank"
    world:settle()
    assert.is_true(world:receipt(second).ok)
    send()
    assert.is_false(world:up "bank")
    world:restart "bank"
    world:settle()
    world:check()
    world:close()
  end)
end)

describe("a cut by a fault", function()
  it("comes and goes at its time", function()
    local world = test.world()
    world:node "hub"
    world:node("office", { links = { "hub" } })
    world:load(moonpost.agent { address = "a@office", on = { message = function() end } }, { node = "office" })
    world:fault(fault.cut { link = "hub", at = "10s", lasts = "1m" }, { node = "office" })
    world:advance "11s"
    assert.equal(0, world:counts("office").links_up)
    local id = world:send("a@office", 1, { from = "hub" })
    world:settle()
    assert.is_true(world:times(id, "handled")[1] >= 59)
    assert.matches('fault.cut.link: no node "hup" here; did you mean "hub"?',
      raised(world.fault, world, fault.cut { link = "hup", lasts = 1 }, { node = "office" }))
    world:close()
  end)

  it("is refused where links are real", function()
    local world = test.world()
    assert.matches("moonpost.fault.cut is for worlds only: world:fault",
      raised(world.node, world, "one", { hooks = { fault.cut { link = "hub", lasts = "1s" } } }))
    world:close()
  end)
end)

describe("a fault in words", function()
  it("is what the command line and a world take", function()
    local world = delivery.chain()
    delivery.agent(world, function() end)
    world:fault("delay:by=2s,type=message,pattern=X", { node = "client" })
    world:fault("drop:type=receipt,rate=0", { node = "client" })
    local id = delivery.send(world, "x")
    world:settle()
    assert.equal(2, world:times(id, "delivered")[1])
    world:close()
  end)

  it("says what is wrong with it", function()
    local world = test.world()
    local function refuses(text, reason)
      assert.truthy(raised(world.fault, world, text):find(reason, 1, true), raised(world.fault, world, text))
    end
    refuses("dorp:pattern=X", '"dorp:pattern=X" is no fault; write KIND:NAME=VALUE,... with one of drop, delay, duplicate, '
      .. 'reorder and crash, such as drop:type=receipt,pattern=XX.; did you mean "drop"?')
    refuses("drop", "is no fault; write KIND:NAME=VALUE")
    refuses("drop:pattern", '"pattern" is not NAME=VALUE')
    refuses("drop:patern=X", 'fault.drop.patern: unknown key; did you mean "pattern"?')
    refuses("delay:pattern=X", "fault.delay.by: required")
    refuses("crash:at=sometime,pattern=X", "fault.crash.at: expected ")
    refuses("drop:type=receipt", "fault.drop: needs one of pattern and rate")
    world:close()
  end)

  it("is refused in production, wherever it comes from", function()
    local world = test.world()
    assert.matches("production = true", raised(world.node, world, "one", { production = true, hooks = { fault.drop { rate = 1 } } }))
    world:node("two", { production = true })
    assert.matches("it is a fault, and production = true", raised(world.fault, world, "drop:rate=1", { node = "two" }))
    world:close()
  end)
end)

describe("a fresh world", function()
  it("has a node whose counts are there, and which a fault goes into", function()
    local world = require("moonpost.test").world()
    assert.equal(0, world:counts().handled)
    world:close()
    world = require("moonpost.test").world()
    world:fault "drop:type=receipt,pattern=X"
    world:close()
  end)
end)
