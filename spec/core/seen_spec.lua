local engine = require "spec.support.engine"

local HOUR = 3600000

describe("what a dedup policy remembers", function()
  local node

  local function agent() node:agent("a@x", { dedup = 1, dedup_ttl_ms = HOUR }) end

  before_each(function()
    node = engine.new { name = "node" }
    agent()
  end)

  local function handle(id)
    node:send("a@x", id)
    node:finish(node.runs[#node.runs], "ACK")
  end

  local function records()
    local count = 0
    for key in pairs(node.store) do
      if key:sub(1, 1) == "k" then count = count + 1 end
    end
    return count
  end

  local function duplicates() return tonumber(node:counts().duplicates) end

  local function restart(ms)
    node = node:restart(ms or 0)
    agent()
  end

  it("is in the store, in the batch that settles the message", function()
    handle "m1"
    assert.equal(1, records())
  end)

  it("is known after a restart", function()
    handle "m1"
    restart()
    node:send("a@x", "m1")
    assert.equal(0, #node.runs)
    assert.equal(1, duplicates())
    node:send("a@x", "m2")
    assert.equal(1, #node.runs)
  end)

  it("tells apart keys that share nothing but a bucket of the index", function()
    for n = 1, 500 do handle("m" .. n) end
    restart()
    for n = 1, 500 do node:send("a@x", "m" .. n) end
    assert.equal(0, #node.runs)
    assert.equal(500, duplicates())
    for n = 501, 600 do handle("m" .. n) end
    assert.equal(500, duplicates())
  end)

  it("is forgotten when its time is over, and leaves the store", function()
    handle "m1"
    node:advance(HOUR - 1000)
    handle "m2"
    node:advance(2000)
    handle "m1"
    assert.equal(0, duplicates())
    assert.equal(2, records())
  end)

  it("lasts as long as it was asked for over a restart", function()
    handle "m1"
    restart(HOUR / 2)
    node:send("a@x", "m1")
    assert.equal(1, duplicates())
    node:advance(HOUR / 2)
    node:send("a@x", "m1")
    assert.equal(1, #node.runs)
  end)

  it("is not there of a message that was not handled", function()
    node:send("a@x", "m1")
    node:finish(node.runs[1], "REJECT")
    assert.equal(0, records())
    restart()
    node:send("a@x", "m1")
    assert.equal(1, #node.runs)
  end)

  it("belongs to one mailbox", function()
    handle "m1"
    node:agent("b@x", { dedup = 1, dedup_ttl_ms = HOUR })
    node:send("b@x", "m1")
    assert.equal(2, #node.runs)
  end)
end)
