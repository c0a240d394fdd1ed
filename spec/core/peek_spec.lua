local engine = require "spec.support.engine"

local WINDOW = 8192

local function paused(options)
  local node = engine.new(options or { name = "owner" })
  node:agent "a@x"
  node:set("PAUSE", "a@x")
  return node
end

local function ids(page)
  local found = {}
  for index, item in ipairs(page.items) do found[index] = item.id end
  return found
end

describe("a look into a mailbox", function()
  it("shows what is there by age, with its state, attempt and what failed last", function()
    local node = engine.new { name = "owner" }
    node:agent("a@x", { concurrency = 1 })
    node:send("a@x", "m1")
    node:finish(node.runs[1], "RETRY", "not yet")
    node:send("a@x", "m2")
    node:send("a@x", "m3")
    node:send("a@x", "m4", { due_ms = 60000 })
    local page = node:peek "a@x"
    assert.same({ "m1", "m2", "m3", "m4" }, ids(page))
    local states = {}
    for index, item in ipairs(page.items) do states[index] = item.state end
    assert.same({ "deferred", "leased", "waiting", "deferred" }, states)
    assert.same({ 1, "not yet", 1001 }, { page.items[1].attempt, page.items[1].reason, page.items[1].due })
    assert.equal(0, page.after)
  end)

  it("shows the states that are asked for", function()
    local node = engine.new { name = "owner" }
    node:agent("a@x", { concurrency = 1 })
    node:send("a@x", "m1")
    node:send("a@x", "m2")
    assert.same({ "m2" }, ids(node:peek("a@x", { states = { "WAITING" } })))
    assert.same({ "m1" }, ids(node:peek("a@x", { states = { "LEASED", "DEAD" } })))
  end)

  it("goes page by page through what is in memory and what is in the store only", function()
    local node = paused()
    for n = 1, WINDOW + 600 do node:send("a@x", "m" .. n) end
    local seen, after, stored = 0, 0, 0
    repeat
      local page = node:peek("a@x", { limit = 256, after = after })
      for _, item in ipairs(page.items) do
        seen = seen + 1
        assert.equal("m" .. seen, item.id)
        stored = stored + (item.in_store and 1 or 0)
      end
      after = page.after
    until after == 0
    assert.same({ WINDOW + 600, 600 }, { seen, stored })
  end)

  it("changes neither the order nor what is in memory", function()
    local node = engine.new { name = "owner" }
    node:agent("a@x", { concurrency = 1 })
    node:set("PAUSE", "a@x")
    for n = 1, WINDOW + 100 do node:send("a@x", "m" .. n) end
    local before = tonumber(node:counts().waiting)
    node:peek("a@x", { after = WINDOW, limit = 100 })
    assert.equal(before, tonumber(node:counts().waiting))
    node:set("RESUME", "a@x")
    for n = 1, WINDOW + 100 do
      assert.equal("m" .. n, node.runs[n].id)
      node:finish(node.runs[n], "ACK")
    end
  end)

  it("finds what a restart left in the store", function()
    local node = paused()
    node:send("a@x", "m1")
    node:advance(100)
    node = node:restart(1000)
    local page = node:peek "a@x"
    assert.same({ "m1" }, ids(page))
    assert.is_true(page.items[1].in_store)
  end)

  it("waits for a message that is on its way to the store", function()
    local node = engine.new { name = "owner", slow = true }
    node:agent "a@x"
    local request = node:ask()
    node:step { kind = "HOLD", waiter = request.token, address = "a@x", hold = 1 }
    node:administered(request)
    for n = 1, WINDOW + 1 do node:send("a@x", "m" .. n) end
    assert.is_nil(node:peek("a@x", { after = WINDOW }))
    while node:commit() do node:advance(10) end
    assert.equal("m" .. WINDOW + 1, node.requests[#node.requests].page.items[1].id)
  end)

  it("shows what could not be sent yet, of an outbox", function()
    local node = engine.new { name = "client", links = { "hub" } }
    node:send("b@x", "m1")
    local page = node:peek "b@x"
    assert.same({ "m1", "waiting" }, { page.items[1].id, page.items[1].state })
  end)
end)
