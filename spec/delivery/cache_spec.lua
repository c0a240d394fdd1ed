local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"
local node = require "spec.support.node"

describe("ctx.cache", function()
  local world

  before_each(function() world = delivery.chain() end)

  local function agent(handle, fields)
    local declared = { address = "a@x", on = { message = handle }, retry = { attempts = 1 } }
    for name, value in pairs(fields or {}) do declared[name] = value end
    return moonpost.agent(declared)
  end

  local function load(handle, fields) world:load(agent(handle, fields), { node = "owner" }) end

  local function reload(handle, fields)
    return world:reload("a@x", agent(handle, fields), { node = "owner" })
  end

  local function ask(body) return world:call("a@x", body or "x", { from = "client" }) end

  local function count(ctx)
    ctx.cache.n = (ctx.cache.n or 0) + 1
    return { n = ctx.cache.n }
  end

  it("is one table for all deliveries of the agent", function()
    load(count)
    assert.same({ n = 1 }, ask())
    assert.same({ n = 2 }, ask())
  end)

  it("is no part of the commit: what failed has written it", function()
    load(function(ctx)
      local answer = count(ctx)
      if answer.n == 1 then error "no" end
      return answer
    end)
    delivery.send(world, "x")
    world:settle()
    assert.same({ n = 2 }, ask())
  end)

  it("belongs to one agent", function()
    load(count)
    load(count, { address = "b@x" })
    ask()
    assert.same({ n = 1 }, world:call("b@x", "x", { from = "client" }))
  end)

  it("may hold functions, and cannot be replaced", function()
    load(function(ctx)
      ctx.cache.add = ctx.cache.add or function(a, b) return a + b end
      local ok, reason = pcall(function() ctx.cache = {} end)
      return { sum = ctx.cache.add(1, 2), ok = ok, reason = reason }
    end)
    local answer = ask()
    assert.equal(3, answer.sum)
    assert.is_false(answer.ok)
    assert.matches("ctx.cache: cannot be set", answer.reason)
  end)

  it("is there in the next generation, from its on.start on, without functions and metatables", function()
    load(function(ctx)
      local shared = { "a", "b" }
      ctx.cache.data = { [1] = "one", name = "n\255", deep = { shared, shared }, yes = true, none = moonpost.null }
      ctx.cache.data.self = ctx.cache.data
      ctx.cache.call, ctx.cache.object = print, setmetatable({ kept = 1 }, { __index = { lost = 1 } })
      ctx.cache.list = moonpost.array {}
      ctx.cache[print] = "a key"
    end)
    ask()
    local at_start
    assert.is_true(reload(nil, { on = { start = function(ctx) at_start = ctx.cache.data[1] end, message = function(ctx)
      local cache, keys = ctx.cache, {}
      for key in pairs(cache) do keys[#keys + 1] = key end
      table.sort(keys)
      local data = cache.data
      return {
        keys = keys, one = data[1], name = #data.name, same = data.deep[1] == data.deep[2], self = data.self == data,
        yes = data.yes, none = data.none == moonpost.null, kept = cache.object.kept, lost = cache.object.lost,
        list = moonpost.json.encode(cache.list), generation = ctx.generation,
      }
    end } }))
    assert.same({
      keys = { "data", "list", "object" }, one = "one", name = 2, same = true, self = true, yes = true, none = true,
      kept = 1, list = "[]", generation = 2,
    }, ask())
    assert.equal("one", at_start)
  end)

  it("of two generations are two: the old one changes nothing in the new one's", function()
    load(function(ctx)
      ctx.cache.who = "old"
      moonpost.sleep(5)
      ctx.cache.who = "older"
    end)
    delivery.send(world, "x")
    world:advance(1)
    assert.is_true(reload(function(ctx) return { who = ctx.cache.who } end))
    world:settle()
    assert.same({ who = "old" }, ask())
  end)

  it("travels between files, each with a state of its own", function()
    local source = [[
      local moonpost = require "moonpost"
      return moonpost.agent { address = "a@x", on = { message = function(ctx)
        ctx.cache.seen = ctx.cache.seen or {}
        table.insert(ctx.cache.seen, ctx.generation)
        return { seen = ctx.cache.seen }
      end } }]]
    local folder = node.folder { ["a.lua"] = source }
    finally(function() node.remove(folder) end)
    world:load(folder .. "/a.lua", { node = "owner" })
    ask()
    local file = assert(io.open(folder .. "/a.lua", "w"))
    file:write(source, "\n")
    file:close()
    assert.is_true(world:reload("a@x", folder .. "/a.lua", { node = "owner" }))
    assert.same({ seen = { 1, 2 } }, ask())
  end)
end)
