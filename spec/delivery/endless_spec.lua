local delivery = require "spec.support.delivery"
local moonpost = require "moonpost"
local test = require "moonpost.test"

local function agent_that_sends_to_itself(delay)
  local world = test.world()
  world:load(moonpost.agent {
    address = "loop@local",
    on = { message = function(ctx) ctx:send(ctx.address, "again", { delay = delay }) end },
  })
  return world
end

local function fails(act, ...)
  local ok, reason = pcall(act, ...)
  assert.is_false(ok)
  return tostring(reason)
end

describe("a world whose messages go round without end", function()
  it("says so when they do it at one moment, and names one", function()
    local world = agent_that_sends_to_itself()
    assert.matches("does not come to rest: .*; 1 pending, such as %w+ at loop@local$", fails(world.send, world, "loop@local", 1))
  end)

  it("says so after a day, with what is pending", function()
    local world = agent_that_sends_to_itself "1m"
    world:send("loop@local", 1)
    assert.matches("endless_spec.lua:%d+: after 24 hours this is still pending:\n  %w+ at loop@local on node node: deferred",
      fails(world.settle, world))
  end)

  it("says so after too many moments, long before the day is over", function()
    local world = agent_that_sends_to_itself "1ms"
    world:send("loop@local", 1)
    assert.matches("after 200000 moments this is still pending:\n  %w+ at loop@local", fails(world.settle, world))
  end)
end)

describe("a call to an address that nobody serves", function()
  it("says so at its timeout, with the nearest address", function()
    local world = test.world()
    world:load(moonpost.agent { address = "greeter@local", on = { message = function() end } })
    local result, reason, code = world:call("greter@local", {}, { timeout = "5s" })
    assert.is_nil(result)
    assert.equal('no answer in time: no agent at "greter@local"; did you mean greeter@local?', reason)
    assert.equal("TIMEOUT", code)
  end)

  it("says so when another node said it", function()
    local world = delivery.chain()
    local _, reason = world:call("a@x", {}, { timeout = "5s", from = "client" })
    assert.equal('no answer in time: no agent at "a@x"', reason)
  end)

  it("says the nearest address when another node said it", function()
    local world = delivery.chain()
    delivery.agent(world, function() end, { address = "greeter@local" })
    world:advance "1s"
    local _, reason = world:call("greter@local", {}, { timeout = "5s", from = "client" })
    assert.equal('no answer in time: no agent at "greter@local"; did you mean greeter@local?', reason)
  end)
end)

describe("a send to an address that nobody serves", function()
  it("says the nearest address at the end of its deadline, too", function()
    local world = delivery.chain()
    delivery.agent(world, function() end, { address = "greeter@local" })
    world:advance "1s"
    local id = world:send("greter@local", 1, { from = "client" })
    world:settle()
    assert.equal('the deadline for sending has passed; no agent at "greter@local"; did you mean greeter@local?',
      world:receipt(id).reason)
  end)

  it("says what stood in the way last when that was another thing", function()
    local world = delivery.chain()
    delivery.agent(world, function() end)
    world:advance "1s"
    world:cut("client", "hub")
    local id = world:send("a@x", 1, { from = "client" })
    world:settle()
    assert.equal("the deadline for sending has passed; last: UNREACHABLE", world:receipt(id).reason)
  end)
end)
