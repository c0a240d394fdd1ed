local c = require "spec.support.c"
local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local CODE = c.ffi.C
local RECEIPT = 6
local ORIGIN = ("c"):rep(16) .. "\0\0"
local WINDOW = 8192

local function kept(node)
  node:advance(100)
  return node:kept()
end

local function paused()
  local node = engine.new { name = "owner" }
  node:agent "a@x"
  node:set("PAUSE", "a@x")
  return node
end

local function fill(node, count)
  for n = 1, count do node:send("a@x", "m" .. n) end
end

-- Purge as a program does: again and again until there is nothing more; answers how many and in how many steps.
local function purge_all(node, limit)
  local sum, steps, last = 0, 0, 0
  while true do
    local page = node:purge("a@x", limit, last)
    sum, steps, last = sum + page.purged, steps + 1, page.last
    if page.after == 0 then return sum, steps end
  end
end

describe("a purge", function()
  it("removes what waits and what is deferred, for ever", function()
    local node = paused()
    fill(node, 3)
    node:send("a@x", "later", { due_ms = 5000 })
    assert.same({ 4, 1 }, { purge_all(node) })
    assert.same({ h = 1 }, kept(node))
    node:set("RESUME", "a@x")
    node:advance(10000)
    assert.equal(0, #node.runs)
    node = node:restart(1000)
    node:agent "a@x"
    assert.equal(0, #node.runs)
  end)

  it("leaves what is in hand and dead letters alone", function()
    local node = engine.new { name = "owner" }
    node:agent("a@x", { concurrency = 1 })
    node:send("a@x", "dead")
    node:finish(node.runs[1], "REJECT", "no")
    fill(node, 2)
    assert.equal(1, (purge_all(node)))
    assert.equal(1, #node:letters "a@x")
    node:finish(node.runs[2], "ACK")
    assert.equal(2, #node.runs)
    assert.same({ d = 1, f = 1, m = 1 }, kept(node))
  end)

  it("is answered when it is durable", function()
    local node = paused()
    fill(node, 1)
    node:hold(true)
    local before = #node.answers
    node:purge "a@x"
    assert.equal(before, #node.answers)
    node:hold(false)
    assert.equal(before + 1, #node.answers)
  end)

  it("goes on as often as it is asked, and takes only what was there when it began", function()
    local node = paused()
    fill(node, 5)
    local page = node:purge("a@x", 2)
    assert.same({ 2, true }, { page.purged, page.after > 0 })
    node:send("a@x", "new")
    local next_page = node:purge("a@x", 100, page.last)
    assert.same({ 3, 0 }, { next_page.purged, next_page.after })
    assert.equal(1, kept(node).m)
  end)

  it("takes what is not in memory, and nothing of it comes back", function()
    local node = paused()
    fill(node, WINDOW + 1000)
    local purged, steps = purge_all(node, 2048)
    assert.equal(WINDOW + 1000, purged)
    assert.is_true(steps >= 5 and steps < 10, steps)
    assert.same({ h = 1 }, kept(node))
    assert.equal(0, tonumber(node:counts().waiting))
    node:send("a@x", "new")
    node:set("RESUME", "a@x")
    assert.equal("new", node.runs[1].id)
    node = node:restart(1000)
    node:agent "a@x"
    assert.equal(1, #node.runs)
  end)

  it("takes what came back from the store after a restart, which is not in memory either", function()
    local node = paused()
    fill(node, 10)
    node:advance(100)
    node = node:restart(1000)
    assert.equal(10, (purge_all(node)))
    assert.same({ h = 1 }, kept(node))
  end)

  it("waits for what is on its way to the store", function()
    local node = engine.new { name = "owner", slow = true }
    node:agent "a@x"
    local request = node:ask()
    node:step { kind = "HOLD", waiter = request.token, address = "a@x", hold = 1 }
    node:administered(request)
    fill(node, WINDOW + 10)
    assert.is_nil(node:purge "a@x")
    while node:commit() do node:advance(10) end
    assert.equal(WINDOW + 10, node.requests[#node.requests].page.purged)
  end)

  it("that a crash undoes is undone as a whole: what was not durable is there again", function()
    local node = paused()
    fill(node, 3)
    node:advance(100)
    node.slow = true
    node:purge "a@x"
    local again = node:restart(1000)
    again:agent "a@x"
    again:set("RESUME", "a@x")
    assert.equal(3, #again.runs)
    node:commit() -- what was out goes back
  end)

  it("keeps to the bound of a batch", function()
    local node = paused()
    fill(node, WINDOW + 5000)
    node.largest = 0
    purge_all(node, 2048)
    assert.is_true(node.largest <= 8192, node.largest)
  end)

  it("lets a newer message of a purged one's key be handed over", function()
    local node = engine.new { name = "owner" }
    node:agent("a@x", { dedup = 1, dedup_ttl_ms = 1000000 })
    node:set("PAUSE", "a@x")
    node:send("a@x", "m1")
    node:send("a@x", "m1")
    assert.equal(2, (purge_all(node)))
    node:send("a@x", "m1")
    node:set("RESUME", "a@x")
    assert.equal(1, #node.runs)
    node:finish(node.runs[1], "ACK")
    assert.equal(0, tonumber(node:counts().duplicates))
  end)
end)

describe("a message that was purged", function()
  local node, peer

  local function data(seq, more)
    local fields = { id = "n" .. seq, origin = ORIGIN, to = "a@x", from = "me", lane = 7, seq = seq, base = 1, level = 3,
      body = "{}" }
    for name, value in pairs(more or {}) do fields[name] = value end
    return wire.data(fields)
  end

  local function told()
    local found = {}
    for index, payload in ipairs(peer:frames_of(RECEIPT)) do found[index] = wire.receipt(payload) end
    return found
  end

  before_each(function()
    node = paused()
    peer = node:guest("me", ("c"):rep(16), { credit = 2 ^ 40 })
    peer:say(data(1))
    told()
    purge_all(node)
  end)

  it("is told of to a sender that wants it handled, with a code of its own", function()
    local receipt = told()[1]
    assert.same({ true, tonumber(CODE.CODE_PURGED), 1 }, { receipt.nack, receipt.code, receipt.first })
  end)

  it("does not come back when it is sent again, also after a restart, and does not look handled", function()
    told()
    for life = 1, 2 do
      peer:say(data(1, { transmission = 2 }))
      local receipt = told()[1]
      assert.same({ true, tonumber(CODE.CODE_PURGED) }, { receipt.nack, receipt.code })
      if life == 1 then
        node:advance(100)
        node = node:restart(1000)
        node:agent "a@x"
        peer = node:guest("me", ("c"):rep(16), { credit = 2 ^ 40 })
      end
    end
    node:set("RESUME", "a@x")
    assert.equal(0, #node.runs)
  end)

  it("is told of to a sender that asks", function()
    told()
    peer:say(data(1, { flags = 1 }))
    assert.equal(tonumber(CODE.CODE_PURGED), told()[1].code)
  end)

  it("leaves the numbers behind it free", function()
    node:set("RESUME", "a@x")
    peer:say(data(2))
    assert.equal("n2", node.runs[1].id)
  end)
end)
