local node = require "spec.support.node"
local wire = require "spec.support.wire"

local WELCOME, DATA, RECEIPT, PING, BYE = 2, 5, 6, 8, 10
local BAD_FRAME, UNSUPPORTED, NO_ROUTE, BUSY = 48, 45, 1, 3
local STORED, HANDLED = 2, 3
local STORE_ID = ("s"):rep(16)

local AGENT = [[
local moonpost = require "moonpost"
return moonpost.agent { address = "echo@local", on = { message = function(_, msg) return msg.body end } }
]]

describe("a real node, spoken to in the words of PROTOCOL.md,", function()
  local folder, running, connection

  local function connect()
    return wire.connect(folder .. "/data/moonpost.sock")
  end

  local function greeted()
    local made = connect()
    made:send(wire.hello("spec", STORE_ID))
    assert.equal(WELCOME, (made:frame()))
    return made
  end

  local function message(fields)
    local whole = { id = "m1", origin = STORE_ID .. "\0\0", to = "echo@local", from = "spec", lane = 77, seq = 1, base = 1,
      body = "hi" }
    for name, value in pairs(fields or {}) do whole[name] = value end
    return wire.data(whole)
  end

  -- Whatever was said to it, the next client is served.
  local function still_serves()
    local other = connect()
    other:send(wire.hello("other", ("o"):rep(16)) .. message { origin = ("o"):rep(16) .. "\0\0", from = "other" })
    assert.equal(WELCOME, (other:frame()))
    assert.equal(RECEIPT, (other:frame()))
    other:close()
  end

  local function refused(code, reason)
    local kind, payload = connection:frame()
    assert.equal(BYE, kind)
    local got, why = wire.read_bye(payload)
    assert.equal(code, got)
    assert.truthy(why:find(reason, 1, true), why)
    assert.is_nil(connection:frame())
    still_serves()
  end

  setup(function()
    folder = node.folder { ["echo.lua"] = AGENT }
    running = node.start({ "run", "echo.lua" }, folder, "listening unix:")
  end)
  teardown(function()
    running:stop()
    node.remove(folder)
  end)
  before_each(function() connection = connect() end)
  after_each(function() connection:close() end)

  it("welcomes a client and says that its message is stored", function()
    connection:close()
    connection = greeted()
    connection:send(message())
    local kind, payload = connection:frame()
    assert.equal(RECEIPT, kind)
    local receipt = wire.receipt(payload)
    assert.same({ false, STORED, 1, 1, 1 },
      { receipt.nack, receipt.level, receipt.transmission, receipt.first, receipt.last })
  end)

  it("says handled to who waits for that, and stored is said with it", function()
    connection:close()
    connection = greeted()
    connection:send(message { level = HANDLED, lane = 78 })
    local _, payload = connection:frame()
    assert.equal(HANDLED, wire.receipt(payload).level)
  end)

  it("says NO_ROUTE for an address that nobody serves", function()
    connection:close()
    connection = greeted()
    connection:send(message { to = "ecko@local", lane = 79 })
    local _, payload = connection:frame()
    assert.same({ true, NO_ROUTE }, { wire.receipt(payload).nack, wire.receipt(payload).code })
    assert.truthy(payload:find("did you mean echo@local?", 1, true))
  end)

  it("answers three neighbouring numbers with one range", function()
    connection:close()
    connection = greeted()
    connection:send(message { lane = 80, seq = 1 } .. message { lane = 80, seq = 2 } .. message { lane = 80, seq = 3 })
    local _, payload = connection:frame()
    assert.same({ 1, 3 }, { wire.receipt(payload).first, wire.receipt(payload).last })
  end)

  it("refuses garbage with a reason", function()
    connection:send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    refused(BAD_FRAME, "larger than the limit")
  end)

  it("refuses a frame without a type", function()
    connection:send("\0\0\0\0")
    refused(BAD_FRAME, "bytes that are not a frame")
  end)

  it("refuses anything before the hello", function()
    connection:send(message())
    refused(BAD_FRAME, "expected hello first, got data")
  end)

  it("refuses a hello with a protocol version it does not speak", function()
    connection:send((wire.hello("spec", STORE_ID):gsub("^(....." .. ")..", "%1\0\9")))
    refused(49, "this node speaks protocol version 1, not 9")
  end)

  it("refuses a frame type that it does not know", function()
    connection:close()
    connection = greeted()
    connection:send(wire.frame(99, "whatever"))
    refused(UNSUPPORTED, "frame type 99 is not known here")
  end)

  it("refuses a data frame whose sizes do not add up", function()
    connection:close()
    connection = greeted()
    connection:send(wire.frame(DATA, message():sub(6) .. "x"))
    refused(BAD_FRAME, "bytes that are not a frame")
  end)

  it("refuses an oversized frame before it has arrived", function()
    connection:close()
    connection = greeted()
    connection:send("\255\255\255\255\5")
    refused(BAD_FRAME, "larger than the limit")
  end)

  it("refuses a second hello", function()
    connection:close()
    connection = greeted()
    connection:send(wire.hello("spec", STORE_ID))
    refused(BAD_FRAME, "a hello frame has no place here")
  end)

  it("lets go of a client that ends in the middle of a frame", function()
    connection:close()
    local cut_off = greeted()
    cut_off:send(message():sub(1, 40))
    cut_off:close()
    connection = connect()
    still_serves()
  end)

  -- Was: whatever was sent to a peer that does not read piled up in the node.
  it("takes no more for a peer that never reads than it can hold, and says BUSY", function()
    local deaf = connect()
    deaf:send(wire.hello("deaf", ("d"):rep(16), { credit = 2 ^ 40 }) .. wire.attach "deaf@local")
    connection:close()
    connection = greeted()
    local body = ("b"):rep(1024 * 1024)
    for seq = 1, 12 do connection:send(message { to = "deaf@local", lane = 81, seq = seq, body = body }) end
    local _, payload = connection:frame()
    assert.equal(BUSY, wire.receipt(payload).code)
    assert.is_true(wire.receipt(payload).first > 8)
    deaf:close()
  end)

  it("refuses the name of somebody who is linked, with another store, as soon as that one has said that it is there", function()
    local first = greeted()
    connection:send(wire.hello("spec", ("x"):rep(16)))
    refused(BUSY, 'another node named "spec" is linked here and is asked whether it is still there')
    local kind, ping = first:frame()
    assert.equal(PING, kind)
    first:send(wire.pong(ping) .. message { lane = 82 })
    assert.equal(RECEIPT, (first:frame())) -- so the pong has been read
    connection = connect()
    connection:send(wire.hello("spec", ("x"):rep(16)))
    refused(42, 'another node named "spec" is linked here; give this one its own name')
    first:send(wire.bye())
    first:close()
  end)
end)
