local moonpost = require "moonpost"
local test = require "moonpost.test"
local node = require "spec.support.node"

local ADDRESS = "state@spec"

-- Version 1 counts in n, version 2 in count.
local function count(name)
  return function(ctx)
    ctx.state[name] = (ctx.state[name] or 0) + 1
    return ctx.state
  end
end

local function to_count(old, from)
  assert(from == 1)
  return { count = old.n * 10 }
end

describe("migration", function()
  local world

  before_each(function() world = test.world() end)
  after_each(function() world:close() end)

  local function declare(handler, more)
    local fields = { address = ADDRESS, retry = { attempts = 3, first = "1s", jitter = 0 }, on = { message = handler } }
    for name, value in pairs(more or {}) do fields[name] = value end
    return moonpost.agent(fields)
  end

  local function load(...) world:load(declare(...)) end
  local function reload(...) return world:reload(ADDRESS, declare(...)) end
  local function ask(key) return world:call(ADDRESS, "x", { key = key }) end
  local function state(key) return world:state(ADDRESS, key) end

  it("brings what an earlier version wrote over when the generations are swapped", function()
    load(count "n")
    ask()
    assert.is_true(reload(count "count", { version = 2, migrate = to_count }))
    world:advance(0)
    assert.same({ count = 10 }, state())
    assert.same({ count = 11 }, ask())
    world:crash "node"
    world:restart "node"
    assert.same({ count = 11 }, state())
  end)

  it("is of each key's state, in one commit", function()
    load(count "n", { order = "key" })
    for index = 1, 100 do ask("k" .. index) end
    assert.is_true(reload(count "count", { order = "key", version = 2, migrate = to_count }))
    world:advance(0)
    for index = 1, 100 do assert.same({ count = 10 }, state("k" .. index)) end
  end)

  it("is asked of which version it comes, and once for each", function()
    local asked = {}
    load(count "n", { order = "key" })
    ask "a"
    local function step(to)
      return function(old, from)
        asked[#asked + 1] = from .. ">" .. to
        return old
      end
    end
    assert.is_true(reload(count "n", { order = "key", version = 2, migrate = step(2) }))
    ask "b"
    assert.is_true(reload(count "n", { order = "key", version = 5, migrate = step(5) }))
    assert.is_true(reload(count "n", { order = "key", version = 5, migrate = step(5) }))
    assert.same({ "1>2", "2>5", "2>5" }, asked)
  end)

  it("is not asked for versions that the script reads", function()
    load(count "n")
    ask()
    assert.is_true(reload(count "n", { version = 3, reads = { 1 }, migrate = function() error "asked" end }))
    assert.same({ n = 2 }, ask())
    assert.is_true(reload(count "n", { version = 3 }))
    assert.same({ n = 3 }, ask())
  end)

  local function refused(text, ...)
    local ok, reason = reload(...)
    assert.is_nil(ok)
    assert.matches(text, reason, 1, true)
    assert.same({ n = 2 }, ask())
  end

  it("that raises refuses the reload and names whose state it was; nothing has changed", function()
    load(count "n", { order = "key" })
    ask "a"
    ask "b"
    local done = 0
    local ok, reason = reload(count "n", {
      order = "key",
      version = 2,
      migrate = function(old)
        done = done + 1
        return done == 1 and old or error "no idea"
      end,
    })
    assert.is_nil(ok)
    assert.matches("migrate failed for the state of key [ab] that version 1 wrote: .*no idea", reason)
    assert.same({ n = 1 }, state "a")
    assert.same({ n = 2 }, ask "a")
    assert.same({ n = 2 }, ask "b")
  end)

  it("that answers no table is refused", function()
    load(count "n")
    ask()
    refused("migrate(old, 1): expected the new state, a table, got nil", count "n",
      { version = 2, migrate = function() end })
  end)

  it("that leaves what is no plain data is refused", function()
    load(count "n")
    ask()
    refused("ctx.state.f", count "n", { version = 2, migrate = function(old) old.f = print return old end })
  end)

  it("that never ends is refused", function()
    load(count "n")
    ask()
    refused("ran for more than", count "n", { version = 2, migrate = function() while true do end end })
  end)

  it("that waits is refused", function()
    load(count "n")
    ask()
    refused("wait", count "n", { version = 2, migrate = function(old) moonpost.sleep(1) return old end })
  end)

  it("is needed for a higher version while there is state", function()
    load(count "n")
    assert.is_true(reload(count "n", { version = 2 }))
    ask()
    refused("version 4 has no migrate, and its state was written by version 2", count "n", { version = 4 })
  end)

  it("is not needed when the state is gone", function()
    load(function(ctx, msg) ctx.state = msg.body == "x" and { n = 1 } or nil end)
    ask()
    world:call(ADDRESS, "remove")
    assert.is_true(reload(count "n", { version = 2 }))
    assert.same({ n = 1 }, ask())
  end)

  it("does not go back: a lower version that does not read what is there is refused", function()
    load(count "n", { version = 2 })
    ask()
    refused("its state was written by version 2, and this is version 1", count "n", { migrate = to_count })
    assert.is_true(reload(count "n", { reads = { 2 } }))
    assert.same({ n = 3 }, ask())
  end)

  it("is none between state per key and per agent", function()
    load(count "n")
    ask()
    refused('with order = "key" its state belongs to keys', count "n", { order = "key" })
  end)

  it("is none between state per agent and per key", function()
    load(count "n", { order = "key" })
    ask "a"
    local ok, reason = reload(count "n")
    assert.is_nil(ok)
    assert.matches('without order = "key" its state belongs to the whole agent', reason, 1, true)
  end)

  it("is tried before on.start, and done behind it", function()
    local seen = {}
    load(count "n")
    ask()
    local on = {
      start = function(ctx) seen[#seen + 1] = ctx.state.count end,
      message = count "count",
    }
    assert.is_true(world:reload(ADDRESS, moonpost.agent { address = ADDRESS, version = 2, migrate = to_count, on = on }))
    assert.same({ 10 }, seen)
    assert.same({ count = 11 }, ask())
    local ok = world:reload(ADDRESS, moonpost.agent {
      address = ADDRESS, version = 3, migrate = function() error "no" end, on = on,
    })
    assert.is_nil(ok)
    assert.same({ 10 }, seen)
  end)

  it("leaves what is there when on.start fails", function()
    load(count "n")
    ask()
    local ok = world:reload(ADDRESS, moonpost.agent {
      address = ADDRESS, version = 2, migrate = to_count, on = { start = function() error "no" end },
    })
    assert.is_nil(ok)
    assert.same({ n = 2 }, ask())
  end)

  it("waits for an on.start that waits", function()
    load(count "n")
    ask()
    assert.is_true(world:reload(ADDRESS, moonpost.agent {
      address = ADDRESS, version = 2, migrate = to_count,
      on = { start = function() moonpost.sleep "1m" end, message = count "count" },
    }))
    assert.same({ n = 2 }, ask())
    world:advance "2m"
    assert.same({ count = 21 }, ask())
  end)

  -- The next generation takes over while the old one is at work; `runs` is who ran.
  local function taken_over(runs)
    assert.is_true(reload(function(ctx)
      runs[#runs + 1] = "new " .. ctx.attempt
      return count "count" (ctx)
    end, { version = 2, migrate = to_count }))
    world:advance "1m"
    assert.same({ "old", "old", "new 1" }, runs)
    assert.same({ count = 11 }, state())
  end

  it("makes handlers of the generation before run again on the new one", function()
    local runs = {}
    load(function(ctx)
      runs[#runs + 1] = "old"
      local n = (ctx.state.n or 0) + 1
      moonpost.sleep "10s"
      ctx.state.n = n
    end)
    world:send(ADDRESS, "first")
    world:advance "11s"
    world:send(ADDRESS, "second")
    taken_over(runs)
  end)

  it("is left to the newer generation by a handler that looks too late", function()
    local runs = {}
    load(function(ctx, msg)
      runs[#runs + 1] = "old"
      if msg.body == "late" then moonpost.sleep "10s" end
      ctx.state.n = (ctx.state.n or 0) + 1
    end)
    world:send(ADDRESS, "first")
    world:send(ADDRESS, "late")
    taken_over(runs)
  end)

  it("takes what handlers of the generation before still wrote", function()
    load(function(ctx, msg)
      moonpost.sleep "10s"
      ctx.state.n = (ctx.state.n or 0) + 1
      return msg.body
    end, { order = "key" })
    world:send(ADDRESS, "x", { key = "a" })
    local more = { order = "key", version = 2, migrate = to_count }
    assert.is_true(reload(count "count", more))
    world:advance "11s"
    assert.same({ n = 1 }, state "a")
    assert.same({ count = 11 }, ask "a")
  end)

  describe("at a start", function()
    local folder

    local function write(version, migrate)
      local file = assert(io.open(folder .. "/state.lua", "w"))
      file:write(([[
        return require("moonpost").agent {
          address = "state@spec", version = %d, migrate = %s,
          on = { message = function(ctx) ctx.state.n = (ctx.state.n or 0) + 1 return ctx.state end },
        }]]):format(version, migrate))
      file:close()
    end

    before_each(function()
      folder = node.folder {}
      write(1, "nil")
      world:load(folder .. "/state.lua")
      ask()
    end)
    after_each(function() node.remove(folder) end)

    it("brings it over, too", function()
      world:crash "node"
      write(2, "function(old) return { n = old.n * 10 } end")
      world:restart "node"
      assert.same({ n = 10 }, state())
      assert.same({ n = 11 }, ask())
    end)

    it("that cannot be done refuses it", function()
      world:crash "node"
      write(2, "function() error 'no idea' end")
      local ok, reason = pcall(world.restart, world, "node")
      assert.is_false(ok)
      assert.matches("migrate failed for the state that version 1 wrote: .*no idea", reason)
    end)
  end)

  it("of more than 10,000 records comes with each first reading", function()
    local asked = 0
    load(function(ctx) ctx.state.n = 1 end, { order = "key" })
    for index = 1, 10001 do world:send(ADDRESS, "x", { key = "k" .. index }) end
    world:settle()
    assert.is_true(reload(count "count", {
      order = "key", version = 2,
      migrate = function(old, from)
        asked = asked + 1
        return to_count(old, from)
      end,
    }))
    assert.equal(0, asked)
    assert.same({ n = 1 }, state "k1")
    assert.same({ count = 11 }, ask "k1")
    assert.same({ count = 12 }, ask "k1")
    assert.equal(1, asked)
    assert.is_true(reload(count "count", { order = "key", version = 2, migrate = to_count }))
    world:advance(0)
    assert.same({ count = 10 }, state "k2")
    assert.same({ count = 12 }, state "k1")
  end)

  it("is written at the first reading though nothing else changes", function()
    load(function(ctx) ctx.state.n = 1 end, { order = "key" })
    for index = 1, 10001 do world:send(ADDRESS, "x", { key = "k" .. index }) end
    world:settle()
    assert.is_true(reload(function(ctx) return ctx.state.count end, { order = "key", version = 2, migrate = to_count }))
    assert.equal(10, ask "k1")
    assert.same({ count = 10 }, state "k1")
  end)
end)
