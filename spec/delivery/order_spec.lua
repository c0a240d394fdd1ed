local moonpost = require "moonpost"
local test = require "moonpost.test"

local ADDRESS = "order@spec"

describe("order", function()
  local world, seen

  before_each(function() world, seen = test.world(), {} end)
  after_each(function() world:close() end)

  local function note(what) seen[#seen + 1] = what end

  local function agent(fields, options)
    fields.address = ADDRESS
    fields.retry = fields.retry or { attempts = 5, first = "1s", factor = 1, jitter = 0 }
    world:load(moonpost.agent(fields), options)
  end

  local function fails_once(name)
    return function(ctx, msg)
      note(msg.body)
      if msg.body == name and ctx.attempt == 1 then error "once" end
    end
  end

  describe("key", function()
    it("hands the messages of one key over one at a time, in the order in which they came", function()
      agent { order = "key", on = { message = function(_, msg)
        note("begin " .. msg.body)
        moonpost.sleep "1s"
        note("end " .. msg.body)
      end } }
      for n = 1, 3 do world:send(ADDRESS, "a" .. n, { key = "a" }) end
      world:settle()
      assert.same({ "begin a1", "end a1", "begin a2", "end a2", "begin a3", "end a3" }, seen)
    end)

    it("handles different keys side by side", function()
      agent { order = "key", on = { message = function(_, msg)
        note(msg.body)
        moonpost.sleep "1s"
      end } }
      for _, key in ipairs { "a", "b", "c" } do
        for n = 1, 2 do world:send(ADDRESS, key .. n, { key = key }) end
      end
      assert.same({ "a1", "b1", "c1" }, seen)
      world:settle()
      assert.equal(6, #seen)
    end)

    it("parks a key whose message waits for its next attempt, and no other", function()
      agent { order = "key", on = { message = fails_once "a1" } }
      for _, body in ipairs { "a1", "a2", "b1", "b2" } do world:send(ADDRESS, body, { key = body:sub(1, 1) }) end
      assert.same({ "a1", "b1", "b2" }, seen)
      world:settle()
      assert.same({ "a1", "b1", "b2", "a1", "a2" }, seen)
    end)

    it("goes on with the next message when one dies", function()
      agent { order = "key", on = { message = function(_, msg)
        note(msg.body)
        if msg.body == "a1" then return moonpost.reject "no" end
      end } }
      for n = 1, 3 do world:send(ADDRESS, "a" .. n, { key = "a" }) end
      world:settle()
      assert.same({ "a1", "a2", "a3" }, seen)
      assert.equal(1, #world:dead(ADDRESS))
    end)

    it("goes on when a message expires while it is parked, or waits for its attempt", function()
      agent { order = "key", on = { message = fails_once "a1" }, retry = { attempts = 2, first = "10s", jitter = 0 } }
      world:send(ADDRESS, "a1", { key = "a", expires = "5s" })
      world:send(ADDRESS, "a2", { key = "a", expires = "2s" })
      world:send(ADDRESS, "a3", { key = "a" })
      world:settle()
      assert.same({ "a1", "a3" }, seen)
    end)

    it("lets a deferred message hold its key", function()
      agent { order = "key", on = { message = function(_, msg)
        note(msg.body)
        if msg.body == "a1" and #seen == 1 then return moonpost.defer("later", { delay = "1m" }) end
      end } }
      world:send(ADDRESS, "a1", { key = "a" })
      world:send(ADDRESS, "a2", { key = "a" })
      assert.same({ "a1" }, seen)
      world:settle()
      assert.same({ "a1", "a1", "a2" }, seen)
    end)

    it("lets a delayed message join when it is due", function()
      agent { order = "key", on = { message = function(_, msg) note(msg.body) end } }
      world:send(ADDRESS, "a1", { key = "a", delay = "1m" })
      world:send(ADDRESS, "a2", { key = "a" })
      assert.same({ "a2" }, seen)
      world:settle()
      assert.same({ "a2", "a1" }, seen)
    end)

    it("refuses a message without a key: a dead letter of its sender", function()
      agent { order = "key", on = { message = function() end } }
      local _, reason, code = world:call(ADDRESS, "x")
      assert.equal("NO_KEY", code)
      assert.matches("the agent orders by key, and this message has none", reason)
    end)

    it("takes the key that the agent's function makes", function()
      agent { order = "key", key = function(msg) return msg.body:sub(1, 1) end, on = { message = fails_once "a1" } }
      for _, body in ipairs { "a1", "a2", "b1" } do world:send(ADDRESS, body) end
      assert.same({ "a1", "b1" }, seen)
      world:settle()
      assert.same({ "a1", "b1", "a1", "a2" }, seen)
    end)

    it("gives each key its own state", function()
      agent { order = "key", on = { message = function(ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        return { n = ctx.state.n }
      end } }
      local function ask(key) return world:call(ADDRESS, "x", { key = key }).n end
      assert.same({ 1, 2, 1, 3 }, { ask "a", ask "a", ask "b", ask "a" })
    end)

    it("never has a conflict of state, however long a handler waits", function()
      agent { order = "key", on = { message = function(ctx)
        local n = ctx.state.n or 0
        moonpost.sleep "1s"
        ctx.state.n = n + 1
      end } }
      for n = 1, 20 do world:send(ADDRESS, "x", { key = n % 2 == 0 and "a" or "b" }) end
      world:settle()
      assert.equal(0, world:counts().conflicts)
    end)

    it("has no state in on.start, where there is no key", function()
      local ok, reason = pcall(agent, { order = "key", on = { message = function() end,
        start = function(ctx) ctx.state.n = 1 end } })
      assert.is_false(ok)
      assert.matches('the state of an agent with order = "key" belongs to a key, and here is none', tostring(reason))
    end)

    it("is in force for what waits when an agent with it is loaded", function()
      agent { concurrency = 1, on = { message = function(_, msg)
        note(msg.body)
        moonpost.sleep "10s"
      end } }
      for _, body in ipairs { "a1", "a2", "b1" } do world:send(ADDRESS, body, { key = body:sub(1, 1) }) end
      assert.same({ "a1" }, seen)
      assert.is_true(world:reload(ADDRESS, moonpost.agent { address = ADDRESS, order = "key", on = { message = function(_, msg)
        note("new " .. msg.body)
      end } }))
      assert.same({ "a1", "new b1" }, seen)
      world:settle()
      assert.same({ "a1", "new b1", "new a2" }, seen)
    end)

    it("ends for what is parked when an agent without it is loaded", function()
      agent { order = "key", on = { message = function(_, msg)
        note(msg.body)
        moonpost.sleep "10s"
      end } }
      for n = 1, 3 do world:send(ADDRESS, "a" .. n, { key = "a" }) end
      assert.is_true(world:reload(ADDRESS, moonpost.agent { address = ADDRESS, on = { message = function(_, msg)
        note("new " .. msg.body)
      end } }))
      assert.same({ "a1", "new a2", "new a3" }, seen)
    end)
  end)

  describe("strict", function()
    it("is one after the other, and a retry holds all", function()
      agent { order = "strict", concurrency = 8, on = { message = fails_once "m2" } }
      for n = 1, 4 do world:send(ADDRESS, "m" .. n, { key = tostring(n) }) end
      assert.same({ "m1", "m2" }, seen)
      world:settle()
      assert.same({ "m1", "m2", "m2", "m3", "m4" }, seen)
    end)
  end)

  describe("over a link that loses messages", function()
    local function two_nodes(order)
      world:node("hub", {})
      world:node("client", { links = { "hub" }, send = { attempts = 50, first = "1s", factor = 1, jitter = 0.5 } })
      agent({ order = order, on = { message = function(_, msg) note(msg.body) end } }, { node = "hub" })
      world:advance "1s"
      world:fault(moonpost.fault.drop { type = "message", rate = 0.4, seed = 7 }, { node = "client" })
    end

    local function send(keys)
      for n, key in ipairs(keys) do world:send(ADDRESS, ("%s%d"):format(key, n), { key = key, from = "client" }) end
      world:settle()
    end

    it("keeps the order of each key, and lets the others pass", function()
      two_nodes "key"
      send { "a", "b", "a", "b", "a", "b" }
      local of = { a = {}, b = {} }
      for _, body in ipairs(seen) do table.insert(of[body:sub(1, 1)], body) end
      assert.same({ a = { "a1", "a3", "a5" }, b = { "b2", "b4", "b6" } }, of)
    end)

    it("keeps the order of all under strict", function()
      two_nodes "strict"
      send { "a", "b", "a", "b", "a", "b" }
      assert.same({ "a1", "b2", "a3", "b4", "a5", "b6" }, seen)
    end)

    it("lets what comes early wait at no attempt", function()
      two_nodes "strict"
      send { "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a" }
      assert.equal(12, #seen)
      assert.equal(0, world:counts("client").dead)
    end)
  end)

  -- Was: the base that closes the gap was never told, since nothing else was committed.
  it("under strict goes on when the sender starts again, whose numbers have a gap then", function()
    world:node("hub", { store = "memory" })
    world:node("client", { links = { { to = "hub", first = 1, jitter = 0 } }, send = { jitter = 0 } })
    agent({ order = "strict", on = { message = function(_, msg) note(msg.body) end } }, { node = "hub" })
    world:advance "1s"
    world:cut("client", "hub")
    world:send(ADDRESS, "first", { from = "client" })
    world:crash "client"
    world:restart "client"
    world:heal("client", "hub")
    world:advance "10s"
    world:send(ADDRESS, "second", { from = "client" })
    world:advance "10s"
    assert.same({ "first", "second" }, seen)
  end)

  it("of ten keys and many messages is as many messages", function()
    local last, wrong = {}, 0
    agent { order = "key", on = { message = function(_, msg)
      if msg.body.n ~= (last[msg.key] or 0) + 1 then wrong = wrong + 1 end
      last[msg.key] = msg.body.n
    end } }
    for n = 1, 300 do
      for key = 1, 10 do world:send(ADDRESS, { n = n }, { key = tostring(key) }) end
    end
    world:settle()
    assert.equal(0, wrong)
    assert.equal(3000, world:counts().handled)
  end)
end)
