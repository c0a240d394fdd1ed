local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local RECEIPT = 6
local PLENTY = { credit = 2 ^ 40 }
local LINKS, EACH = 2, 8000 -- of limits.h: a link may have 8,192 frames that are not dealt with

describe("a store that is slow", function()
  local node, senders

  before_each(function()
    node = engine.new { name = "owner", slow = true }
    node:agent("a@x", { concurrency = 1 })
    senders = {}
    for n = 1, LINKS do
      local id = string.char(96 + n):rep(16)
      senders[n] = node:guest("sender" .. n, id, PLENTY)
      local frames = {}
      for seq = 1, EACH do
        frames[seq] = wire.data { id = ("m%d.%d"):format(n, seq), origin = id .. "\0\0", to = "a@x", from = "sender" .. n,
          lane = 7, seq = seq, base = 1, body = "x" }
      end
      senders[n]:say(table.concat(frames))
    end
  end)

  it("gets batches of a bounded size, one after the other, however much has gathered", function()
    local commits = 0
    while node:commit() do
      commits = commits + 1
      node:advance(10)
    end
    assert.is_true(commits >= 2)
    assert.is_true(node.largest <= 8192 + 8)
    assert.equal(LINKS * EACH, node:kept().m)
  end)

  it("has nothing confirmed before its batch is durable", function()
    local confirmed = 0
    local function look()
      for n = 1, LINKS do
        for _, payload in ipairs(senders[n]:frames_of(RECEIPT)) do
          local receipt = wire.receipt(payload)
          confirmed = confirmed + receipt.last - receipt.first + 1
        end
      end
    end
    look()
    assert.equal(0, confirmed)
    while node:commit() do
      look()
      assert.is_true(confirmed <= node:kept().m)
      node:advance(10)
    end
    look()
    assert.equal(LINKS * EACH, confirmed)
  end)

  it("that dies in between keeps whole batches, and the rest was never confirmed", function()
    node:commit()
    node:commit()
    local kept = node:kept().m
    local again = node:restart(0)
    again.slow = false
    again:agent("a@x", { concurrency = 8 })
    local done = 0
    while again.runs[done + 1] do
      done = done + 1
      again:finish(again.runs[done], "ACK")
      again:commit()
    end
    assert.equal(kept, done)
  end)
end)
