local c = require "spec.support.c"
local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local DATA, RECEIPT = 5, 6
local HANDLED = 3
local ORIGIN = ("c"):rep(16) .. "\0\0"
local PLENTY = { credit = 2 ^ 40 }
local CODE = c.ffi.C

local function kept(node)
  node:advance(100)
  return node:kept()
end

-- Records of messages, their facts and their deaths; an outbox has one of its own that stays.
local function messages_kept(node)
  local records = kept(node)
  return (records.m or 0) + (records.f or 0) + (records.d or 0)
end

describe("a request of $node", function()
  local node

  local function question(seq, more)
    local fields = { id = "q" .. seq, origin = ORIGIN, to = "$node", from = "me", lane = 7, seq = seq, base = 1,
      level = HANDLED, body = "{}" }
    for name, value in pairs(more or {}) do fields[name] = value end
    return wire.data(fields)
  end

  local function receipts(peer)
    local found = {}
    for index, payload in ipairs(peer:frames_of(RECEIPT)) do found[index] = wire.receipt(payload) end
    return found
  end

  before_each(function() node = engine.new { name = "owner" } end)

  -- The answer had come all the same, for a waiter that was no more.
  it("is not answered when who asked waits no more", function()
    local request = node:ask()
    node:step { kind = "FORGET", waiter = node.askers }
    node:administered(request)
    assert.equal(0, #node.answers)
  end)

  it("is taken from a program of the node's own user, and never stored", function()
    local peer = node:guest("me", ("c"):rep(16), { credit = 2 ^ 40, own = true })
    peer:say(question(1))
    assert.equal("{}", node.requests[1].body)
    node:administered(node.requests[1], { result = "7" })
    local told = receipts(peer)
    assert.equal(HANDLED, told[1].level)
    assert.same({}, kept(node))
  end)

  it("is denied to everybody else", function()
    local peer = node:guest("me", ("c"):rep(16), PLENTY)
    peer:say(question(1))
    assert.equal(0, #node.requests)
    local told = receipts(peer)
    assert.is_true(told[1].nack)
    assert.equal(tonumber(CODE.CODE_DENIED), told[1].code)
  end)

  it("waits until the one before it is answered", function()
    local peer = node:guest("me", ("c"):rep(16), { credit = 2 ^ 40, own = true })
    peer:say(question(1) .. question(2))
    assert.equal(1, #node.requests)
    node:administered(node.requests[1])
    assert.equal(2, #node.requests)
    node:administered(node.requests[2])
    assert.same({ 1, 2 }, (function(told) return { told[1].first, told[2].first } end)(receipts(peer)))
  end)

  it("is answered once when it is sent twice before its answer", function()
    local peer = node:guest("me", ("c"):rep(16), { credit = 2 ^ 40, own = true })
    peer:say(question(1))
    peer:say(question(1, { transmission = 2 }))
    node:administered(node.requests[1])
    assert.equal(1, #node.requests)
    assert.equal(1, #receipts(peer))
  end)

  it("is refused for a while when too many wait", function()
    local peer = node:guest("me", ("c"):rep(16), { credit = 2 ^ 40, own = true })
    for seq = 1, 65 do peer:say(question(seq)) end
    local told = receipts(peer)
    assert.equal(1, #told)
    assert.equal(65, told[1].first)
    assert.equal(tonumber(CODE.CODE_BUSY), told[1].code)
  end)

  it("may be answered when who asked has gone", function()
    local peer = node:guest("me", ("c"):rep(16), { credit = 2 ^ 40, own = true })
    peer:say(question(1))
    peer:hang_up()
    node:administered(node.requests[1])
    node:guest("you", ("d"):rep(16), { credit = 2 ^ 40, own = true }):say(question(1, { origin = ("d"):rep(16) .. "\0\0" }))
    assert.equal(2, #node.requests)
  end)

  it("that changes something is answered when the change is durable", function()
    node:agent "a@x"
    node:hold(true)
    node:ask()
    node:step { kind = "HOLD", hold = 1, waiter = node.requests[1].token, address = "a@x" }
    node:administered(node.requests[1])
    node:ask()
    node:administered(node.requests[2])
    assert.equal(0, #node.answers)
    node:hold(false)
    assert.equal(2, #node.answers)
    assert.is_true(node.answers[1].ok)
  end)
end)

describe("a paused mailbox", function()
  local node

  before_each(function()
    node = engine.new { name = "owner" }
    node:agent "a@x"
    node:set("PAUSE", "a@x")
    node:send("a@x", "m1")
  end)

  it("stores and delivers nothing until it is resumed", function()
    node:advance(60000)
    assert.equal(0, #node.runs)
    assert.equal(1, node:kept().m)
    node:set("RESUME", "a@x")
    assert.equal(1, #node.runs)
  end)

  it("is paused after a restart, and resumed after another", function()
    node:advance(100)
    node = node:restart(1000)
    node:agent "a@x"
    assert.equal(0, #node.runs)
    node:set("RESUME", "a@x")
    assert.equal(1, #node.runs)
    node:finish(node.runs[1], "ACK")
    node:advance(100)
    node = node:restart(1000)
    node:agent "a@x"
    node:send("a@x", "m2")
    assert.equal(1, #node.runs)
  end)

  it("lets handlers at work end", function()
    node:set("RESUME", "a@x")
    node:set("PAUSE", "a@x")
    node:finish(node.runs[1], "RETRY", "not yet")
    node:advance(5000)
    assert.equal(1, #node.runs)
    node:set("RESUME", "a@x")
    assert.equal(2, node.runs[2].attempt)
  end)
end)

describe("a dead letter of a mailbox that goes back", function()
  local node

  local function reject(index)
    node:finish(node.runs[index], "REJECT", "no")
  end

  before_each(function()
    node = engine.new { name = "owner" }
    node:agent "a@x"
    node:send("a@x", "m1")
    reject(1)
    node:advance(100)
  end)

  it("is handed over under its id, with its attempts anew and its failures forgotten", function()
    node:requeue "a@x"
    assert.equal("m1", node.runs[2].id)
    assert.equal(1, node.runs[2].attempt)
    assert.equal(0, tonumber(node:counts().dead_now))
    node:finish(node.runs[2], "RETRY", "not yet")
    for n = 3, 6 do
      node:advance(1000)
      node:finish(node.runs[n], "RETRY", "not yet")
    end
    assert.equal(5, #node:letters("a@x")[1].failures)
  end)

  it("leaves only the message in the store, and nothing when it is handled", function()
    node:hold(true)
    node:requeue "a@x"
    node:hold(false)
    assert.same({ m = 1 }, kept(node))
    node:finish(node.runs[2], "ACK")
    assert.same({}, kept(node))
  end)

  it("that is handled in the batch in which it went back leaves nothing in the store", function()
    node:hold(true)
    node:requeue "a@x"
    node:finish(node.runs[2], "ACK")
    node:hold(false)
    assert.same({}, kept(node))
    node = node:restart(1000)
    node:agent "a@x"
    assert.equal(0, #node.runs)
  end)

  it("may go back in the batch in which it died", function()
    node:hold(true)
    node:send("a@x", "m2")
    reject(2)
    node:requeue "a@x"
    node:finish(node.runs[3], "ACK")
    node:finish(node.runs[4], "ACK")
    node:hold(false)
    assert.same({}, kept(node))
  end)

  it("waits there after a restart, and is no dead letter", function()
    node:set("PAUSE", "a@x")
    node:requeue "a@x"
    node:advance(100)
    node = node:restart(1000)
    node:agent "a@x"
    assert.equal(0, tonumber(node:counts().dead_now))
    node:set("RESUME", "a@x")
    assert.equal("m1", node.runs[1].id)
    assert.equal(1, node.runs[1].attempt)
  end)

  it("dies again as one letter", function()
    node:requeue "a@x"
    reject(2)
    assert.same({ d = 1, f = 1, m = 1 }, kept(node))
    node = node:restart(1000)
    assert.equal(1, #node:letters "a@x")
  end)

  it("has the other body that was given", function()
    node:requeue("a@x", { has_body = true, body = "better" })
    assert.equal("better", node.runs[2].body)
  end)

  it("goes to the other address that was given, and is gone here", function()
    node:agent("b@x", { agent = 2 })
    node:requeue("a@x", { to = "b@x" })
    assert.equal("m1", node.runs[2].id)
    node:finish(node.runs[2], "ACK")
    assert.same({}, kept(node))
    assert.equal(0, #node:letters "a@x")
  end)

  it("is no duplicate of itself", function()
    node:agent("a@x", { dedup = 1, dedup_ttl_ms = 1000000 })
    node:send("a@x", "m2")
    reject(2)
    node:requeue "a@x"
    assert.equal(4, #node.runs)
    node:finish(node.runs[3], "ACK")
    node:finish(node.runs[4], "ACK")
    assert.equal(0, tonumber(node:counts().duplicates))
  end)

  it("is a duplicate when another message of its key was handled meanwhile", function()
    node:agent("a@x", { dedup = 1, dedup_ttl_ms = 1000000 })
    node:send("a@x", "m1")
    node:finish(node.runs[2], "ACK")
    node:requeue "a@x"
    assert.equal(2, #node.runs)
    assert.equal(1, tonumber(node:counts().duplicates))
    assert.same({ k = 1 }, kept(node)) -- what the policy remembers
  end)

  it("stays when it has expired, and the request says so", function()
    node:send("a@x", "m2", { remaining_ms = 5000 })
    reject(2)
    node:advance(5000)
    node:requeue "a@x"
    local answer = node.answers[#node.answers]
    assert.equal(tonumber(CODE.CODE_EXPIRED), answer.code)
    assert.truthy(answer.reason:find("1 of 2 stay dead letters, 1 went back; EXPIRED: it has expired", 1, true))
    assert.equal(1, #node:letters "a@x")
  end)

  it("stays when the store is full: what room is left is for settling", function()
    node:hold(true)
    node:send("a@x", "m2")
    node:advance(5)
    node:step { kind = "COMMITTED", batch = table.remove(node.batches, 1), store_full = true }
    node:requeue "a@x"
    local answer = node.answers[#node.answers]
    assert.equal(tonumber(CODE.CODE_REJECTED), answer.code)
    assert.equal("the store is full: what room is left is for settling what is there", answer.reason)
    assert.equal(1, #node:letters "a@x")
  end)

  it("is not delayed a second time", function()
    node:send("a@x", "m2", { due_ms = 1000 })
    node:advance(1000)
    reject(2)
    node:requeue "a@x"
    assert.equal(4, #node.runs)
  end)
end)

describe("a dead letter that is removed", function()
  it("is gone from the mailbox and the store, when that is durable, and after a restart", function()
    local node = engine.new { name = "owner" }
    node:agent "a@x"
    node:send("a@x", "m1")
    node:finish(node.runs[1], "REJECT", "no")
    node:advance(100)
    node:hold(true)
    node:remove "a@x"
    assert.equal(0, #node.answers)
    node:hold(false)
    assert.equal(2, #node.requests + #node.answers)
    assert.same({}, kept(node))
    assert.equal(0, #node:letters "a@x")
    assert.equal(1, tonumber(node:counts().removed))
    assert.equal(0, #node:restart(1000):letters "a@x")
  end)

  it("lets go of its number in an outbox", function()
    local node = engine.new { name = "client", links = { "hub" } }
    local hub = node:connect()
    hub:say(wire.welcome("hub", ("h"):rep(16), PLENTY))
    node:send("a@x", "m1")
    for _ = 1, 20 do
      node:advance(10000)
      hub:say(wire.number(9, 0))
    end
    assert.equal(1, #node:letters "a@x")
    node:remove "a@x"
    assert.equal(0, messages_kept(node))
    hub:frames()
    node:send("a@x", "m2")
    node:send("a@x", "m3") -- base is told once it is known to be durable
    local frame = wire.read_data(hub:frames_of(DATA)[2])
    assert.same({ 3, 2 }, { frame.seq, frame.base })
  end)
end)

describe("a dead letter that goes back after a while", function()
  it("is due then, also over a restart", function()
    local node = engine.new { name = "owner" }
    node:agent "a@x"
    node:send("a@x", "m1")
    node:finish(node.runs[1], "REJECT", "no")
    node:requeue("a@x", { delay_ms = 5000 })
    node:advance(4000)
    assert.equal(1, #node.runs)
    node = node:restart(500)
    node:agent "a@x"
    node:advance(400)
    assert.equal(0, #node.runs)
    node:advance(200)
    assert.equal(1, #node.runs)
  end)
end)

describe("a dead letter of an outbox that goes back", function()
  local node, hub

  local function greet()
    hub = node:connect()
    hub:say(wire.welcome("hub", ("h"):rep(16), PLENTY))
  end

  local function frames()
    local found = {}
    for index, payload in ipairs(hub:frames_of(DATA)) do found[index] = wire.read_data(payload) end
    return found
  end

  local function restart()
    node:advance(100)
    node = node:restart(1000)
    greet()
  end

  local function stored(frame)
    hub:say(wire.stored { lane = frame.lane, seq = frame.seq, origin = frame.origin, to = "a@x" })
  end

  -- So long that a message that was sent is in doubt; the hub is alive.
  local function in_doubt()
    for _ = 1, 20 do
      node:advance(10000)
      hub:say(wire.number(9, 0))
    end
    assert.equal(1, tonumber(node:counts().dead_now))
  end

  before_each(function()
    node = engine.new { name = "client", links = { "hub" } }
    greet()
  end)

  it("and was in doubt keeps its number, which the owner would recognise", function()
    node:send("a@x", "m1")
    in_doubt()
    local first = frames()[1]
    node:send("a@x", "m2")
    local second = frames()[1]
    assert.equal(first.seq, second.base)
    stored(second)
    node:requeue "a@x"
    local again = frames()[1]
    assert.equal(first.seq, again.seq)
    assert.equal(first.lane, again.lane)
    stored(again)
    assert.equal(0, messages_kept(node))
    node:send("a@x", "m3")
    assert.equal(frames()[1].seq, 3)
  end)

  it("and was in doubt keeps its number over a restart", function()
    node:send("a@x", "m1")
    in_doubt()
    local first = frames()[1]
    restart()
    node:send("a@x", "m2")
    assert.equal(first.seq, frames()[1].base)
    node:requeue "a@x"
    local again = frames()[1]
    assert.equal(first.seq, again.seq)
    restart()
    assert.equal(first.seq, frames()[1].seq)
  end)

  it("and was refused gets the next number, and its place behind the others", function()
    node:send("a@x", "m1")
    local first = frames()[1]
    hub:say(wire.refused { lane = first.lane, seq = first.seq, origin = first.origin, to = "a@x", code = 38 })
    node:send("a@x", "m2")
    local second = frames()[1]
    assert.equal(1, tonumber(node:counts().dead_now))
    assert.equal(2, second.seq)
    node:requeue "a@x"
    local again = frames()[1]
    assert.equal(3, again.seq)
    restart()
    local both = frames()
    assert.same({ 2, 3 }, { both[1].seq, both[2].seq })
    stored(both[1])
    stored(both[2])
    assert.equal(0, messages_kept(node))
  end)

  it("tries as long as a new message would", function()
    node = engine.new { name = "client", links = { "hub" } }
    node:send("a@x", "m1")
    node:advance(8 * 24 * 3600 * 1000)
    assert.equal(1, #node:letters "a@x")
    node:requeue "a@x"
    node:advance(6 * 24 * 3600 * 1000)
    assert.equal(0, #node:letters "a@x")
    node:advance(2 * 24 * 3600 * 1000)
    assert.equal(1, #node:letters "a@x")
  end)

  it("goes into the mailbox when the address is served here by now", function()
    node:send("a@x", "m1")
    in_doubt()
    node:agent "a@x"
    node:requeue "a@x"
    assert.equal("m1", node.runs[1].id)
    node:finish(node.runs[1], "ACK")
    assert.is_nil(kept(node).m)
  end)
end)

describe("the numbers of an outbox", function()
  local HELD = 65536
  local core, ffi = c.core, c.ffi

  it("are held by letters in doubt until the lane has come far", function()
    local outbox = core.queue_new(ffi.C.QUEUE_OUTBOX, c.span "a@x", 1)
    local letter, other = ffi.new "struct entry[1]", ffi.new "struct entry[1]"
    letter[0].state = ffi.C.ENTRY_DEAD
    core.queue_number(outbox, letter)
    for _ = 2, HELD do
      core.queue_number(outbox, other)
      core.queue_close_number(outbox, other[0].number)
    end
    assert.equal(1, tonumber(outbox.base))
    core.queue_number(outbox, other)
    assert.equal(HELD + 1, tonumber(outbox.base))
    assert.is_true(core.queue_numbered(outbox, 1) == nil)
    core.queue_free(outbox)
  end)
end)

describe("a dead letter", function()
  local node

  before_each(function()
    node = engine.new { name = "owner" }
    node:agent "a@x"
    node:send("a@x", "m")
    node:finish(node.runs[1], "REJECT", "never")
  end)

  it("does not go back with a body that is too large", function()
    node:requeue("a@x", { has_body = true, body = ("x"):rep(1048577) })
    local answer = node.answers[#node.answers]
    assert.is_false(answer.ok)
    assert.equal("the body is larger than body_max", answer.reason)
    assert.equal(1, #node:letters "a@x")
  end)
end)
