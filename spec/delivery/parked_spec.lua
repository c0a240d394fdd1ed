local moonpost = require "moonpost"
local test = require "moonpost.test"

local ADDRESS = "parked@spec"
local MANY = 9000 -- more than a window holds

describe("very many messages behind one that waits for its next attempt", function()
  local world, seen, stuck, wrong

  local function handle(_, msg)
    if msg.body == "stuck" then
      if stuck then return nil, "not yet" end
      seen.stuck = true
      return
    end
    local key, n = msg.body:match "^(%a+)(%d+)$"
    n = tonumber(n)
    if n <= (seen[key] or 0) then wrong = wrong or ("%s%d behind %d"):format(key, n, seen[key]) end
    if key == "a" and stuck then wrong = wrong or "one passed the one that waits" end
    seen[key], seen[key .. " count"] = n, (seen[key .. " count"] or 0) + 1
  end

  local function declare(more)
    local fields = { address = ADDRESS, order = "key", concurrency = 4, on = { message = handle },
      retry = { attempts = 1000, first = "1m", factor = 1, jitter = 0 } }
    for name, value in pairs(more or {}) do fields[name] = value end
    return moonpost.agent(fields)
  end

  local function send(key, first, last)
    for n = first, last do world:send(ADDRESS, key .. n, { key = key }) end
  end

  local function fill(more)
    world:load(declare(more))
    world:send(ADDRESS, "stuck", { key = "a" })
    send("a", 1, MANY)
  end

  local function let_go()
    stuck = false
    world:settle()
    assert.is_nil(wrong)
    assert.is_true(seen.stuck)
  end

  before_each(function()
    world, seen, stuck, wrong = test.world(), {}, true, nil
  end)
  after_each(function() world:close() end)

  it("wait, other keys pass, and they follow in their order", function()
    fill()
    send("b", 1, 1000)
    world:advance "1s"
    assert.equal(1000, seen["b count"])
    assert.is_nil(seen.a)
    let_go()
    assert.equal(MANY, seen["a count"])
    assert.equal(0, world:counts().dead)
  end)

  it("follow in their order under strict, too", function()
    fill { order = "strict" }
    send("a", MANY + 1, MANY + 100)
    let_go()
    assert.equal(MANY + 100, seen["a count"])
  end)

  it("follow in their order when the agent is loaded again meanwhile", function()
    fill()
    assert.is_true(world:reload(ADDRESS, declare()))
    send("a", MANY + 1, MANY + 100)
    world:advance "10m"
    assert.is_true(world:reload(ADDRESS, declare()))
    let_go()
    assert.equal(MANY + 100, seen["a count"])
  end)

  it("follow in their order when the node starts again meanwhile", function()
    fill()
    world:crash "node"
    world:restart "node"
    send("a", MANY + 1, MANY + 100)
    world:advance "10m"
    let_go()
    assert.equal(MANY + 100, seen["a count"])
  end)

  it("stand in no order any more when the agent has none", function()
    fill()
    stuck = false
    assert.is_true(world:reload(ADDRESS, declare { order = "none" }))
    world:settle()
    assert.equal(MANY, seen["a count"])
  end)

  it("of many keys follow each in its order", function()
    world:load(declare())
    for key = 1, 20 do world:send(ADDRESS, "stuck", { key = ("k"):rep(key) }) end
    for n = 1, 600 do
      for key = 1, 20 do world:send(ADDRESS, ("k"):rep(key) .. n, { key = ("k"):rep(key) }) end
    end
    world:advance "5m"
    let_go()
    for key = 1, 20 do assert.equal(600, seen[("k"):rep(key) .. " count"]) end
  end)

  it("whose delay is over stand behind those that came before", function()
    fill()
    world:send(ADDRESS, "a" .. MANY + 1, { key = "a", delay = "10s" })
    world:advance "20s"
    send("a", MANY + 2, MANY + 50)
    let_go()
    assert.equal(MANY + 50, seen["a count"])
  end)

  it("expire there", function()
    fill()
    world:send(ADDRESS, "a" .. MANY + 1, { key = "a", expires = "1h" })
    world:advance "2h"
    let_go()
    assert.equal(MANY, seen["a count"])
    assert.equal(1, world:counts().expired)
  end)

  local function ask(text)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write('local client = assert(require("moonpost").client { link = "node" })\n', text)
    file:close()
    local code, reason = world:exec(path)
    os.remove(path)
    assert.equal(0, code, reason)
  end

  it("are seen by who looks, all of them, and wait on", function()
    fill()
    ask [[
      local count, after = 0, nil
      repeat
        local page = assert(client:call("$node", { address = "parked@spec", after = after, limit = 256 }, { method = "peek" }))
        for _, item in ipairs(page.items) do
          assert(item.body == "stuck" or item.body == "a" .. count, item.body .. " at " .. count)
          count = count + 1
        end
        after = page.after
      until not after
      assert(count == 9001, count)
    ]]
    let_go()
    assert.equal(MANY, seen["a count"])
  end)

  it("are purged, all of them", function()
    fill()
    ask [[
      local purged, stop = 0, nil
      repeat
        local page = assert(client:call("$node", { address = "parked@spec", ["until"] = stop }, { method = "purge" }))
        purged, stop = purged + page.purged, page["until"]
      until not page.more
      assert(purged == 9001, purged)
    ]]
    stuck = false
    send("a", MANY + 1, MANY + 10)
    world:settle()
    assert.equal(10, seen["a count"])
  end)

  it("are answered to who waits for them", function()
    fill()
    local id = world:send(ADDRESS, "a" .. MANY + 1, { key = "a", await = "handled", timeout = "1d" })
    world:advance "1m"
    assert.is_nil(world:receipt(id))
    let_go()
    assert.equal("handled", world:receipt(id).level)
  end)
end)
