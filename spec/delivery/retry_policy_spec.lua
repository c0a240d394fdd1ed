local delivery = require "spec.support.delivery"

describe("an agent's retry policy", function()
  local world

  local function delivered(policy, settings)
    world = delivery.chain(settings)
    delivery.agent(world, delivery.failing, { retry = policy })
    local id = delivery.send(world, "x")
    world:settle()
    return world:times(id, "delivered"), id
  end

  it("waits first, then twice as long, up to five attempts", function()
    assert.are.same({ 0, 1, 3, 7, 15 }, (delivered { jitter = 0 }))
  end)

  it("never waits longer than its cap", function()
    assert.are.same({ 0, 1, 3, 6, 9 }, (delivered { jitter = 0, cap = 3 }))
  end)

  it("grows by its factor", function()
    assert.are.same({ 0, 2, 8, 26 }, (delivered { jitter = 0, first = 2, factor = 3, attempts = 4 }))
  end)

  it("grows by its step", function()
    assert.are.same({ 0, 1, 6, 15 }, (delivered { jitter = 0, first = 1, step = 4, attempts = 4 }))
  end)

  it("follows its list, whose last entry repeats", function()
    assert.are.same({ 0, 1, 11, 21, 31 }, (delivered { jitter = 0, delays = { 1, "10s" } }))
  end)

  it("may be a function, which decides alone when it ends", function()
    assert.are.same({ 0, 1, 3, 6, 10, 15, 21, 28 }, (delivered(function(failure)
      if failure.attempt == 8 then return nil, "enough" end
      return failure.attempt
    end)))
    assert.are.equal("enough", world:dead("a@x")[1].reason)
  end)

  it("tells its function what failed", function()
    local told
    delivered(function(failure)
      told = failure
      return nil
    end)
    assert.are.same({ attempt = 1, error = "it does not work", code = "HANDLER_ERROR", elapsed = 0, address = "a@x" }, told)
  end)

  it("uses the node's schedule when its function raises, and the log says so", function()
    assert.are.same({ 0, 1, 3, 7, 15 }, (delivered(function() error "oops" end)))
    local complaints = 0
    for _, line in ipairs(world:log()) do
      if line.text:find("the retry policy failed", 1, true) then complaints = complaints + 1 end
    end
    assert.are.equal(5, complaints)
  end)

  it("gives up at once for a reason that its final names", function()
    assert.are.same({ 0 }, (delivered {
      final = function(failure)
        if failure.error:find "does not" then return "it never will" end
      end,
    }))
    assert.are.equal("it never will", world:dead("a@x")[1].reason)
    assert.are.equal("DEAD", world:dead("a@x")[1].code)
  end)

  it("follows its table while its final names no reason", function()
    assert.are.same({ 0, 1, 3 }, (delivered { jitter = 0, attempts = 3, final = function() end }))
  end)

  -- Was: the reason was that of the last failure alone, as if the attempts had been used up.
  it("begins no attempt after its deadline, and the dead letter says so", function()
    assert.are.same({ 0, 1, 3, 7 }, (delivered { jitter = 0, attempts = 10, deadline = 10 }))
    assert.are.equal("the policy's deadline of 10 s ends after 4 attempts; last: it does not work",
      world:dead("a@x")[1].reason)
  end)

  it("may go on for ever", function()
    world = delivery.chain()
    delivery.agent(world, delivery.failing, { retry = { jitter = 0, factor = 1, attempts = math.huge } })
    local id = delivery.send(world, "x")
    world:advance(1000)
    assert.are.equal(1001, #world:times(id, "delivered"))
  end)

  it("spreads its waits by its jitter, both ways", function()
    local times = delivered { jitter = 0.5, first = 10, factor = 1, attempts = 30 }
    local shorter, longer = 0, 0
    for n = 2, #times do
      local wait = times[n] - times[n - 1]
      assert.is_true(wait >= 4.999 and wait <= 15.001)
      if wait < 10 then shorter = shorter + 1 else longer = longer + 1 end
    end
    assert.is_true(shorter > 5 and longer > 5)
  end)

  it("is the node's `handle` when the agent has none", function()
    world = delivery.chain { owner = { handle = { jitter = 0, first = 5, attempts = 3 } } }
    world:load(require("moonpost").agent { address = "a@x", on = { message = delivery.failing } }, { node = "owner" })
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.same({ 0, 5, 15 }, world:times(id, "delivered"))
  end)
end)
