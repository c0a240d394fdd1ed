local moonpost = require "moonpost"
local test = require "moonpost.test"

local ADDRESS = "state@spec"

describe("state", function()
  local world

  before_each(function() world = test.world() end)
  after_each(function() world:close() end)

  local function agent(handler, more)
    local fields = { address = ADDRESS, retry = { attempts = 3, first = "1s", jitter = 0 }, on = { message = handler } }
    for name, value in pairs(more or {}) do fields[name] = value end
    world:load(moonpost.agent(fields))
  end

  local function ask(body) return world:call(ADDRESS, body or "x") end

  describe("ctx.state", function()
    it("is an empty table at first, and what the last handler left afterwards", function()
      agent(function(ctx)
        local before = ctx.state.n
        ctx.state.n = (before or 0) + 1
        return { before = before }
      end)
      assert.same({}, ask())
      assert.same({ before = 1 }, ask())
      assert.same({ before = 2 }, ask())
    end)

    it("is an ordinary table: nested writes, insert, sort, length and iteration do what they always do", function()
      agent(function(ctx, msg)
        ctx.state.items = ctx.state.items or {}
        table.insert(ctx.state.items, msg.body.n)
        table.sort(ctx.state.items)
        local sum = 0
        for _, n in ipairs(ctx.state.items) do sum = sum + n end
        return { count = #ctx.state.items, sum = sum, first = ctx.state.items[1] }
      end)
      ask { n = 3 }
      ask { n = 1 }
      assert.same({ count = 3, sum = 6, first = 1 }, ask { n = 2 })
    end)

    it("keeps keys that are numbers, with holes, beside names", function()
      agent(function(ctx)
        local seen = {}
        for key, value in pairs(ctx.state) do seen[type(key) .. tostring(key)] = value end
        ctx.state[7], ctx.state[2.5], ctx.state.name, ctx.state["\1x"] = "seven", "half", "n", "marked"
        return seen
      end)
      assert.same({}, ask())
      assert.same({ number7 = "seven", ["number2.5"] = "half", stringname = "n", ["string\1x"] = "marked" }, ask())
    end)

    it("can be replaced, and removed", function()
      agent(function(ctx, msg)
        local before = ctx.state.n
        if msg.body == "replace" then ctx.state = { n = 7 } end
        if msg.body == "remove" then ctx.state = nil end
        return { before = before, after = ctx.state.n }
      end)
      assert.same({ after = 7 }, ask "replace")
      assert.same({ before = 7 }, ask "remove")
      assert.same({}, ask "look")
    end)

    it("stays what it was when the handler fails, skips, defers or rejects", function()
      local outcomes = { "raise", "skip", "defer", "reject" }
      agent(function(ctx, msg)
        if msg.body == "look" then return { n = ctx.state.n } end
        ctx.state.n = 1
        if msg.body == "raise" then error "no" end
        if msg.body == "skip" then return moonpost.skip "not needed" end
        if msg.body == "defer" then return moonpost.defer("later", { delay = "48h" }) end
        return moonpost.reject "no"
      end, { retry = { attempts = 1 } })
      for _, outcome in ipairs(outcomes) do
        world:send(ADDRESS, outcome)
        world:advance "1s"
        assert.same({}, ask "look")
      end
    end)

    it("goes back to what it was for the next attempt", function()
      agent(function(ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        if ctx.attempt < 3 then error "not yet" end
        return { n = ctx.state.n }
      end)
      assert.same({ n = 1 }, ask())
    end)

    it("refuses what is no plain data, and names the place", function()
      agent(function(ctx)
        ctx.state.user = { callback = function() end }
      end, { retry = { attempts = 1 } })
      local result, reason = ask()
      assert.is_nil(result)
      assert.matches("ctx%.state%.user%.callback is a function", reason)
    end)

    it("refuses more than 64 KiB, and names ctx.kv", function()
      agent(function(ctx) ctx.state.text = ("x"):rep(65536) end, { retry = { attempts = 1 } })
      local _, reason = ask()
      assert.matches("ctx%.state has 65547 bytes, and at most 65536 are kept %(state_max%); many records belong into ctx%.kv", reason)
    end)

    it("takes as much as the node's state_max", function()
      world:node("roomy", { state_max = "128K" })
      world:load(moonpost.agent { address = "roomy@spec", retry = { attempts = 1 }, on = { message = function(ctx, msg)
        ctx.state.text = ("x"):rep(msg.body)
      end } })
      assert.is_nil(select(2, world:call("roomy@spec", 100000)))
      assert.matches("at most 131072 are kept", select(2, world:call("roomy@spec", 131072)))
    end)

    it("can be set to a table only", function()
      agent(function(ctx) ctx.state = 5 end, { retry = { attempts = 1 } })
      local _, reason = ask()
      assert.matches("state_spec%.lua:%d+: ctx%.state: expected a table or nil, got a number", reason)
    end)

    it("is there in on.start, whose changes are kept", function()
      agent(function(ctx) return { n = ctx.state.started } end,
        { on = { start = function(ctx) ctx.state.started = (ctx.state.started or 0) + 1 end,
          message = function(ctx) return { n = ctx.state.started } end } })
      assert.same({ n = 1 }, ask())
    end)

    it("belongs to one agent", function()
      agent(function(ctx) ctx.state.n = 1 end)
      world:load(moonpost.agent { address = "other@spec", on = { message = function(ctx) return { n = ctx.state.n } end } })
      ask()
      assert.same({}, world:call("other@spec", "x"))
    end)

    it("loses no update of handlers that wait between reading and writing", function()
      agent(function(ctx)
        local n = ctx.state.n or 0
        moonpost.sleep "1s"
        ctx.state.n = n + 1
      end, { concurrency = 8 })
      for _ = 1, 20 do world:send(ADDRESS, "add") end
      world:settle()
      world:load(moonpost.agent { address = "reader@spec", on = { message = function() return true end } })
      assert.equal(20, world:counts().handled)
      assert.is_true(world:counts().conflicts > 0)
      world:reload(ADDRESS, moonpost.agent { address = ADDRESS, on = { message = function(ctx) return { n = ctx.state.n } end } })
      assert.same({ n = 20 }, ask())
    end)

    it("charges no attempt for a conflict", function()
      local highest = 0
      agent(function(ctx)
        local n = ctx.state.n or 0
        highest = math.max(highest, ctx.attempt)
        moonpost.sleep "1s"
        ctx.state.n = n + 1
      end, { concurrency = 8 })
      for _ = 1, 30 do world:send(ADDRESS, "add") end
      world:settle()
      assert.equal(1, highest)
      assert.equal(0, world:counts().dead)
    end)

    it("counts what was only read, too: an answer never rests on what has gone meanwhile", function()
      agent(function(ctx, msg)
        if msg.body == "write" then
          ctx.state.n = 2
          return
        end
        local n = ctx.state.n
        moonpost.sleep "1s"
        return { n = n }
      end)
      local id = world:send(ADDRESS, "read", { await = "handled" })
      world:send(ADDRESS, "write")
      world:settle()
      assert.same({ n = 2 }, world:receipt(id).result)
    end)
  end)

  describe("ctx.kv", function()
    it("keeps values by key, and forgets what is deleted", function()
      agent(function(ctx, msg)
        local body = msg.body
        if body.set then ctx.kv:set(body.key, body.set) end
        if body.delete then ctx.kv:delete(body.key) end
        return { value = ctx.kv:get(body.key) }
      end)
      assert.same({}, ask { key = "a" })
      assert.same({ value = { x = { 1, 2 } } }, ask { key = "a", set = { x = { 1, 2 } } })
      assert.same({ value = { x = { 1, 2 } } }, ask { key = "a" })
      assert.same({}, ask { key = "a", delete = true })
      assert.same({}, ask { key = "a" })
    end)

    it("rolls back with its handler", function()
      agent(function(ctx, msg)
        if msg.body == "look" then return { value = ctx.kv:get "a", count = ctx.kv:get "count" } end
        ctx.kv:set("a", 1)
        ctx.kv:add("count", 1)
        error "no"
      end, { retry = { attempts = 1 } })
      ask "write"
      assert.same({}, ask "look")
    end)

    it("gives copies", function()
      agent(function(ctx)
        ctx.kv:set("a", { n = 1 })
        ctx.kv:get("a").n = 2
        return ctx.kv:get "a"
      end)
      assert.same({ n = 1 }, ask())
    end)

    it("adds without conflicts, however many add at once", function()
      agent(function(ctx, msg)
        if msg.body == "look" then return { n = ctx.kv:get "n" } end
        ctx.kv:add("n", 1)
        moonpost.sleep "1s"
        ctx.kv:add("n", 0.5)
      end, { concurrency = 16 })
      for _ = 1, 50 do world:send(ADDRESS, "add") end
      world:settle()
      assert.equal(0, world:counts().conflicts)
      assert.same({ n = 75 }, ask "look")
    end)

    it("shows a handler its own additions", function()
      agent(function(ctx)
        ctx.kv:add("n", 2)
        local first = ctx.kv:get "n"
        ctx.kv:set("n", 10)
        ctx.kv:add("n", 5)
        return { first = first, last = ctx.kv:get "n" }
      end)
      assert.same({ first = 2, last = 15 }, ask())
      assert.same({ first = 17, last = 15 }, ask())
    end)

    it("refuses a sum beyond all numbers, and keeps what was there", function()
      agent(function(ctx) ctx.kv:add("n", 1e308) end, { retry = { attempts = 1 } })
      for _ = 1, 2 do
        world:send(ADDRESS, "x")
        world:settle()
      end
      assert.equal(1e308, world:kv(ADDRESS, "n"))
      assert.matches('the sum in "n" would be beyond all numbers', world:dead(ADDRESS)[1].reason)
    end)

    it("refuses to add to what is no number", function()
      agent(function(ctx)
        ctx.kv:set("n", "text")
        ctx.kv:add("n", 1)
      end, { retry = { attempts = 1 } })
      local _, reason = ask()
      assert.matches('BAD_VALUE: ctx%.kv:add: "n" holds no number', reason)
    end)

    it("runs a handler again when a record that it read has changed", function()
      agent(function(ctx)
        local n = ctx.kv:get "n" or 0
        moonpost.sleep "1s"
        ctx.kv:set("n", n + 1)
        return { n = n + 1 }
      end)
      local ids = {}
      for index = 1, 5 do ids[index] = world:send(ADDRESS, "add", { await = "handled" }) end
      world:settle()
      local seen = {}
      for index, id in ipairs(ids) do seen[index] = world:receipt(id).result.n end
      table.sort(seen)
      assert.same({ 1, 2, 3, 4, 5 }, seen)
    end)

    it("shows nobody an addition of a handler that had to run again, and then failed", function()
      local steps = {
        change = function(kv) kv:set("read", "changed") end,
        fails = function(kv) kv:add("n", 1) end,
        adds = function(kv) kv:add("n", 1) end,
        looks = function(kv) kv:set("seen", kv:get "n") end,
      }
      agent(function(ctx, msg)
        if msg.body == "fails" and ctx.kv:get "read" then return moonpost.reject "it had to run again" end
        moonpost.sleep "1s"
        steps[msg.body](ctx.kv)
      end, { concurrency = 10 })
      for _, body in ipairs { "change", "fails", "adds", "looks" } do world:send(ADDRESS, body) end
      world:settle()
      assert.same({ 1, 1 }, { world:kv(ADDRESS, "n"), world:kv(ADDRESS, "seen") })
    end)

    it("lists records by key, page by page, with the handler's own changes", function()
      agent(function(ctx, msg)
        if msg.body == "fill" then
          for n = 1, 25 do ctx.kv:set(("item/%02d"):format(n), n) end
          ctx.kv:set("other", 0)
          return
        end
        ctx.kv:delete "item/02"
        ctx.kv:set("item/03", "three")
        ctx.kv:set("item/99", 99)
        local pages, after = {}, nil
        repeat
          local items = ctx.kv:list { prefix = "item/", after = after, limit = 10 }
          pages[#pages + 1] = #items
          after = #items > 0 and items[#items].key or nil
        until #items < 10
        return { pages = pages, first = ctx.kv:list { prefix = "item/", limit = 2 } }
      end)
      ask "fill"
      assert.same({ pages = { 10, 10, 5 },
        first = { { key = "item/01", value = 1 }, { key = "item/03", value = "three" } } }, ask "list")
    end)

    it("forgets a record when its time is over", function()
      agent(function(ctx, msg)
        if msg.body == "set" then ctx.kv:set("a", 1, { ttl = "10s" }) end
        return { value = ctx.kv:get "a", listed = #ctx.kv:list() }
      end)
      assert.same({ value = 1, listed = 1 }, ask "set")
      world:advance "9s"
      assert.same({ value = 1, listed = 1 }, ask "look")
      world:advance "2s"
      assert.same({ listed = 0 }, ask "look")
    end)

    it("says what is wrong with a call", function()
      local function fails(call, pattern)
        agent(call, { retry = { attempts = 1 } })
        local _, reason = ask()
        assert.matches(pattern, reason)
        world:close()
        world = test.world()
      end
      fails(function(ctx) ctx.kv:set("", 1) end, "ctx%.kv:set: key: is empty")
      fails(function(ctx) ctx.kv:set("a") end, "ctx%.kv:set: the value is nil; use ctx%.kv:delete%(key%)")
      fails(function(ctx) ctx.kv.a = 1 end, 'ctx%.kv%.a: cannot be set; use ctx%.kv:set%("a", value%)')
      fails(function(ctx) ctx.kv:put("a", 1) end, "ctx%.kv%.put: unknown; use get, set, delete, add or list")
      fails(function(ctx) ctx.kv:set("a", ("x"):rep(2 ^ 20)) end, 'the value of "a" has 1048578 bytes')
      fails(function(ctx) ctx.kv:get(("k"):rep(201)) end, "has 201 bytes; at most 200")
    end)
  end)

  it("commits with what the handler sends: both are there, or none", function()
    agent(function(ctx, msg)
      ctx.state.n = (ctx.state.n or 0) + 1
      ctx:send("audit@spec", { n = ctx.state.n })
      if msg.body == "fail" then error "no" end
    end, { retry = { attempts = 1 } })
    world:load(moonpost.agent { address = "audit@spec", on = { message = function() end } })
    for _, body in ipairs { "ok", "fail", "ok", "fail", "ok" } do ask(body) end
    local seen = {}
    for _, msg in ipairs(world:received "audit@spec") do seen[#seen + 1] = msg.body.n end
    assert.same({ 1, 2, 3 }, seen)
  end)

  it("cannot be touched after the delivery", function()
    local kept
    agent(function(ctx)
      kept = kept or ctx
      if kept ~= ctx then return kept.state.n end
    end, { retry = { attempts = 1 } })
    ask()
    local _, reason = ask()
    assert.matches("the delivery of this ctx has ended", reason)
  end)
end)
