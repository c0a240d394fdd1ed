-- Policies as data may ask for no wait at all, or for one without end.
local c = require "spec.support.c"
local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local core, ffi = c.core, c.ffi
local RETRY_MIN_MS, FOREVER = 10, 0x7fffffffffffffffLL

local function due_in(node)
  return tonumber(core.engine_deadline_ms(node.handle)) - node.now
end

local function submit(node, to, policy)
  local what = ffi.new "struct submit"
  what.message.id, what.message.to, what.message.body = c.span "m", c.span(to), c.span "body"
  what.message.profile, what.message.remaining_ms = 1, 0xffffffffffffffffULL
  what.retry = policy
  node:step { kind = "SUBMIT", submit = what }
end

local function at_once()
  local policy = core.retry_default_send()
  policy.attempts, policy.first_ms, policy.jitter = 0xffffffff, 0, 0
  return policy
end

describe("a policy without a wait", function()
  -- The engine had been due at the same moment again and again: the process was busy until the message expired.
  it("lets a message without a way be looked at a hundred times a second, not without a pause", function()
    local node = engine.new { name = "node" }
    submit(node, "nobody@x", at_once())
    assert.is_true(due_in(node) >= RETRY_MIN_MS)
  end)

  it("lets a message that nobody answers be sent a hundred times a second", function()
    local node = engine.new { name = "node" }
    local peer = node:guest("peer", ("p"):rep(16), { credit = 100 })
    peer:say(wire.attach "a@x")
    submit(node, "a@x", at_once())
    node:advance(1000)
    assert.equal(100, #node:facts_of "timed_out")
  end)

  it("lets a link be dialled a hundred times a second", function()
    local node = engine.new { name = "node", links = { "tcp://hub" }, redial = at_once() }
    node:step { kind = "DIAL_FAILED", dial = table.remove(node.dials, 1), reason = "refused" }
    assert.is_true(due_in(node) >= RETRY_MIN_MS)
  end)
end)

describe("a link without a wait", function()
  -- It had been asked for in the step that had it refused, without end and for all the memory there is.
  it("asks for an address that is refused a hundred times a second", function()
    local node = engine.new { name = "node", links = { "tcp://hub" }, redial = at_once() }
    local hub = node:connect()
    hub:say(wire.welcome("hub", ("h"):rep(16)))
    node:agent "a@x"
    hub:frames()
    hub:say(wire.detach("a@x", 3, "not now"))
    node:advance(1000)
    assert.equal(100, #hub:frames_of(3))
  end)
end)

describe("a wait without end", function()
  it("dials no more", function()
    local never = core.retry_default_link()
    never.delay_count, never.delays_ms[0], never.cap_ms, never.jitter = 1, FOREVER, FOREVER, 0
    local node = engine.new { name = "node", links = { "tcp://hub" }, redial = never }
    node:step { kind = "DIAL_FAILED", dial = table.remove(node.dials, 1), reason = "refused" }
    assert.equal(FOREVER, core.engine_deadline_ms(node.handle))
  end)

  -- The time so far and the wait had been added up, to a negative number that was before any deadline.
  it("is behind the deadline of a policy, so that the message is dead", function()
    local node = engine.new { name = "node" }
    local policy = core.retry_default_handle()
    policy.deadline_ms = 60000
    node:agent("a@x", { retry = policy })
    node:send("a@x", "m")
    node:advance(10)
    local outcome = ffi.new "struct outcome"
    outcome.delivery, outcome.kind, outcome.delay_ms = node.runs[1].delivery, ffi.C.OUTCOME_RETRY, FOREVER
    outcome.code = ffi.C.CODE_HANDLER_ERROR
    node:step { kind = "OUTCOME", outcome = outcome }
    assert.equal(1, #node:letters "a@x")
  end)
end)

describe("a message that is sent more often than can be counted", function()
  -- 65,536 transmissions, at one a second less than a day: the next had the number 0, which no node reads.
  it("goes on with the highest number", function()
    local node = engine.new { name = "node" }
    local peer = node:guest("peer", ("p"):rep(16), { credit = 100000 })
    peer:say(wire.attach "a@x")
    submit(node, "a@x", at_once())
    local count, last = 0, nil
    for _ = 1, 660 do
      node:advance(1000)
      local frames = peer:frames_of(5)
      count, last = count + #frames, frames[#frames]
      peer:say(wire.number(9, 1))
      peer:read()
    end
    assert.is_true(count > 65535)
    assert.equal(65535, wire.read_data(last).transmission)
  end)
end)

describe("a receipt that asks for another try", function()
  local HANDLER_ERROR = 7

  -- Number `seq` of the outbox of a@x could not be taken this time.
  local function say_again(peer, transmission)
    local frames = peer:frames_of(5)
    local frame = wire.read_data(frames[#frames])
    peer:say(wire.refused { code = HANDLER_ERROR, lane = frame.lane, seq = frame.seq, origin = frame.origin, to = "a@x",
      transmission = transmission })
  end

  it("spends an attempt, and after the last one the message is a dead letter of its sender", function()
    local node = engine.new { name = "node" }
    local peer = node:guest("peer", ("p"):rep(16), { credit = 100 })
    local policy = core.retry_default_send()
    policy.attempts, policy.jitter = 2, 0
    peer:say(wire.attach "a@x")
    submit(node, "a@x", policy)
    say_again(peer, 1)
    node:advance(1000)
    assert.equal(0, #node:letters "a@x")
    say_again(peer, 2)
    assert.equal(1, #node:letters "a@x")
  end)
end)

describe("an engine that is always late", function()
  it("sends again all the same: it waits once for what was said meanwhile", function()
    local node = engine.new { name = "node" }
    local peer = node:guest("peer", ("p"):rep(16), { credit = 100 })
    peer:say(wire.attach "a@x")
    submit(node, "a@x")
    for _ = 1, 4 do
      node.now = node.now + 5000
      node:step()
    end
    assert.equal(2, #node:facts_of "timed_out")
  end)
end)

describe("a wait of millions of years", function()
  -- The moment of its end was no number any more, and the next start took the message for one that was never tried.
  it("is one at the next start, too", function()
    local policy = at_once()
    policy.first_ms, policy.cap_ms, policy.deadline_ms = FOREVER - 1000000, FOREVER, FOREVER
    local node = engine.new { name = "node" }
    node:agent("a@x", { retry = policy })
    node:send("a@x", "one")
    node:finish(node.runs[1], "RETRY")
    node:advance(100)
    node = node:restart(0)
    node:agent "a@x"
    node:advance(60000)
    assert.equal(0, #node.runs)
    assert.same({ { "a@x", false, 1 } }, node:left())
  end)
end)
