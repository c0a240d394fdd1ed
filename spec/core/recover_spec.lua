local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local DATA, RECEIPT = 5, 6
local HANDLED = 3
local ORIGIN = ("c"):rep(16) .. "\0\0"
local PLENTY = { credit = 2 ^ 40 }

-- The bodies of the runs so far.
local function bodies(node)
  local found = {}
  for index, run in ipairs(node.runs) do found[index] = run.body end
  return found
end

describe("an owner that was killed and is back", function()
  local node, sender

  -- A number of the sender's lane, with a body of its own.
  local function say(seq, more)
    local fields = { id = "m" .. seq, origin = ORIGIN, to = "a@x", from = "sender", lane = 7, seq = seq, base = 1,
      level = HANDLED, body = "body " .. seq }
    for name, value in pairs(more or {}) do fields[name] = value end
    sender:say(wire.data(fields))
  end

  local function connect() sender = node:guest("sender", ("c"):rep(16), PLENTY) end

  -- When all that waited for company is committed, and `ms` later.
  local function restart(ms)
    node:advance(100)
    node = node:restart(ms or 0)
    connect()
  end

  local function receipts()
    local found = {}
    for index, payload in ipairs(sender:frames_of(RECEIPT)) do found[index] = wire.receipt(payload) end
    return found
  end

  before_each(function()
    node = engine.new { name = "owner" }
    connect()
    node:agent "a@x"
  end)

  it("hands over what was stored and not handled, in its order", function()
    node:agent("a@x", { concurrency = 1 })
    for seq = 1, 5 do say(seq) end
    node:finish(node.runs[1], "ACK")
    restart()
    node:agent("a@x", { concurrency = 1 })
    for n = 1, 4 do node:finish(node.runs[n], "ACK") end
    node:advance(100)
    assert.same({ "body 2", "body 3", "body 4", "body 5" }, bodies(node))
    assert.is_nil(node:kept().m)
  end)

  it("hands over what is behind a dead letter, although nothing new comes", function()
    say(1)
    node:finish(node.runs[1], "REJECT", "no")
    say(2)
    restart()
    node:agent "a@x"
    assert.same({ "body 2" }, bodies(node))
  end)

  it("tells the sender of a message of the life before that it is handled", function()
    say(1)
    restart()
    node:agent "a@x"
    say(2) -- it is known where the sender is when it says something
    node:advance(100)
    receipts()
    node:finish(node.runs[1], "ACK")
    node:advance(100)
    local told = receipts()
    assert.equal(1, #told)
    assert.equal(HANDLED, told[1].level)
    assert.equal(1, told[1].first)
  end)

  it("knows a number again that it has handled", function()
    say(1)
    node:finish(node.runs[1], "ACK")
    restart()
    node:agent("a@x", { dedup = 1, dedup_ttl_ms = 1000 })
    receipts()
    say(1, { flags = 1, body = "" })
    say(1, { transmission = 2 })
    node:advance(100)
    local told = receipts()
    assert.same({ HANDLED, HANDLED }, { told[1].level, told[2].level })
    assert.equal(0, #node.runs)
  end)

  it("goes on counting attempts, and waits no longer than it would have", function()
    say(1)
    node:finish(node.runs[1], "RETRY", "not yet")
    restart(300)
    node:agent "a@x"
    node:advance(599)
    assert.equal(0, #node.runs)
    node:advance(1)
    assert.equal(1, #node.runs)
    assert.equal(2, node.runs[1].attempt)
  end)

  it("waits for a delayed message as long as is left of its delay", function()
    say(1, { due_ms = 10000 })
    restart(4000)
    node:agent "a@x"
    node:advance(5899)
    assert.equal(0, #node.runs)
    node:advance(1)
    assert.equal(1, #node.runs)
  end)

  it("waits no longer than the whole delay when the clock was set back", function()
    say(1, { due_ms = 10000 })
    restart(-500000)
    node:agent "a@x"
    node:advance(10000)
    assert.equal(1, #node.runs)
  end)

  it("expires what became worthless meanwhile", function()
    say(1, { remaining_ms = 5000 })
    restart(5000)
    node:agent "a@x"
    node:advance(100)
    assert.equal(0, #node.runs)
    assert.equal(1, tonumber(node:counts().expired))
    assert.is_nil(node:kept().m)
  end)

  it("has its dead letters with the notes of all failures", function()
    say(1)
    for n = 1, 5 do
      node:finish(node.runs[n], "RETRY", "failure " .. n)
      node:advance(1000)
    end
    assert.equal(1, tonumber(node:counts().dead_now))
    local before = node:letters "a@x"
    restart()
    node:agent "a@x"
    assert.equal(0, #node.runs)
    assert.same(before, node:letters "a@x")
    assert.same({ "failure 1", "failure 2", "failure 3", "failure 4", "failure 5" }, before[1].failures)
    assert.equal("failure 5", before[1].reason)
  end)

  it("leaves a record alone that is none, and goes on with the rest", function()
    say(1)
    say(2)
    node:advance(100)
    for key, value in pairs(node.store) do
      if key:sub(1, 1) == "m" and value:find("body 1", 1, true) then node.store[key] = value:sub(1, 30) end
    end
    restart()
    node:agent "a@x"
    assert.same({ "body 2" }, bodies(node))
    assert.equal(1, #node.damaged)
    assert.equal(2, node:kept().m)
  end)

  it("remembers which start of a store was there, and refuses an earlier one", function()
    node:guest("other", ("d"):rep(16), { epoch = 5 })
    restart()
    local late = node:guest("other", ("d"):rep(16), { epoch = 4 })
    assert.is_true(late.closing)
  end)
end)

describe("a sender that was killed and is back", function()
  local node, hub

  local function greet()
    hub = node:connect()
    hub:say(wire.welcome("hub", ("h"):rep(16), PLENTY))
  end

  -- When all that waited for company is committed, and `ms` later.
  local function restart(ms)
    node:advance(100)
    node = node:restart(ms or 0)
    greet()
  end

  -- The data frames since the last look.
  local function frames()
    local found = {}
    for index, payload in ipairs(hub:frames_of(DATA)) do found[index] = wire.read_data(payload) end
    return found
  end

  local function numbers(list)
    local found = {}
    for index, frame in ipairs(list) do found[index] = frame.seq end
    return found
  end

  local function stored(frame)
    hub:say(wire.stored { lane = frame.lane, seq = frame.seq, origin = frame.origin, to = "a@x" })
  end

  before_each(function()
    node = engine.new { name = "client", links = { "hub" } }
    greet()
  end)

  it("sends what was not answered again, with the same numbers and in their order", function()
    for n = 1, 3 do node:send("a@x", "m" .. n) end
    local sent = frames()
    assert.same({ 1, 2, 3 }, numbers(sent))
    stored(sent[1])
    restart()
    local again = frames()
    assert.same({ 2, 3 }, numbers(again))
    assert.equal(sent[1].lane, again[1].lane)
    assert.equal(2, again[1].base)
  end)

  it("never uses a number twice, whatever was settled before", function()
    node:send("a@x", "m1")
    local sent = frames()
    stored(sent[1])
    restart()
    node:send("a@x", "m2")
    local next_ones = frames()
    assert.is_true(next_ones[1].seq > 1)
    assert.equal(sent[1].lane, next_ones[1].lane)
    assert.equal(next_ones[1].seq, next_ones[1].base)
  end)

  it("asks for what it awaits instead of sending it again", function()
    node:send("a@x", "m1", { level = HANDLED })
    stored(frames()[1])
    restart()
    local asked = frames()
    assert.equal(1, #asked)
    assert.equal(1, asked[1].flags)
  end)

  it("gives up when it would have, counted from the first life", function()
    node = engine.new { name = "client", links = { "hub" } }
    node:send("a@x", "m1")
    node = node:restart(6 * 24 * 3600 * 1000)
    node:advance(24 * 3600 * 1000 - 1000)
    assert.equal(0, tonumber(node:counts().dead_now))
    node:advance(2000)
    assert.equal(1, tonumber(node:counts().dead_now))
  end)

  it("leaves nothing in the store when all is settled but the numbers of its lane", function()
    node:send("a@x", "m1")
    stored(frames()[1])
    node:advance(100)
    assert.same({ b = 1 }, node:kept())
  end)
end)

-- Found by spec/fuzz/recover.c: each of these had stopped the process at its start, for good.
describe("a record that no engine wrote", function()
  local FIRST_AT, HEAD_BYTES, SEQ_AT = 3, 10, 24
  local node, key, value

  local function number8(last) return ("\0"):rep(8 - #last) .. last end

  local function with(text, at, bytes) return text:sub(1, at - 1) .. bytes .. text:sub(at + #bytes) end

  local function head(flags, more) return value:sub(1, 1) .. string.char(flags) .. value:sub(3, HEAD_BYTES) .. more end

  -- What the store has then, with this record beside or instead of what was there.
  local function refused(at, record)
    node.store[at] = record
    local after = node:restart(0)
    after:advance(60000)
    return #after.damaged
  end

  before_each(function()
    node = engine.new { name = "client", links = { "hub" } }
    node:send("a@x", "m1")
    node:advance(100)
    for name in pairs(node.store) do
      if name:sub(1, 1) == "m" then key = name end
    end
    value = node.store[key]
  end)

  it("is left alone: a message under a key that is no sequence", function()
    assert.equal(1, refused("mX", value))
    node.store["mX"] = nil
    assert.equal(1, refused("m" .. ("\255"):rep(8), value))
  end)

  it("is left alone: a number of an outbox a second time", function()
    assert.equal(1, refused("m" .. number8 "\99", value))
  end)

  it("is taken all the same: a number of a lane that its outbox has left", function()
    assert.equal(0, refused(key, with(value, HEAD_BYTES + 1 + SEQ_AT - 8, number8 "\1")))
  end)

  it("is left alone: numbers of an outbox too far apart to be held in memory", function()
    local outbox = node.store["ba@x"]
    node.store["ba@x"] = outbox:sub(1, 8) .. "\0\0\0\255" .. outbox:sub(13)
    assert.equal(1, refused(key, value))
  end)

  it("is left alone: a number without a next one, in a mailbox, too", function()
    local last = with(value, HEAD_BYTES + 1 + SEQ_AT, ("\255"):rep(8))
    assert.equal(1, refused(key, last))
    assert.equal(1, refused(key, with(last, 1, string.char(1 - value:byte()))))
  end)

  it("is left alone: a moment that no clock says", function()
    assert.equal(1, refused(key, with(value, FIRST_AT, "\128" .. ("\0"):rep(7))))
  end)

  it("is left alone: a queue whose name is no address", function()
    local frame = value:sub(HEAD_BYTES + 1)
    assert.equal(1, refused(key, head(4, "\0\0" .. frame)))
    assert.equal(1, refused(key, head(4, "\1\44" .. ("a"):rep(300) .. frame)))
  end)

  it("is left alone: a retry policy that is none", function()
    local not_a_number = "\127\248" .. ("\0"):rep(6)
    local policy = "\0\0\0\5" .. number8 "\1" .. not_a_number .. ("\0"):rep(8) .. number8 "\99" .. ("\0"):rep(8)
      .. number8 "\99" .. "\0"
    assert.equal(1, refused(key, head(2, policy .. value:sub(HEAD_BYTES + 1))))
  end)
end)
