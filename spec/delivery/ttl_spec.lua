local moonpost = require "moonpost"
local test = require "moonpost.test"
local worlds = require "moonpost.world"

local ADDRESS = "kv@spec"

-- What a body asks for: { set = {...keys}, ttl = }, { delete = key }, { add = key } or { get = key }.
local function handle(ctx, msg)
  local body = msg.body
  for _, key in ipairs(body.set or {}) do ctx.kv:set(key, body.value or 1, { ttl = body.ttl }) end
  if body.delete then ctx.kv:delete(body.delete) end
  if body.add then ctx.kv:add(body.add, 1) end
  return { value = body.get and ctx.kv:get(body.get), listed = #ctx.kv:list {} }
end

describe("a record whose ttl is over", function()
  local world, before

  local function ask(body) return world:call(ADDRESS, body) end

  -- Records on disk beside those that are there without any of the agent's.
  local function records()
    world:advance "10ms" -- what nobody waits for is written a moment later
    return worlds.records(world.handle, "node") - before
  end

  local function keys(count)
    local made = {}
    for index = 1, count do made[index] = ("k%05d"):format(index) end
    return made
  end

  before_each(function()
    world = test.world()
    world:load(moonpost.agent { address = ADDRESS, on = { message = handle } })
    ask { set = { "warm" } }
    ask { delete = "warm" }
    world:advance "1s"
    before = worlds.records(world.handle, "node")
  end)
  after_each(function() world:close() end)

  it("leaves the disk by itself, and its note of that with it", function()
    ask { set = { "a", "b" }, ttl = "10s" }
    ask { set = { "c" } }
    assert.equal(5, records())
    world:advance "9s"
    assert.equal(5, records())
    world:advance "1s"
    assert.equal(1, records())
    assert.same({ listed = 1 }, ask { get = "a" })
  end)

  it("does so when the node was away then", function()
    ask { set = keys(3), ttl = "10s" }
    assert.equal(6, records())
    world:crash "node"
    world:advance "1h"
    world:restart "node"
    assert.equal(0, records())
  end)

  it("does so when the node has started again since", function()
    ask { set = keys(3), ttl = "1d" }
    world:crash "node"
    world:restart "node"
    world:advance "23h"
    assert.equal(6, records())
    world:advance "2h"
    assert.equal(0, records())
  end)

  it("is one of many: so many go in a step, and all of them soon", function()
    for _ = 1, 5 do
      local some = {}
      for index = 1, 200 do some[index] = moonpost.id() end
      ask { set = some, ttl = "10s" }
    end
    assert.equal(2000, records())
    world:advance "11s"
    assert.equal(0, records())
  end)

  it("is one of many that end at one moment, with a slow disk", function()
    world:disk("node", "ok", { commit = "2s" })
    for _ = 1, 4 do
      local some = {}
      for index = 1, 200 do some[index] = moonpost.id() end
      ask { set = some, ttl = "1m" }
    end
    world:advance "2m"
    assert.equal(0, records())
  end)

  it("was written a moment before it is over", function()
    world:disk("node", "ok", { commit = "10s" })
    ask { set = keys(3), ttl = "10ms" }
    world:advance "1m"
    assert.equal(0, records())
  end)

  it("stays when it was written again meanwhile, as long as that says", function()
    ask { set = { "a" }, ttl = "10s" }
    world:advance "5s"
    ask { set = { "a" }, ttl = "10s" }
    assert.equal(2, records())
    world:advance "6s"
    assert.same({ value = 1, listed = 1 }, ask { get = "a" })
    world:advance "5s"
    assert.equal(0, records())
  end)

  it("stays for good when it was written again without one", function()
    ask { set = { "a" }, ttl = "10s" }
    ask { set = { "a" } }
    assert.equal(1, records())
    world:advance "1h"
    assert.equal(1, records())
  end)

  it("is not given more time by what is added to it, and begins anew after it", function()
    ask { set = { "b" }, ttl = "10s" }
    world:advance "9s"
    ask { add = "b" }
    assert.same({ value = 2, listed = 1 }, ask { get = "b" })
    world:advance "2s"
    assert.same({ listed = 0 }, ask { get = "b" })
    ask { add = "b" }
    world:advance "1h"
    assert.same({ value = 1, listed = 1 }, ask { get = "b" })
  end)

  it("was deleted before, and leaves nothing", function()
    ask { set = { "a" }, ttl = "10s" }
    ask { delete = "a" }
    assert.equal(0, records())
    ask { set = { "a" } }
    world:advance "1h"
    assert.equal(1, records())
  end)

  it("is written anew by a handler that runs when it goes", function()
    ask { set = { "a" }, ttl = "10s" }
    world:advance "10s"
    ask { set = { "a" }, value = 7, ttl = "10s" }
    assert.same({ value = 7, listed = 1 }, ask { get = "a" })
    world:advance "9s"
    assert.same({ value = 7, listed = 1 }, ask { get = "a" })
    world:advance "2s"
    assert.equal(0, records())
  end)

  it("goes by the wall clock, also when that has jumped", function()
    ask { set = { "a" }, ttl = "365d" }
    world:set_time "2030-01-01T00:00:00Z"
    assert.same({ listed = 0 }, ask { get = "a" })
    world:advance "1h"
    assert.equal(0, records())
  end)

  it("fails no delivery that had read it", function()
    world:reload(ADDRESS, moonpost.agent { address = ADDRESS, on = { message = function(ctx, msg)
      if msg.body.set then return handle(ctx, msg) end
      local value = ctx.kv:get "a"
      moonpost.sleep "10s"
      return { value = value, attempt = ctx.attempt }
    end } })
    ask { set = { "a" }, ttl = "5s" }
    assert.same({ value = 1, attempt = 1 }, ask { get = "a" })
    assert.equal(0, world:counts().conflicts)
    assert.equal(0, records())
  end)
end)
