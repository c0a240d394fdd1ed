local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

describe("a dead letter", function()
  local world, id

  before_each(function()
    world = delivery.chain()
    local runs = 0
    delivery.agent(world, function()
      runs = runs + 1
      if runs == 2 then moonpost.sleep(60) end
      error("boom " .. runs, 0)
    end, { timeout = 5, retry = { attempts = 3, jitter = 0 } })
    id = delivery.send(world, { n = 1 }, { key = "k", method = nil, headers = { color = "red" } })
    world:settle()
  end)

  it("holds each failure with its attempt, code, error and moment", function()
    local dead = world:dead("a@x")[1]
    local failures = {}
    for _, failure in ipairs(dead.failures) do
      failures[#failures + 1] = ("%d %s %s %d"):format(failure.attempt, failure.code, failure.error, failure.at)
    end
    assert.are.same({
      "1 HANDLER_ERROR boom 1 1767225600",
      "2 TIMEOUT the delivery took longer than its timeout of 5 s 1767225606",
      "3 HANDLER_ERROR boom 3 1767225608",
    }, failures)
  end)

  it("holds a traceback that names the handler's file", function()
    assert.is_truthy(world:dead("a@x")[1].failures[1].traceback:find("dead_letter_spec.lua:", 1, true))
  end)

  it("holds the message, why it died, and when it was first and last tried", function()
    local dead = world:dead("a@x")[1]
    assert.are.same({ n = 1 }, dead.message.body)
    assert.are.equal(id, dead.id)
    assert.are.equal("DEAD", dead.code)
    assert.are.equal("boom 3", dead.reason)
    assert.are.equal(3, dead.attempts)
    assert.are.equal(1767225600, dead.first_at)
    assert.are.equal(1767225608, dead.last_at)
  end)

  it("is one of the node that served the address, and leaves its sender with nothing", function()
    assert.are.equal(1, world:counts("owner").dead)
    assert.are.equal(0, world:counts("client").dead)
  end)

  it("is never handed over again", function()
    world:advance "1h"
    assert.are.equal(3, #world:times(id, "delivered"))
    assert.are.equal(1, #world:dead("a@x"))
  end)

  it("does not keep others from being handled", function()
    local other = delivery.send(world, "y", { await = "handled" })
    world:settle()
    assert.are.equal("DEAD", world:receipt(other).code)
    assert.are.equal(2, #world:dead("a@x"))
  end)

  it("is told again to a sender that only wants it stored as stored", function()
    local world2 = delivery.chain()
    delivery.agent(world2, function() return moonpost.reject "no" end)
    local speak = delivery.mute(world2)
    local first = delivery.send(world2, "x")
    world2:advance(0.5)
    speak()
    world2:settle()
    assert.is_true(world2:receipt(first).ok)
    assert.are.equal("stored", world2:receipt(first).level)
    assert.are.equal(1, #world2:dead("a@x"))
  end)
end)
