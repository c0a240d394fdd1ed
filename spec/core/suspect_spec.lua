local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local DATA_NACK, STOPPING = 6, 50
local ORIGIN = ("c"):rep(16) .. "\0\0"
local DIED = "the process died while this was in hand"

local function ids(runs)
  local found = {}
  for index, run in ipairs(runs) do found[index] = run.id end
  return found
end

-- The newest run of this id.
local function run_of(node, id)
  for index = #node.runs, 1, -1 do
    if node.runs[index].id == id then return node.runs[index] end
  end
end

describe("a message whose handler ran when the process died", function()
  local node

  local function send(...)
    for _, id in ipairs { ... } do node:send("a@x", id) end
    node:advance(100)
  end

  -- The process dies while the handler of this message runs, and is back.
  local function die(id, declaration)
    node = node:restart(0, { run_of(node, id) })
    node:agent("a@x", declaration)
  end

  before_each(function()
    node = engine.new { name = "owner" }
    node:agent "a@x"
  end)

  it("is charged an attempt, and its neighbours are not", function()
    send("one", "poison", "three")
    die "poison"
    assert.same({ "one", "three" }, ids(node.runs))
    assert.equal(1, node.runs[1].attempt)
    for n = 1, 2 do node:finish(node.runs[n], "ACK") end
    node:advance(1100)
    assert.same({ "one", "three", "poison" }, ids(node.runs))
    assert.equal(2, node.runs[3].attempt)
  end)

  it("is tried again when the policy says, with a reason", function()
    send "poison"
    die "poison"
    local fact = node:facts_of("retrying")[1]
    assert.equal(DIED, fact.reason)
    node:advance(900)
    assert.equal(0, #node.runs)
    node:advance(200)
    assert.equal(1, #node.runs)
  end)

  it("is a dead letter after its attempts, with a note of each", function()
    send("one", "poison")
    node:finish(node.runs[1], "ACK")
    node:advance(100)
    for _ = 1, 4 do
      die "poison"
      node:advance(1100)
      assert.equal("poison", node.runs[#node.runs].id)
    end
    die "poison"
    node:advance(100000)
    assert.equal(0, #node.runs)
    local letters = node:letters "a@x"
    assert.equal(DIED, letters[1].reason)
    assert.same({ DIED, DIED, DIED, DIED, DIED }, letters[1].failures)
  end)

  it("reaches the dead letters also when the policy wants it again at once", function()
    local at_once = { retry = node.retry(0) }
    at_once.retry.attempts = 3
    send "poison"
    for _ = 1, 2 do
      die("poison", at_once)
      node:advance(100)
      assert.equal("poison", node.runs[1].id)
    end
    die("poison", at_once)
    node:advance(100)
    assert.equal(0, #node.runs)
    assert.equal(1, #node:letters "a@x")
  end)

  it("is charged durably before its handler may begin again", function()
    send "poison"
    die "poison"
    assert.equal(1, node:kept().f)
  end)

  it("is charged when its agent comes only later", function()
    send "poison"
    node = node:restart(0, { run_of(node, "poison") })
    node:advance(5000)
    node:agent "a@x"
    assert.equal(0, #node.runs)
    node:advance(1100)
    assert.equal(2, run_of(node, "poison").attempt)
  end)

  it("waits until nothing else is in hand, and nothing new begins before it", function()
    send("poison", "two")
    die "poison"
    node:advance(900)
    node:advance(100)
    send "three"
    assert.same({ "two" }, ids(node.runs))
    node:finish(node.runs[1], "ACK")
    assert.same({ "two" }, ids(node.runs)) -- what it said is on its way
    node:advance(100)
    assert.same({ "two", "poison", "three" }, ids(node.runs))
  end)

  it("waits for those in hand no longer than a second", function()
    send("poison", "two")
    die "poison"
    node:advance(1900)
    assert.same({ "two" }, ids(node.runs))
    node:advance(200)
    assert.same({ "two", "poison" }, ids(node.runs))
  end)

  it("runs alone one after the other, when there are several", function()
    send("one", "two")
    node = node:restart(0, { run_of(node, "one"), run_of(node, "two") })
    node:agent "a@x"
    node:advance(1100)
    assert.same({ "one" }, ids(node.runs))
    node:finish(node.runs[1], "ACK")
    node:advance(100)
    assert.same({ "one", "two" }, ids(node.runs))
  end)

  it("does not hold the others when it is gone meanwhile", function()
    send("poison", "two")
    die "poison"
    node:advance(1000)
    node:finish(node.runs[1], "ACK")
    node:advance(100)
    node:finish(run_of(node, "poison"), "REJECT", "enough")
    send "three"
    assert.same({ "two", "poison", "three" }, ids(node.runs))
  end)

  it("makes the node wary when it was not stored yet: handlers begin behind the commit", function()
    node = engine.new { name = "owner", suspects = { 7 } }
    node:agent "a@x"
    node.held = true
    node:send("a@x", "one")
    assert.equal(0, #node.runs)
    node:release()
    assert.equal(1, #node.runs)
  end)

  it("makes the node wary, and no handler's time goes by before it begins", function()
    node = engine.new { name = "owner", suspects = { 7 } }
    node:agent("a@x", { timeout_ms = 1000 })
    node.held = true
    node:send("a@x", "one")
    node:advance(50000)
    node:release()
    assert.same({ { "one", 1 } }, { { node.runs[1].id, node.runs[1].attempt } })
    assert.equal(1, #node.runs)
    node:advance(999)
    assert.same({}, node:facts_of "retrying")
    node:advance(1)
    assert.equal(1, #node:facts_of "retrying")
  end)

  it("is nobody when none ran: then nobody is charged", function()
    send("one", "two")
    node = node:restart(0)
    node:agent "a@x"
    assert.same({ 1, 1 }, { node.runs[1].attempt, node.runs[2].attempt })
  end)
end)

describe("an engine that drains", function()
  local node, sender

  before_each(function()
    node = engine.new { name = "owner" }
    node:agent("a@x", { concurrency = 1 })
    sender = node:guest("sender", ("c"):rep(16), { credit = 2 ^ 40 })
    node:send("a@x", "one")
    node:send("a@x", "two")
  end)

  local function in_hand() return tonumber(node.core.engine_in_hand(node.handle)) end

  it("lets those in hand end and begins no other", function()
    node:step { kind = "DRAIN" }
    assert.equal(1, in_hand())
    node:finish(node.runs[1], "ACK")
    node:advance(100)
    assert.same({ "one" }, ids(node.runs))
    assert.equal(0, in_hand())
  end)

  it("refuses what is new in a way that costs its sender no attempt", function()
    node:step { kind = "DRAIN" }
    sender:say(wire.data { id = "m1", origin = ORIGIN, to = "a@x", from = "sender", lane = 7, seq = 1, base = 1, level = 3,
      body = "late" })
    node:advance(100)
    assert.equal(STOPPING, wire.receipt(sender:frames_of(DATA_NACK)[1]).code)
  end)

  it("gives back without an attempt what is in hand at the end", function()
    node:step { kind = "DRAIN" }
    node:step { kind = "STOP" }
    node:advance(100)
    node = node:restart(0)
    node:agent "a@x"
    assert.equal(1, run_of(node, "one").attempt)
  end)

  it("says what is left, by address and state", function()
    node:send("b@y", "out")
    node:step { kind = "STOP" }
    assert.same({ { "a@x", false, 2 }, { "b@y", true, 1 } }, node:left())
  end)
end)
