local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local ATTACH, DETACH = 3, 4
local BUSY, ADDRESS_TAKEN, DENIED = 3, 43, 46

describe("an address that the node further up refuses", function()
  local mid, top, owner

  before_each(function()
    mid = engine.new { name = "mid", links = { "top" } }
    top = mid:connect()
    top:say(wire.welcome("top", ("t"):rep(16)))
    owner = mid:guest("owner", ("o"):rep(16))
    owner:say(wire.attach "a@x")
    top:frames()
  end)

  local function refuse(code)
    top:say(wire.detach("a@x", code, "not now"))
  end

  local function asked_again(ms)
    mid:advance(ms)
    return #top:frames_of(ATTACH)
  end

  it("is asked for again while that may change: somebody else has it, or there is no room", function()
    for _, code in ipairs { ADDRESS_TAKEN, BUSY } do
      refuse(code)
      assert.equal(0, asked_again(999))
      assert.equal(1, asked_again(1))
      refuse(code)
      assert.equal(1, asked_again(1000))
      top:say(wire.frame(ATTACH, "\1\0\3a@x\0\0"))
      assert.equal(0, asked_again(5000))
    end
  end)

  it("is not asked for again when that would not help", function()
    refuse(DENIED)
    assert.equal(0, asked_again(60000))
  end)

  it("is not asked for when its owner has taken it back", function()
    refuse(ADDRESS_TAKEN)
    owner:say(wire.detach "a@x")
    assert.equal(0, asked_again(60000))
  end)

  it("is not asked for when its owner is gone", function()
    refuse(ADDRESS_TAKEN)
    owner:hang_up()
    assert.equal(0, asked_again(10000))
  end)

  it("is told to its owner once, and again when that asks", function()
    owner:frames()
    refuse(ADDRESS_TAKEN)
    mid:advance(3000)
    refuse(ADDRESS_TAKEN)
    local told = owner:frames_of(DETACH)
    assert.equal(1, #told)
    assert.equal("not now", wire.read_attach(told[1]).reason)
    owner:say(wire.attach "a@x")
    assert.equal(ADDRESS_TAKEN, wire.read_attach(owner:frames_of(DETACH)[1]).code)
  end)

  it("that nobody has attached here is nothing to remember", function()
    top:say(wire.detach("other@x", ADDRESS_TAKEN, "not now"))
    assert.equal(0, asked_again(10000))
  end)
end)

describe("a link that is gone", function()
  -- The addresses that had come over it were taken back over itself, and so the next connection began with a detach.
  it("begins with a hello when it is dialled again, whatever was attached over it", function()
    local mid = engine.new { name = "mid", links = { "top" } }
    local top = mid:connect()
    top:say(wire.welcome("top", ("t"):rep(16)))
    top:say(wire.attach "a@x")
    top:hang_up()
    mid:advance(1000)
    assert.equal(1, mid:connect():frames()[1].kind)
  end)
end)
