local test = require "moonpost.test"
local delivery = require "spec.support.delivery"

local function noop() end

-- What a node was told about its link, or nil.
local function refusal(world, node)
  for _, fact in ipairs(world:facts()) do
    if fact.fact == "link_failed" and fact.node == node then return fact.code, fact.reason end
  end
end

describe("two nodes with the same name at one sentinel", function()
  local world

  local function twin(name, store, epoch)
    world:node(name, { store = "memory", links = { delivery.link "hub" }, send = { jitter = 0 } },
      { goes_by = "owner", store = store, epoch = epoch })
  end

  before_each(function()
    world = test.world { seed = 1 }
    world:node "hub"
    world:node("client", { links = { delivery.link "hub" }, send = { jitter = 0 } })
  end)

  it("and different stores: the newcomer is refused for good when the first is still alive", function()
    twin("first", "store A")
    twin("second", "store B")
    world:advance(2)
    local code, reason = refusal(world, "second")
    assert.are.equal("NAME_TAKEN", code)
    assert.are.equal('another node named "owner" is linked here; give this one its own name', reason)
    assert.is_nil(refusal(world, "first"))
    world:advance "10m"
    assert.are.equal(0, world:counts("second").links_up)
    assert.are.equal(1, world:counts("first").links_up)
  end)

  it("and different stores: the newcomer is told first that the name's holder is asked for a sign of life", function()
    twin("first", "store A")
    twin("second", "store B")
    assert.is_nil(refusal(world, "second"))
    for _, fact in ipairs(delivery.facts(world, "link_down")) do
      if fact.node == "second" then
        assert.are.equal('another node named "owner" is linked here and is asked whether it is still there', fact.reason)
      end
    end
  end)

  -- Was: a node whose predecessor had died without a word was refused its name for good.
  it("and different stores: the newcomer is welcome once the first has not been heard for two heartbeats", function()
    twin("first", "store A")
    world:delay("first", "hub", "1h")
    world:advance(1)
    twin("second", "store B")
    world:advance(28)
    assert.are.equal(0, world:counts("second").links_up)
    world:advance(3)
    assert.are.equal(1, world:counts("second").links_up)
    assert.is_nil(refusal(world, "second"))
    delivery.agent(world, noop, { node = "second" })
    assert.are.equal("stored", world:receipt(world:send("a@x", "x", { from = "client" })).level)
  end)

  it("and different stores: the newcomer that took over is the first by then", function()
    twin("first", "store A")
    world:delay("first", "hub", "1h")
    twin("second", "store B")
    world:advance(35)
    world:delay("first", "hub", 0)
    world:advance "3h"
    assert.are.equal("NAME_TAKEN", (refusal(world, "first")))
    assert.is_nil(refusal(world, "second"))
    assert.are.equal(1, world:counts("second").links_up)
  end)

  it("and different stores: the second is welcome when the first is gone", function()
    twin("first", "store A")
    world:cut("first", "hub")
    twin("second", "store B")
    assert.is_nil(refusal(world, "second"))
    assert.are.equal(1, world:counts("second").links_up)
  end)

  it("and one store: the later start fences the earlier, which does not come back", function()
    twin("first", "store A", 1)
    twin("second", "store A", 2)
    assert.are.equal("FENCED", (refusal(world, "first")))
    assert.is_nil(refusal(world, "second"))
    world:advance "10m"
    assert.are.equal(0, world:counts("first").links_up)
    assert.are.equal(1, world:counts("second").links_up)
  end)

  it("and one store: an earlier start that comes later is refused", function()
    twin("second", "store A", 2)
    twin("first", "store A", 1)
    assert.are.equal("FENCED", (refusal(world, "first")))
    assert.is_nil(refusal(world, "second"))
  end)

  it("and one store: an earlier start is refused even when the later one is gone", function()
    twin("second", "store A", 2)
    world:cut("second", "hub")
    twin("first", "store A", 1)
    assert.are.equal("FENCED", (refusal(world, "first")))
  end)

  it("and one store: the later start takes over the address", function()
    twin("first", "store A", 1)
    delivery.agent(world, function() return "first" end, { node = "first" })
    twin("second", "store A", 2)
    delivery.agent(world, function() return "second" end, { node = "second" })
    assert.are.equal("second", (world:call("a@x", "x", { from = "client" })))
  end)

  it("and one store: what a fenced node has not sent ends as a dead letter of its own", function()
    twin("first", "store A", 1)
    twin("second", "store A", 2)
    local id = world:send("a@x", "x", { from = "first" })
    world:settle()
    assert.are.equal("NO_ROUTE", world:receipt(id).code)
    assert.are.equal(1, #world:dead("a@x"))
  end)

  it("is refused the sentinel's own name", function()
    world:node("third", { links = { delivery.link "hub" } }, { goes_by = "hub", store = "store C" })
    assert.are.equal("NAME_TAKEN", (refusal(world, "third")))
  end)

  it("and the same start: a new connection replaces the old one, which is not heard of any more", function()
    world:node("slow", { links = { delivery.link("hub", { heartbeat = 5 }) } }, { goes_by = "owner", store = "store A" })
    delivery.agent(world, noop, { node = "slow" })
    world:delay("slow", "hub", "1h")
    world:advance(12)
    world:delay("slow", "hub", 0)
    world:advance(10.5)
    assert.is_nil(refusal(world, "slow"))
    local id = world:send("a@x", "x", { from = "client" })
    assert.are.equal("stored", world:receipt(id).level)
  end)
end)

describe("two links of one node that lead to the same sentinel", function()
  local world

  local function of_office(fact)
    local found = {}
    for _, seen in ipairs(delivery.facts(world, fact)) do
      if seen.node == "office" then found[#found + 1] = seen end
    end
    return found
  end

  before_each(function()
    world = test.world { seed = 1 }
    world:node "hub"
    world:node("client", { links = { delivery.link "hub" }, send = { jitter = 0 } })
    world:node("office", { links = { delivery.link "hub", delivery.link "hub" } })
    delivery.agent(world, noop, { node = "office" })
  end)

  -- Was: each new connection replaced the other one, for ever.
  it("are one: the second fails for good, once, and says why", function()
    world:advance "10m"
    local failed = of_office "link_failed"
    assert.are.equal(1, #failed)
    assert.are.equal("BAD_VALUE", failed[1].code)
    assert.are.equal('this node is linked with "hub" already: two links lead to it', failed[1].reason)
  end)

  it("do not disturb each other: the first stays up", function()
    world:advance "10m"
    assert.are.equal(0, #of_office "link_down")
    assert.are.equal(1, world:counts("office").links_up)
    assert.are.equal("stored", world:receipt(world:send("a@x", "x", { from = "client" })).level)
  end)

  it("are one after the first was down, too", function()
    world:cut("office", "hub")
    world:heal("office", "hub")
    world:advance(10)
    assert.are.equal(1, #of_office "link_failed")
    assert.are.equal(1, world:counts("office").links_up)
    assert.are.equal("stored", world:receipt(world:send("a@x", "x", { from = "client" })).level)
  end)
end)

describe("a node that was started again with its memory lost", function()
  it("serves its address again, and what it had accepted is sent to it again when its sender asks", function()
    local world = test.world { seed = 1 }
    world:node "hub"
    world:node("client", { links = { delivery.link "hub" }, send = { jitter = 0 } })
    world:node("before", { links = { delivery.link "hub" } }, { goes_by = "owner", store = "store A", epoch = 1 })
    delivery.agent(world, function() require("moonpost").sleep(100) end, { node = "before", timeout = "1h" })
    local id = world:send("a@x", "x", { from = "client", await = "handled" })
    world:cut("before", "hub")
    world:node("after", { links = { delivery.link "hub" } }, { goes_by = "owner", store = "store A", epoch = 2 })
    delivery.agent(world, function() return "after" end, { node = "after" })
    world:advance(30)
    assert.are.same({ 0, 1 }, world:times(id, "sent"))
    assert.are.equal("after", world:receipt(id).result)
  end)
end)

describe("an address that two nodes attach", function()
  local world

  local function attached_by(node)
    delivery.agent(world, function() return node end, { node = node })
  end

  local function told(node)
    for _, fact in ipairs(world:facts()) do
      if fact.fact == "refused" and fact.node == node then return fact.code, fact.reason end
    end
  end

  before_each(function()
    world = test.world { seed = 1 }
    world:node "hub"
    for _, name in ipairs { "one", "two", "client" } do
      world:node(name, { links = { delivery.link "hub" }, send = { jitter = 0 } })
    end
  end)

  it("stays with the first; the second is told who has it", function()
    attached_by "one"
    attached_by "two"
    local code, reason = told "two"
    assert.are.equal("ADDRESS_TAKEN", code)
    assert.are.equal('"a@x" is served by node "one"', reason)
    assert.are.equal("one", (world:call("a@x", "x", { from = "client" })))
  end)

  it("stays with the sentinel when that serves it itself", function()
    attached_by "hub"
    attached_by "one"
    assert.are.equal("ADDRESS_TAKEN", (told "one"))
    assert.are.equal("hub", (world:call("a@x", "x", { from = "client" })))
  end)

  it("is served by the second for its own node all the same", function()
    attached_by "one"
    attached_by "two"
    assert.are.equal("two", (world:call("a@x", "x", { from = "two" })))
  end)

  it("goes to the second when that attaches it after the first is gone", function()
    attached_by "one"
    world:cut("one", "hub")
    attached_by "two"
    assert.is_nil(told "two")
    assert.are.equal("two", (world:call("a@x", "x", { from = "client" })))
  end)

  local function happened(node, fact)
    local times = {}
    for _, seen in ipairs(world:facts()) do
      if seen.fact == fact and seen.node == node then times[#times + 1] = seen.at end
    end
    return times
  end

  -- Was: after a refusal the second never asked again, and the address was served by nobody.
  it("goes to the second by itself when the first is gone, at the next try of its link's schedule", function()
    attached_by "one"
    attached_by "two"
    world:advance(10.5)
    world:cut("one", "hub")
    world:advance(0.4)
    local lost = world:send("a@x", "x", { from = "client", fail_fast = true })
    assert.are.equal("NO_ROUTE", world:receipt(lost).code)
    world:advance(0.2)
    assert.are.equal("two", (world:call("a@x", "x", { from = "client" })))
  end)

  it("is asked for with growing waits, and told once to be another's and once to be its own", function()
    world:node("three", { links = { { to = "hub", first = 1, factor = 2, cap = 60, jitter = 0 } } })
    attached_by "one"
    attached_by "three"
    world:advance(40)
    world:cut("one", "hub")
    world:advance(60)
    assert.are.equal(1, #happened("three", "refused"))
    local attached = happened("three", "attached")
    assert.are.equal(1, #attached)
    assert.are.equal(63, math.floor(attached[1])) -- 1 + 2 + 4 + 8 + 16 + 32
  end)

  it("is asked for anew over a new link, and told once more", function()
    attached_by "one"
    attached_by "two"
    world:cut("two", "hub")
    world:heal("two", "hub")
    world:advance(30)
    assert.are.equal(2, #happened("two", "refused"))
    world:cut("one", "hub")
    world:advance(1)
    assert.are.equal("two", (world:call("a@x", "x", { from = "client" })))
  end)

  it("is refused at the first link up again when another has it by then", function()
    attached_by "one"
    world:cut("one", "hub")
    attached_by "two"
    world:heal("one", "hub")
    world:advance(2)
    assert.are.equal("ADDRESS_TAKEN", (told "one"))
    assert.are.equal("two", (world:call("a@x", "x", { from = "client" })))
  end)

  it("is refused by a sentinel further up, and the owner is told", function()
    world:node "top"
    world:node("mid", { links = { delivery.link "top" } })
    world:node("below", { links = { delivery.link "mid" } })
    delivery.agent(world, noop, { node = "top" })
    delivery.agent(world, noop, { node = "below" })
    assert.are.equal("ADDRESS_TAKEN", (told "below"))
  end)

  it("goes through to the owner below a further sentinel when it is free further up, each told once", function()
    world:node "top"
    world:node("rival", { links = { delivery.link "top" } })
    world:node("mid", { links = { delivery.link "top" } })
    world:node("below", { links = { delivery.link "mid" } })
    world:node("above", { links = { delivery.link "top" }, send = { jitter = 0 } })
    attached_by "rival"
    attached_by "below"
    world:advance(10)
    assert.are.equal("rival", (world:call("a@x", "x", { from = "above" })))
    world:cut("rival", "top")
    world:advance(2)
    assert.are.equal("below", (world:call("a@x", "x", { from = "above" })))
    assert.are.equal(1, #happened("below", "refused"))
    assert.are.equal(2, #happened("below", "attached"))
  end)
end)
