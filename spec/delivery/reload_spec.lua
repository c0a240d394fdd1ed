local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"
local node = require "spec.support.node"
local test = require "moonpost.test"

-- A handler that waits, and says which generation it is of.
local function slow(time)
  return function(ctx)
    moonpost.sleep(time or "1s")
    return ctx.generation
  end
end

describe("an agent that is loaded again", function()
  local world, came

  before_each(function()
    world, came = delivery.chain(), {}
  end)

  local function agent(handle, fields)
    local declared = { address = "a@x", on = { message = handle }, retry = { jitter = 0 } }
    for name, value in pairs(fields or {}) do declared[name] = value end
    return moonpost.agent(declared)
  end

  local function reload(handle, fields)
    return world:reload("a@x", agent(handle, fields), { node = "owner" })
  end

  -- Notes each delivery, waits, and may fail the first.
  local function noting(time, fails)
    return function(ctx, msg)
      came[#came + 1] = ("%s gen %d try %d"):format(msg.body, ctx.generation, ctx.attempt)
      moonpost.sleep(time or "1s")
      if fails then error("no", 0) end
    end
  end

  it("ends what is in flight on the old code; the next delivery runs on the new", function()
    delivery.agent(world, slow())
    local before = delivery.send(world, "x", { await = "handled" })
    assert.is_true(reload(slow()))
    local after = delivery.send(world, "y", { await = "handled" })
    world:settle()
    assert.equal(1, world:receipt(before).result)
    assert.equal(2, world:receipt(after).result)
  end)

  it("keeps the order of what waits, and hands over nothing twice", function()
    delivery.agent(world, noting(), { concurrency = 1 })
    for index = 1, 4 do delivery.send(world, "m" .. index) end
    world:advance(1)
    reload(noting(), { concurrency = 1 })
    world:settle()
    assert.same({ "m1 gen 1 try 1", "m2 gen 1 try 1", "m3 gen 2 try 1", "m4 gen 2 try 1" }, came)
  end)

  it("tries again on the new code, by the new policy, what fails on the old", function()
    delivery.agent(world, noting("1s", true), { retry = { first = "1h", cap = "1h", jitter = 0 } })
    local id = delivery.send(world, "x")
    reload(noting(), { retry = { first = "5s", jitter = 0 } })
    world:settle()
    assert.same({ "x gen 1 try 1", "x gen 2 try 2" }, came)
    assert.same({ 0, 6 }, world:times(id, "delivered"))
  end)

  it("counts what is in flight on the old code against the new concurrency", function()
    delivery.agent(world, noting("10s"), { concurrency = 3 })
    for index = 1, 6 do delivery.send(world, "m" .. index) end
    reload(noting(), { concurrency = 1 })
    world:advance(9)
    assert.equal(3, #came)
    world:advance(1)
    assert.equal(4, #came)
    world:settle()
    assert.equal(6, #came)
  end)

  it("goes by the new timeout from the next delivery on", function()
    delivery.agent(world, slow "5s", { timeout = "10s" })
    local before = delivery.send(world, "x", { await = "handled" })
    reload(slow "5s", { timeout = "2s", retry = { attempts = 1 } })
    local after = delivery.send(world, "y", { await = "handled" })
    world:settle()
    assert.is_true(world:receipt(before).ok)
    assert.equal("the delivery took longer than its timeout of 2 s", world:dead("a@x")[1].reason)
    assert.equal("DEAD", world:receipt(after).code)
  end)

  it("remembers what the dedup policy of the one before has seen", function()
    local dedup = { key = function(msg) return msg.body end }
    delivery.agent(world, noting(), { dedup = dedup })
    delivery.send(world, "x")
    world:settle()
    reload(noting(), { dedup = dedup })
    delivery.send(world, "x")
    world:settle()
    assert.same({ "x gen 1 try 1" }, came)
    assert.equal(1, world:counts("owner").duplicates)
  end)

  it("goes by the new key function", function()
    delivery.agent(world, noting(), { dedup = { key = function(msg) return msg.body end } })
    delivery.send(world, "x")
    world:settle()
    reload(noting(), { dedup = { key = function(msg) return msg.body .. "'" end } })
    delivery.send(world, "x")
    world:settle()
    assert.same({ "x gen 1 try 1", "x gen 2 try 1" }, came)
  end)

  it("lets go what waited for its double when there is no dedup policy any more", function()
    delivery.agent(world, noting("10s"), { dedup = { key = function(msg) return msg.body end } })
    delivery.send(world, "x")
    delivery.send(world, "x")
    assert.equal(1, #came)
    reload(noting())
    assert.same({ "x gen 1 try 1", "x gen 2 try 1" }, came)
    world:settle()
    assert.equal(2, world:counts("owner").handled)
  end)

  it("compares what waits when there is a dedup policy now", function()
    delivery.agent(world, noting("10s"), { concurrency = 1 })
    for _, body in ipairs { "w", "x", "x" } do delivery.send(world, body) end
    reload(noting(), { dedup = { key = function(msg) return msg.body end } })
    world:settle()
    assert.same({ "w gen 1 try 1", "x gen 2 try 1" }, came)
  end)

  it("asks the new retry function, and the old one is gone", function()
    local function always(time) return function() return time end end
    delivery.agent(world, delivery.failing, { retry = always "1h" })
    local id = delivery.send(world, "x")
    for _ = 1, 20 do reload(delivery.failing, { retry = always "2h" }) end
    world:advance("1h")
    assert.same({ 3600 }, { delivery.facts(world, "retrying", id)[1].delay })
    assert.equal(7200, delivery.facts(world, "retrying", id)[2].delay)
  end)

  it("is told that it is a reload, and the one before is stopped when its last handler has ended", function()
    local said = {}
    local function events(name)
      return { message = slow(),
        start = function(ctx, why) said[#said + 1] = ("%s starts: %s %d"):format(name, why, ctx.generation) end,
        stop = function(ctx) said[#said + 1] = ("%s stops %d"):format(name, ctx.generation) end }
    end
    world:load(agent(nil, { on = events "one" }), { node = "owner" })
    delivery.send(world, "x")
    assert.is_true(world:reload("a@x", agent(nil, { on = events "two" }), { node = "owner" }))
    assert.same({ "one starts: boot 1", "two starts: reload 2" }, said)
    world:settle()
    assert.same("one stops 1", said[3])
  end)

  it("takes its place when its on.start has waited for what it needs", function()
    local function starting(fails)
      return { message = slow "1s", start = function()
        moonpost.sleep "10s"
        if fails then error("no database", 0) end
      end }
    end
    delivery.agent(world, slow())
    assert.is_true(reload(nil, { on = starting() }))
    assert.equal(1, world:call("a@x", "x", { from = "client" }))
    world:advance "10s"
    assert.equal(2, world:call("a@x", "x", { from = "client" }))
    assert.is_true(reload(nil, { on = starting(true) }))
    world:advance "10s"
    assert.equal(2, world:call("a@x", "x", { from = "client" }))
    local page = world:call("$node", {}, { method = "generations", from = "owner" })
    assert.same({ 1, "spec: on.start: no database" }, { #page.items, page.items[1].refusal })
  end)

  it("does not wait for an on.start that a later generation makes pointless", function()
    delivery.agent(world, slow())
    local stopped
    reload(nil, { on = { message = slow(), start = function() moonpost.sleep "1h" end, stop = function() stopped = true end } })
    assert.is_true(reload(slow()))
    assert.equal(2, world:call("a@x", "x", { from = "client" }))
    world:advance "1h"
    assert.equal(2, world:call("a@x", "x", { from = "client" }))
    assert.is_true(stopped)
  end)

  it("is refused while handlers of many older generations have not ended", function()
    local fields = { timeout = "2h", concurrency = 100 }
    delivery.agent(world, slow "1h", fields)
    for _ = 1, 15 do
      delivery.send(world, "x")
      assert.is_true(reload(slow "1h", fields))
    end
    delivery.send(world, "x")
    local ok, reason = reload(slow())
    assert.is_nil(ok)
    assert.equal("handlers of too many generations of a@x have not ended yet; try again later", reason)
    world:advance "1h"
    assert.is_true(reload(slow()))
  end)

  it("keeps its address", function()
    delivery.agent(world, slow())
    local ok, reason = reload(slow(), { address = "b@x" })
    assert.is_nil(ok)
    assert.equal('spec: its address is "b@x" now; an agent keeps its address ("a@x") while the node runs', reason)
    assert.equal(1, world:call("a@x", "x", { from = "client" }))
  end)

  it("says in the log which generation follows which, and when the one before has ended", function()
    delivery.agent(world, slow())
    delivery.send(world, "x")
    world:log()
    reload(slow())
    assert.equal("reload a@x generation 1 -> 2, 1 in flight ends on 1", world:log()[1].text)
    world:settle()
    assert.equal("a@x generation 1 has ended, 1000 ms after it was replaced", world:log()[1].text)
  end)
end)

local AGENT = [[
local moonpost = require "moonpost"
local words = require "words"
return moonpost.agent {
  address = "%s@x",
  on = { message = function(ctx) return words.hello .. " " .. ctx.generation end },
}]]

describe("the files of agents", function()
  local folder, world

  local function write(name, text)
    local file = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end

  before_each(function()
    folder = node.folder {
      ["node.lua"] = 'return require("moonpost").node { store = "memory" }',
      ["lua/words.lua"] = 'return { hello = "hello" }',
      ["agents/a.lua"] = AGENT:format "a",
      ["agents/b.lua"] = AGENT:format "b",
      ["agents/c.lua"] = 'return require("moonpost").agent { address = "c@x", retry = "soon",\n'
        .. '  on = { message = function(ctx) error("no", 0) end } }',
      ["policies/soon.lua"] = "return { first = 1, jitter = 0 }",
    }
    world = test.world()
    world:node("n", folder .. "/node.lua")
  end)
  after_each(function() node.remove(folder) end)

  -- Ask $node, and word what it did.
  local function reload(body)
    local answer = assert(world:call("$node", body or {}, { method = "reload" }))
    local said = {}
    for index, item in ipairs(answer.items) do
      local text = ("%s %s"):format(item.address or item.file:gsub("^.*/", ""), item.result)
      said[index] = item.after and ("%s %d"):format(text, item.after) or text
    end
    return said, answer.items
  end

  local function says(address) return (world:call(address, {})) end

  it("are compared by what is in them", function()
    write("lua/words.lua", 'return { hello = "hello" }')
    assert.same({ "a@x unchanged", "b@x unchanged", "c@x unchanged" }, (reload()))
    write("agents/a.lua", AGENT:format "a" .. "\n")
    assert.same({ "a@x reloaded 2", "b@x unchanged", "c@x unchanged" }, (reload()))
    assert.same({ "a@x unchanged", "b@x unchanged", "c@x unchanged" }, (reload()))
  end)

  it("are project modules, too: all agents that require one follow", function()
    write("lua/words.lua", 'return { hello = "moin" }')
    assert.same({ "a@x reloaded 2", "b@x reloaded 2", "c@x unchanged" }, (reload()))
    assert.equal("moin 2", says "a@x")
  end)

  it("are policies by name, too", function()
    local id = world:send("c@x", {})
    write("policies/soon.lua", "return { first = 5, jitter = 0 }")
    assert.same({ "a@x unchanged", "b@x unchanged", "c@x reloaded 2" }, (reload()))
    world:send("c@x", {})
    world:advance(1)
    local retrying = world:facts(id)
    assert.equal(5 * 2, retrying[#retrying].delay)
  end)

  it("are a module in another place that comes before", function()
    write("words.lua", 'return { hello = "root" }')
    assert.same({ "a@x unchanged", "b@x unchanged", "c@x unchanged" }, (reload()))
    os.remove(folder .. "/lua/words.lua")
    reload()
    assert.equal("root 2", says "a@x")
    write("lua/words.lua", 'return { hello = "lua" }')
    reload()
    assert.equal("lua 3", says "a@x")
  end)

  it("are loaded again, changed or not, when the agent is named", function()
    assert.same({ "a@x reloaded 2" }, (reload { address = "a@x" }))
  end)

  it("are only checked when that is asked for", function()
    write("agents/b.lua", "return {")
    local said, items = reload { dry = true }
    assert.same({ "a@x checked", "b@x refused", "c@x checked" }, said)
    assert.truthy(items[2].reason:find("agents/b.lua:1: unexpected symbol near '<eof>'", 1, true), items[2].reason)
    assert.equal("hello 1", says "a@x")
    assert.same({}, world:call("$node", {}, { method = "status" }).refused)
  end)

  for what, case in pairs {
    ["do not parse"] = { "return moonpost.agent {\n  address = ", "agents/a.lua:2: unexpected symbol near '<eof>'" },
    ["raise while they load"] = { "local x = nil\nreturn x.y", "agents/a.lua:2: attempt to index local 'x'" },
    ["return no agent"] = { "return {}", "agents/a.lua: a table is not an agent" },
    ["declare what is wrong"] = { 'return require("moonpost").agent {\n address = "a@x", retri = {} }',
      'agents/a.lua: agent.retri: unknown key; did you mean "retry"?' },
    ["require what is not there"] = { 'require "nothing"\nreturn 1', "agents/a.lua:1: module 'nothing' not found" },
    ["raise in on.start"] = { 'return require("moonpost").agent { address = "a@x", on = { start = function()\n'
      .. 'error "not today" end } }', "agents/a.lua:2: not today" },
    ["never end"] = { "while true do end", "agents/a.lua:1: ran for more than 2000 ms without waiting" },
  } do
    it("that " .. what .. " are refused, with file and line; the one before goes on", function()
      write("agents/a.lua", case[1])
      local said, items = reload { address = "a@x" }
      assert.same({ "a@x refused" }, said)
      assert.truthy(items[1].reason:find(case[2], 1, true), items[1].reason)
      assert.equal("hello 1", says "a@x")
      local refused = world:call("$node", {}, { method = "status" }).refused
      assert.same({ "a@x", 1, items[1].reason }, { refused[1].address, refused[1].generation, refused[1].reason })
      write("agents/a.lua", AGENT:format "a")
      assert.same({ "a@x reloaded 2" }, (reload { address = "a@x" }))
      assert.same({}, world:call("$node", {}, { method = "status" }).refused)
    end)
  end

  it("that are gone are refused", function()
    os.remove(folder .. "/agents/a.lua")
    assert.same({ "a@x refused", "b@x unchanged", "c@x unchanged" }, (reload()))
    assert.equal("hello 1", says "a@x")
  end)

  it("are no refusal any more when the old text is back", function()
    write("agents/a.lua", "return {")
    reload()
    write("agents/a.lua", AGENT:format "a")
    assert.same({ "a@x unchanged", "b@x unchanged", "c@x unchanged" }, (reload()))
    assert.same({}, world:call("$node", {}, { method = "status" }).refused)
  end)

  it("follow together or not at all when they use one changed module", function()
    write("lua/words.lua", 'return { hello = "moin" }')
    write("agents/b.lua", AGENT:format "b" .. " oops")
    local said, items = reload()
    assert.same({ "a@x refused", "b@x refused", "c@x unchanged" }, said)
    assert.equal("b@x, which uses the same changed file, was refused", items[1].reason)
    assert.equal("hello 1", says "a@x")
  end)

  it("do not hold each other back otherwise", function()
    write("agents/a.lua", AGENT:format "a" .. "\n")
    write("agents/b.lua", "oops")
    assert.same({ "a@x reloaded 2", "b@x refused", "c@x unchanged" }, (reload()))
  end)

  it("are new agents when they were not there before", function()
    write("agents/d.lua", AGENT:format "d")
    assert.same({ "a@x unchanged", "b@x unchanged", "c@x unchanged", "d@x new 1" }, (reload()))
    assert.equal("hello 1", says "d@x")
    write("agents/e.lua", AGENT:format "d")
    local said, items = reload()
    assert.equal("e.lua refused", said[5])
    assert.truthy(items[5].reason:find('address "d@x" is served by .*agents/d.lua already'), items[5].reason)
  end)

  it("have a hash that $node tells", function()
    local function hash(index)
      return world:call("$node", {}, { method = "generations" }).items[index].hash
    end
    local first = hash(1)
    write("lua/words.lua", 'return { hello = "moin" }')
    reload()
    assert.are_not.equal(first, hash(1))
    write("lua/words.lua", 'return { hello = "hello" }')
    reload()
    assert.equal(first, hash(1))
  end)

  it("leave the way back and new due times for later", function()
    for _, field in ipairs { "to", "reschedule" } do
      local _, reason, code = world:call("$node", { [field] = 1 }, { method = "reload" })
      assert.equal(("UNSUPPORTED reload.%s: not yet in this version"):format(field), code .. " " .. reason)
    end
  end)
end)
