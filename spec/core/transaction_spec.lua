local c = require "spec.support.c"
local engine = require "spec.support.engine"

local ffi = c.ffi
local STORE_FULL, DENIED = ffi.C.CODE_STORE_FULL, ffi.C.CODE_DENIED

describe("messages that are sent together", function()
  local node

  local function transact(...)
    local tos = { ... }
    local sends, transaction = ffi.new("struct submit[?]", #tos), ffi.new "struct transaction"
    for index, to in ipairs(tos) do
      local send = sends[index - 1]
      send.message.id, send.message.to, send.message.body = c.span("t" .. index), c.span(to), c.span "x"
      send.message.profile, send.message.remaining_ms, send.waiter = 1, 0xffffffffffffffffULL, index
    end
    transaction.sends, transaction.count = sends, #tos
    node:step { kind = "TRANSACT", transaction = transaction }
    node:advance(10)
  end

  local function codes()
    local found = {}
    for index, answer in ipairs(node.answers) do found[index] = answer.code end
    return found
  end

  before_each(function() node = engine.new { name = "sender" } end)

  it("are in one commit, also those for a mailbox here", function()
    node = engine.new { name = "sender", slow = true }
    node:agent "b@x"
    transact("a@x", "b@x", "c@x")
    assert.same({}, node:kept())
    node:commit()
    assert.equal(3, node:kept().m)
  end)

  it("are all refused when there is room for some of them only", function()
    for n = 1, 9999 do node:send("a@x", "m" .. n) end
    transact("a@x", "b@x")
    assert.same({ STORE_FULL, STORE_FULL }, codes())
    transact "a@x"
    assert.equal(2, #node.answers)
  end)

  it("are all refused when one of them may not be sent", function()
    transact("a@x", "$other")
    assert.same({ DENIED, DENIED }, codes())
    node:advance(100)
    assert.is_nil(node:kept().m)
  end)
end)
