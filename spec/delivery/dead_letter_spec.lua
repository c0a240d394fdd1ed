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

describe("a dead letter that failed many times", function()
  it("keeps the note of its first failure and the newest ones", function()
    local world = delivery.chain()
    local runs = 0
    delivery.agent(world, function()
      runs = runs + 1
      error("boom " .. runs, 0)
    end, { retry = { attempts = 1000, first = 0.001, factor = 1, jitter = 0 } })
    delivery.send(world, "x")
    world:settle()
    local dead = world:dead("a@x")[1]
    assert.are.equal(1000, dead.attempts)
    assert.are.equal(31, #dead.failures)
    assert.are.equal("boom 1", dead.failures[1].error)
    assert.are.equal(971, dead.failures[2].attempt)
    assert.are.equal("boom 1000", dead.failures[31].error)
  end)
end)

describe("dead letters", function()
  local world

  before_each(function() world = delivery.chain { owner = { mailbox = { max = 3 } }, client = { outbox = { max = 2 } } } end)

  it("keep their place in their mailbox's bound, so that none is dropped and new messages wait", function()
    delivery.agent(world, function() return moonpost.reject "no" end)
    for n = 1, 3 do delivery.send(world, n) end
    world:settle()
    local id = delivery.send(world, 4, { fail_fast = true })
    world:settle()
    assert.are.equal(3, world:counts("owner").dead)
    assert.are.equal("BUSY", world:receipt(id).code)
    assert.are.equal("the mailbox is at its limit: 3 messages, 3 of them dead letters", world:receipt(id).reason)
  end)

  it("keep their place in the outbox's bound too", function()
    for n = 1, 2 do delivery.send(world, n, { fail_fast = true }) end
    world:settle()
    assert.are.equal(2, world:counts("client").dead)
    local id = delivery.send(world, 3)
    assert.are.equal("STORE_FULL", world:receipt(id).code)
  end)

  it("count with the notes of their failures", function()
    world = delivery.chain { owner = { mailbox = { max_bytes = "20K" } } }
    delivery.agent(world, function() error(("x"):rep(1000), 0) end,
      { retry = { attempts = 40, first = 0.001, factor = 1, jitter = 0 } })
    delivery.send(world, "x")
    world:settle()
    local id = delivery.send(world, "y", { fail_fast = true })
    world:settle()
    assert.are.equal("BUSY", world:receipt(id).code)
  end)
end)
