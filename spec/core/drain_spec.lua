local c = require "spec.support.c"
local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local CODE = c.ffi.C
local RECEIPT = 6
local ORIGIN = ("c"):rep(16) .. "\0\0"

describe("a mailbox that is drained", function()
  local node

  before_each(function()
    node = engine.new { name = "owner" }
    node:agent("a@x", { concurrency = 1 })
    node:send("a@x", "m1")
    node:send("a@x", "m2")
    node:set("DRAIN", "a@x")
  end)

  local function refused()
    local answer = node.answers[#node.answers]
    return not answer.ok and answer.code == tonumber(CODE.CODE_STOPPING)
  end

  local function send_and_wait(id)
    local submit = c.ffi.new "struct submit"
    submit.message.id, submit.message.to, submit.message.body = c.span(id), c.span "a@x", c.span "b"
    submit.message.profile, submit.message.remaining_ms, submit.waiter = 1, 0xffffffffffffffffULL, 77
    node:step { kind = "SUBMIT", submit = submit }
  end

  it("hands over what is there and takes nothing new", function()
    send_and_wait "m3"
    assert.is_true(refused())
    node:finish(node.runs[1], "ACK")
    node:finish(node.runs[2], "ACK")
    assert.same({ "m1", "m2" }, { node.runs[1].id, node.runs[2].id })
    assert.equal(2, #node.runs)
    node:advance(100)
    assert.is_nil(node:kept().m)
  end)

  it("is drained after a restart, and takes messages again when it is resumed", function()
    node:advance(100)
    node = node:restart(1000)
    node:agent "a@x"
    assert.equal(2, #node.runs)
    send_and_wait "m3"
    assert.is_true(refused())
    node:set("RESUME", "a@x")
    node:send("a@x", "m4")
    assert.equal(3, #node.runs)
    node:advance(100)
    assert.is_nil(node:kept().h)
  end)

  it("may be paused instead, and drained again", function()
    node:set("PAUSE", "a@x")
    node:finish(node.runs[1], "ACK")
    assert.equal(1, #node.runs)
    node:send("a@x", "m3")
    node:set("DRAIN", "a@x")
    assert.equal("m2", node.runs[2].id)
  end)

  it("tells a sender over a link to come again later, and knows what it has already", function()
    node = engine.new { name = "owner" }
    node:agent "a@x"
    local peer = node:guest("me", ("c"):rep(16), { credit = 2 ^ 40 })
    local function data(seq, transmission)
      return wire.data { id = "n" .. seq, origin = ORIGIN, to = "a@x", from = "me", lane = 7, seq = seq, base = 1,
        level = 2, body = "{}", transmission = transmission }
    end
    local function told()
      local found = {}
      for index, payload in ipairs(peer:frames_of(RECEIPT)) do found[index] = wire.receipt(payload) end
      return found
    end
    peer:say(data(1, 1))
    node:set("DRAIN", "a@x")
    told()
    peer:say(data(2, 1) .. data(1, 2))
    local receipts = told()
    assert.same({ true, tonumber(CODE.CODE_STOPPING), 2 }, { receipts[1].nack, receipts[1].code, receipts[1].first })
    assert.same({ false, 2, 1 }, { receipts[2].nack, receipts[2].level, receipts[2].first })
    assert.equal(1, #node.runs)
    node:set("RESUME", "a@x")
    peer:say(data(2, 2))
    assert.equal(2, #node.runs)
  end)

  it("takes its dead letters back", function()
    node:finish(node.runs[1], "REJECT", "no")
    node:requeue "a@x"
    node:finish(node.runs[2], "ACK")
    assert.equal(3, #node.runs)
  end)
end)
