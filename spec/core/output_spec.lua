local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local DATA, RECEIPT, CREDIT, PING, PONG, BYE = 5, 6, 7, 8, 9, 10
local BUSY, TIMEOUT = 3, 6
local PLENTY = { credit = 2 ^ 40 }
local MIB = 1048576

-- Of limits.h.
local LINK_OUT_BYTES_MAX, LINK_CREDIT = 8 * MIB, 8192

local BODY = ("b"):rep(MIB)

describe("a peer that does not read", function()
  local hub, sender, slow, seq

  before_each(function()
    hub = engine.new { name = "hub" }
    slow = hub:guest("slow", ("s"):rep(16), PLENTY)
    slow:say(wire.attach "a@x")
    sender = hub:guest("sender", ("c"):rep(16), PLENTY)
    sender:frames()
    seq = 0
  end)

  local function send(body)
    seq = seq + 1
    sender:say(wire.data { id = "m" .. seq, origin = ("c"):rep(16) .. "\0\0", to = "a@x", from = "sender", lane = 7, seq = seq,
      base = 1, body = body or BODY })
  end

  it("gets data until the bound, then its senders are told BUSY", function()
    for _ = 1, 12 do send() end
    assert.equal(8, #slow:frames_of(DATA))
    local refusals = sender:frames_of(RECEIPT)
    assert.equal(4, #refusals)
    for _, payload in ipairs(refusals) do assert.equal(BUSY, wire.receipt(payload).code) end
    assert.is_true(slow.unwritten < LINK_OUT_BYTES_MAX + 2 * MIB)
  end)

  it("gets data again when it has read", function()
    for _ = 1, 12 do send() end
    slow:read()
    slow:frames()
    send()
    assert.equal(1, #slow:frames_of(DATA))
  end)

  it("does not hold up another one", function()
    local other = hub:guest("other", ("t"):rep(16), PLENTY)
    other:say(wire.attach "b@x")
    other:frames()
    for _ = 1, 12 do send() end
    sender:say(wire.data { id = "b", origin = ("c"):rep(16) .. "\0\0", to = "b@x", from = "sender", lane = 8, seq = 1, base = 1,
      body = BODY })
    assert.equal(1, #other:frames_of(DATA))
  end)

  it("is still told what is no data", function()
    for _ = 1, 12 do send() end
    slow:frames()
    slow:say(wire.number(PING, 5))
    assert.equal(1, #slow:frames_of(PONG))
  end)

  it("is given no new credit until it has read", function()
    for _ = 1, 12 do send() end
    slow:frames()
    local nobody = wire.data { id = "x", origin = ("s"):rep(16) .. "\0\0", to = "nobody@x", from = "slow", lane = 9, seq = 1,
      base = 1, body = "" }
    slow:say(nobody:rep(LINK_CREDIT / 2))
    assert.equal(0, #slow:frames_of(CREDIT))
    slow:read()
    assert.equal(1, #slow:frames_of(CREDIT))
  end)

  it("and makes the node talk all the same loses its connection", function()
    local pings = wire.number(PING, 5):rep(100000)
    for _ = 1, 100 do
      if slow.closing then break end
      slow.heard = ""
      slow:say(pings)
    end
    assert.is_true(slow.closing)
    local byes = slow:frames_of(BYE)
    assert.equal(TIMEOUT, (wire.read_bye(byes[1])))
    assert.is_true(slow.unwritten < 9 * LINK_OUT_BYTES_MAX)
  end)
end)

describe("a peer that says bye without a reason", function()
  -- Was: the empty reason was kept where the shell had read it, and freed there.
  it("is let go", function()
    local hub = engine.new { name = "hub" }
    local guest = hub:guest("guest", ("g"):rep(16), PLENTY)
    guest:say(wire.bye())
    assert.is_true(guest.closing)
    guest:hang_up()
    assert.equal(0, tonumber(hub:counts().links_up))
  end)
end)
