local c = require "spec.support.c"
local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local DATA, RECEIPT, PART, CANCEL = 5, 6, 11, 13
local STORED, HANDLED = 2, 3
local ORIGIN = ("c"):rep(16) .. "\0\0"
local OWN = { credit = 2 ^ 40, own = true }
local CODE = c.ffi.C

describe("a request that is answered by parts", function()
  local node, peer, request

  local function question(more)
    local fields = { id = "q", origin = ORIGIN, to = "$node", from = "me", lane = 7, seq = 1, base = 1, level = HANDLED,
      body = "{}" }
    for name, value in pairs(more or {}) do fields[name] = value end
    return wire.data(fields)
  end

  local function parts()
    local found = {}
    for index, payload in ipairs(peer:frames_of(PART)) do found[index] = wire.read_part(payload) end
    return found
  end

  local function receipt()
    local found = peer:frames_of(RECEIPT)
    assert.equal(1, #found)
    return wire.receipt(found[1])
  end

  before_each(function()
    node = engine.new { name = "owner" }
    peer = node:guest("me", ("c"):rep(16), OWN)
    peer:say(question())
    request = node.requests[1]
    node:stream(request)
  end)

  it("is open once its asker hears that it is stored", function()
    assert.equal(STORED, receipt().level)
    node:part(request, "1")
    node:part(request, "2")
    assert.same({ { left_out = 0, seq = 1, body = "1" }, { left_out = 0, seq = 1, body = "2" } }, parts())
  end)

  it("keeps no other request waiting", function()
    peer:say(question { seq = 2, id = "q2" })
    node:administered(node.requests[2], { result = "7" })
    peer:say(question { seq = 3, id = "q3" })
    assert.equal(3, #node.requests)
  end)

  it("is still open for an asker that asks how far it got, or sends it again", function()
    receipt()
    peer:say(question { flags = 1 })
    assert.equal(STORED, receipt().level)
    peer:say(question { transmission = 2 })
    assert.equal(STORED, receipt().level)
    assert.equal(1, #node.requests)
  end)

  it("ends when its asker cancels, who hears no more of it", function()
    receipt()
    peer:say(wire.cancel { lane = 7, seq = 1, origin = ORIGIN, to = "$node" })
    assert.same({ tonumber(request.token) }, node.streams_over)
    assert.equal(tonumber(CODE.CODE_CANCELLED), receipt().code)
    assert.is_false(node:part(request, "1"))
  end)

  it("does not end by a cancel of another number", function()
    peer:say(wire.cancel { lane = 7, seq = 2, origin = ORIGIN, to = "$node" })
    peer:say(wire.cancel { lane = 8, seq = 1, origin = ORIGIN, to = "$node" })
    assert.same({}, node.streams_over)
  end)

  it("ends when its asker's connection is gone", function()
    peer:hang_up()
    assert.same({ tonumber(request.token) }, node.streams_over)
  end)

  it("ends when its owner says what it came to", function()
    receipt()
    node:part(request, "1")
    node:administered(request, { result = "done" })
    local told = peer:frames()
    assert.same({ PART, RECEIPT }, { told[1].kind, told[2].kind })
    assert.equal(HANDLED, wire.receipt(told[2].payload).level)
    assert.same({ tonumber(request.token) }, node.streams_over)
  end)

  it("may be over before it began", function()
    peer:say(question { seq = 2, id = "q2" })
    local second = node.requests[2]
    node:step { kind = "STREAM", waiter = second.token }
    peer:hang_up()
    node:administered(second)
    assert.equal(2, #node.streams_over)
    assert.is_false(node:part(second, "1"))
  end)

  it("that is refused, and waits for what it changed, is not there to be cancelled", function()
    peer:say(question { seq = 2, id = "q2" })
    local second = node.requests[2]
    node.held = true
    node:step { kind = "STREAM", waiter = second.token }
    node:step { kind = "HOLD", waiter = second.token, address = "a@x", hold = CODE.HOLD_PAUSED }
    node:administered(second, { code = CODE.CODE_REJECTED })
    peer:frames()
    peer:say(wire.cancel { lane = 7, seq = 2, origin = ORIGIN, to = "$node" })
    node:release()
    assert.equal(tonumber(CODE.CODE_REJECTED), receipt().code)
  end)

  it("leaves out what its asker is too slow for, and tells how much, also when nothing follows", function()
    local large, went = ("x"):rep(1000), 0
    while node:part(request, large) do went = went + 1 end
    assert.is_true(peer.unwritten < 2 ^ 20 + 4096)
    for _ = 1, 99 do assert.is_false(node:part(request, large)) end
    assert.equal(went, #parts())
    peer:read()
    assert.same({ { left_out = 100, seq = 1, body = "" } }, parts())
    node:part(request, "next")
    assert.same({ { left_out = 0, seq = 1, body = "next" } }, parts())
  end)

  it("of nobody who could take parts is refused", function()
    local own = node:ask()
    node:stream(own)
    assert.equal(tonumber(CODE.CODE_UNSUPPORTED), node.answers[1].code)
    assert.same({ tonumber(own.token) }, node.streams_over)
  end)
end)

describe("the asker of a stream", function()
  local node, peer, sent

  before_each(function()
    node = engine.new { name = "me", links = { "owner" } }
    peer = node:connect()
    peer:say(wire.welcome("owner", ("o"):rep(16)))
    peer:frames()
    node:submit_stream("a@x")
    sent = wire.read_data(peer:frames_of(DATA)[1])
  end)

  local function part(more)
    local fields = { lane = sent.lane, seq = sent.seq, origin = sent.origin, to = "a@x", body = "1" }
    for name, value in pairs(more or {}) do fields[name] = value end
    return wire.part(fields)
  end

  it("hears that it is open, its parts, and its end", function()
    peer:say(wire.stored { lane = sent.lane, seq = sent.seq, origin = sent.origin, to = "a@x" })
    peer:say(part() .. part { body = "2", left_out = 3 })
    assert.same({
      { accepted = true, left_out = 0, body = "" },
      { accepted = false, left_out = 0, body = "1" },
      { accepted = false, left_out = 3, body = "2" },
    }, node.parts)
    peer:say(wire.refused { lane = sent.lane, seq = sent.seq, origin = sent.origin, to = "a@x", code = 47 })
    assert.equal(47, node.answers[1].code)
  end)

  it("cancels what nobody waits for", function()
    peer:say(part { seq = sent.seq + 1 } .. part { lane = ("z"):rep(8) } .. part { origin = "other" })
    assert.equal(3, #peer:frames_of(CANCEL))
    assert.same({}, node.parts)
  end)
end)

describe("what happened to a message", function()
  local node

  local function names(facts)
    local found = {}
    for index, fact in ipairs(facts) do found[index] = fact.fact end
    return table.concat(found, " ")
  end

  before_each(function()
    node = engine.new { name = "owner" }
    node:agent "a@x"
  end)

  it("is remembered, with what was found out about it", function()
    node:send("a@x", "m1")
    node:finish(node.runs[1], "RETRY", "no luck")
    local facts = node:recent "m1"
    assert.equal("stored delivered retrying", names(facts))
    assert.same({ "a@x", "no luck", 1 }, { facts[3].address, facts[3].reason, facts[3].attempt })
  end)

  it("is remembered when nobody listens", function()
    c.core.engine_watch(node.handle, 0, 0)
    node:send("a@x", "m1")
    node:finish(node.runs[1], "ACK")
    assert.equal("stored delivered handled", names(node:recent "m1"))
  end)

  it("is told apart from others with long ids that begin alike", function()
    local long = ("x"):rep(100)
    node:send("a@x", long .. "1")
    node:send("a@x", long .. "2")
    node:finish(node.runs[1], "ACK")
    assert.equal("stored delivered handled", names(node:recent(long .. "1")))
    assert.equal("stored delivered", names(node:recent(long .. "2")))
  end)

  it("is forgotten when enough has happened since, which can be told", function()
    node:send("a@x", "m1")
    node:finish(node.runs[1], "ACK")
    assert.is_nil(select(2, node:recent "m1"))
    node:advance(50)
    for index = 2, 1400 do
      node:send("a@x", "m" .. index)
      node:finish(node.runs[index], "ACK")
    end
    local facts, since = node:recent "m1"
    assert.same({}, facts)
    assert.equal(51, since)
    assert.equal("stored delivered handled", names(node:recent "m1400"))
  end)
end)
