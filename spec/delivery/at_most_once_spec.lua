local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

local function noop() end

describe("an at-most-once message", function()
  local world

  local function send(options)
    options = options or {}
    options.profile = "at-most-once"
    return delivery.send(world, "x", options)
  end

  before_each(function() world = delivery.chain() end)

  it("is sent, and that is all its receipt says", function()
    delivery.agent(world, noop)
    local id = send()
    local receipt = world:receipt(id)
    assert.is_true(receipt.ok)
    assert.are.equal("sent", receipt.level)
    assert.are.equal(1, #world:received("a@x"))
  end)

  it("is handed over under its own profile, once", function()
    local told = {}
    delivery.agent(world, function(ctx)
      told[#told + 1] = ctx.profile .. " " .. ctx.attempt .. tostring(ctx.last)
      return nil, "no"
    end)
    send()
    world:settle()
    assert.are.same({ "at-most-once 1true" }, told)
  end)

  it("that its handler fails is lost, and counted", function()
    delivery.agent(world, delivery.failing)
    local id = send()
    world:settle()
    assert.are.equal(1, world:counts("owner").lost)
    assert.are.equal(0, #world:dead("a@x"))
    assert.are.equal("it does not work", delivery.facts(world, "dropped", id)[1].reason)
  end)

  it("that its handler defers is lost too", function()
    delivery.agent(world, function() return moonpost.defer("not now", { delay = 1 }) end)
    send()
    world:advance(10)
    assert.are.equal(1, #world:received("a@x"))
    assert.are.equal(1, world:counts("owner").lost)
  end)

  it("is handed over however long the store took, with all of its time", function()
    world:node "slow"
    world:disk("slow", nil, { commit = 90 })
    local handle = function() moonpost.sleep(9) end
    delivery.agent(world, handle, { node = "slow", timeout = 10, profile = "at-most-once" })
    for _ = 1, 2 do world:send("a@x", "x", { from = "slow" }) end
    world:settle()
    assert.are.equal(2, world:counts("slow").handled)
    assert.are.equal(0, world:counts("slow").lost)
  end)

  it("that its handler skips is handled", function()
    delivery.agent(world, function() return moonpost.skip "no need" end)
    send()
    world:settle()
    assert.are.equal(0, world:counts("owner").lost)
    assert.are.equal(1, world:counts("owner").handled)
  end)

  it("that finds no link is lost at once, and its sender is told", function()
    world:cut("client", "hub")
    local id = send()
    assert.are.equal("UNREACHABLE", world:receipt(id).code)
    assert.are.equal(1, world:counts("client").lost)
    assert.are.equal(0, #world:dead("a@x"))
  end)

  it("that finds no way at a sentinel is lost there, and counted there", function()
    local id = send()
    world:settle()
    assert.are.equal("sent", world:receipt(id).level)
    assert.are.equal(1, world:counts("hub").lost)
  end)

  it("that finds the mailbox full is lost there, and counted", function()
    local world2 = delivery.chain { owner = { mailbox = { max = 1 } } }
    world = world2
    delivery.agent(world2, function() moonpost.sleep(5) end, { concurrency = 1 })
    for _ = 1, 3 do send() end
    world2:settle()
    assert.are.equal(1, #world2:received("a@x"))
    assert.are.equal(2, world2:counts("owner").lost)
  end)

  it("is never sent twice", function()
    delivery.agent(world, noop)
    delivery.mute(world)
    local id = send()
    world:advance "10m"
    assert.are.same({ 0 }, world:times(id, "sent"))
  end)

  it("that has expired on arrival is lost", function()
    delivery.agent(world, noop)
    local id = send { delay = 10, expires = 5 }
    world:settle()
    assert.are.equal(0, #world:received("a@x"))
    assert.are.same({ 5 }, world:times(id, "expired"))
  end)

  it("of the same node is settled before its handler starts too", function()
    delivery.agent(world, delivery.failing)
    local id = world:send("a@x", "x", { from = "owner", profile = "at-most-once" })
    world:settle()
    assert.are.equal("sent", world:receipt(id).level)
    assert.are.equal(1, #world:received("a@x"))
    assert.are.equal(1, world:counts("owner").lost)
  end)

  it("is refused by an agent that asks for more on a strict node, and counted", function()
    world = delivery.chain { owner = { strict = true } }
    delivery.agent(world, noop)
    send()
    world:settle()
    assert.are.equal(0, #world:received("a@x"))
    assert.are.equal(1, world:counts("owner").lost)
  end)

  it("is taken with one warning where the node is not strict", function()
    delivery.agent(world, noop)
    send()
    send()
    local warnings = 0
    for _, line in ipairs(world:log()) do
      if line.level == "warn" and line.text:find("weaker", 1, true) then warnings = warnings + 1 end
    end
    assert.are.equal(1, warnings)
    assert.are.equal(2, #world:received("a@x"))
  end)

  it("of the same node to a strict one's agent is PROFILE_MISMATCH", function()
    world = delivery.chain { owner = { strict = true } }
    delivery.agent(world, noop)
    local id = world:send("a@x", "x", { from = "owner", profile = "at-most-once" })
    assert.are.equal("PROFILE_MISMATCH", world:receipt(id).code)
  end)
end)

describe("an at-most-once agent", function()
  local world

  before_each(function() world = delivery.chain() end)

  it("has a stored message removed before its handler starts", function()
    delivery.agent(world, delivery.failing, { profile = "at-most-once" })
    local id = delivery.send(world, "x")
    world:settle()
    assert.are.equal("stored", world:receipt(id).level)
    assert.are.equal(1, #world:received("a@x"))
    assert.are.equal(0, #world:dead("a@x"))
    assert.are.equal(1, world:counts("owner").lost)
  end)

  it("tells a sender that waits for it that the handler has failed", function()
    delivery.agent(world, delivery.failing, { profile = "at-most-once" })
    local id = delivery.send(world, "x", { await = "handled" })
    world:settle()
    assert.are.equal("DEAD", world:receipt(id).code)
    assert.are.equal("it does not work", world:receipt(id).reason)
  end)

  it("loses what it has when its timeout passes", function()
    delivery.agent(world, function() moonpost.sleep(60) end, { profile = "at-most-once", timeout = 5 })
    delivery.send(world, "x")
    world:settle()
    assert.are.equal(1, #world:received("a@x"))
    assert.are.equal(1, world:counts("owner").lost)
  end)

  it("gives its result to a sender that waits", function()
    delivery.agent(world, function() return 42 end, { profile = "at-most-once" })
    local id = delivery.send(world, "x", { await = "handled" })
    world:settle()
    assert.are.equal(42, world:receipt(id).result)
  end)
end)
