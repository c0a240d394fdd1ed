local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"
local test = require "moonpost.test"

local ADDRESS = "timer@spec"

describe("ctx:cancel", function()
  local world, heard

  local function agent(handle, more)
    local fields = { address = ADDRESS, retry = { first = "1s", jitter = 0 }, on = {
      message = handle or function(ctx, msg)
        heard[#heard + 1] = msg.body.say
        if msg.body.send then ctx:send(ADDRESS, { say = msg.body.send }, { id = msg.body.send, delay = "1m" }) end
        if msg.body.cancel then ctx:cancel(msg.body.cancel) end
        if msg.body.fail then return nil, "no" end
      end,
    } }
    for name, value in pairs(more or {}) do fields[name] = value end
    world:load(moonpost.agent(fields))
  end

  local function say(body, options)
    local id = world:send(ADDRESS, body, options)
    world:advance "1s"
    return id
  end

  before_each(function()
    world, heard = test.world(), {}
  end)
  after_each(function() world:close() end)

  it("takes a timer back", function()
    agent()
    say { say = "begin", send = "late" }
    say { say = "end", cancel = "late" }
    world:settle()
    assert.same({ "begin", "end" }, heard)
    assert.equal(0, world:counts().dead)
  end)

  it("does so also when the node has started again since, and for good", function()
    agent()
    say { say = "begin", send = "late" }
    world:crash "node"
    world:restart "node"
    say { say = "end", cancel = "late" }
    world:crash "node"
    world:restart "node"
    world:settle()
    assert.same({ "begin", "end" }, heard)
  end)

  it("belongs to the commit: a handler that fails takes nothing back", function()
    agent()
    say { say = "begin", send = "late" }
    say({ say = "end", cancel = "late", fail = true }, { expires = "500ms" })
    world:settle()
    assert.equal("late", heard[#heard])
  end)

  it("does nothing when there is none, or none any more", function()
    agent()
    say { say = "begin", send = "late" }
    world:settle()
    say { say = "end", cancel = "late" }
    say { say = "more", cancel = "nobody" }
    assert.same({ "begin", "late", "end", "more" }, heard)
  end)

  it("takes nothing back that a handler has had", function()
    agent(function(ctx, msg)
      heard[#heard + 1] = msg.body .. ctx.attempt
      if msg.body == "late" and ctx.attempt == 1 then return nil, "no" end
      if msg.body == "cancel" then ctx:cancel "m1" end
    end, { retry = { first = "1m", jitter = 0 } })
    say("late", { id = "m1" })
    say "cancel"
    world:settle()
    assert.same({ "late1", "cancel1", "late2" }, heard)
  end)

  it("takes back what this delivery has sent, and nothing that it sends afterwards", function()
    agent(function(ctx, msg)
      heard[#heard + 1] = msg.body
      if msg.body ~= "begin" then return end
      ctx:send(ADDRESS, "old", { id = "t", delay = "1m" })
      ctx:cancel "t"
      ctx:send(ADDRESS, "new", { id = "t", delay = "2m" })
    end)
    say "begin"
    world:settle()
    assert.same({ "begin", "new" }, heard)
  end)

  it("puts a timer off, again and again", function()
    agent(function(ctx, msg)
      heard[#heard + 1] = msg.body
      if msg.body == "late" then return end
      ctx:cancel "t"
      ctx:send(ADDRESS, "late", { id = "t", delay = "1m" })
    end)
    for _ = 1, 5 do
      say "again"
      world:advance "50s"
    end
    world:settle()
    assert.same({ "again", "again", "again", "again", "again", "late" }, heard)
  end)

  it("takes one of two of the same id back, the older", function()
    agent(function(ctx, msg)
      heard[#heard + 1] = msg.body
      if msg.body == "begin" then
        ctx:send(ADDRESS, "one", { id = "t", delay = "1m" })
        ctx:send(ADDRESS, "two", { id = "t", delay = "1m" })
      end
      if msg.body == "cancel" then ctx:cancel "t" end
    end)
    say "begin"
    say "cancel"
    say "x"
    world:settle()
    assert.same({ "begin", "cancel", "x", "two" }, heard)
  end)

  it("takes back only what the agent has sent itself", function()
    agent()
    world:send(ADDRESS, { say = "of another" }, { id = "t", delay = "1m" })
    say { say = "cancel", cancel = "t" }
    world:settle()
    assert.same({ "cancel", "of another" }, heard)
  end)

  it("takes back what waits behind others of its key", function()
    agent(function(ctx, msg)
      heard[#heard + 1] = msg.body
      if msg.body == "begin" then
        ctx:send("other@spec", "slow", { key = "k" })
        ctx:send("other@spec", "parked", { key = "k", id = "t" })
        ctx:send("other@spec", "last", { key = "k" })
      end
      if msg.body == "cancel" then ctx:cancel "t" end
    end)
    world:load(moonpost.agent { address = "other@spec", order = "key", on = { message = function(_, msg)
      heard[#heard + 1] = msg.body
      if msg.body == "slow" then moonpost.sleep "10s" end
    end } })
    say "begin"
    say "cancel"
    world:settle()
    assert.same({ "begin", "slow", "cancel", "last" }, heard)
  end)

  it("takes back what has not left for another node", function()
    world:node "node"
    world:node("peer", { links = { "node" } })
    world:load(moonpost.agent { address = "far@spec", on = { message = function(_, msg) heard[#heard + 1] = msg.body end } },
      { node = "peer" })
    agent(function(ctx, msg)
      heard[#heard + 1] = msg.body
      if msg.body == "begin" then ctx:send("far@spec", "far", { id = "t" }) end
      if msg.body == "cancel" then ctx:cancel "t" end
    end)
    world:advance "1s"
    world:cut("peer", "node")
    world:advance "1s"
    say "begin"
    say "cancel"
    world:heal("peer", "node")
    world:advance "1m"
    world:settle()
    assert.same({ "begin", "cancel" }, heard)
  end)

  it("in on.start takes back what an earlier start has sent", function()
    local fields = { address = ADDRESS, on = {
      start = function(ctx)
        ctx:cancel "t"
        ctx:send(ADDRESS, "tick", { id = "t", delay = "1m" })
      end,
      message = function(_, msg) heard[#heard + 1] = msg.body end,
    } }
    world:load(moonpost.agent(fields))
    for _ = 1, 3 do
      world:advance "10s"
      world:reload(ADDRESS, moonpost.agent(fields))
    end
    world:settle()
    assert.same({ "tick" }, heard)
  end)

  it("is found among very many at once", function()
    agent(function(ctx, msg)
      if msg.body == "fill" then
        for index = 1, 900 do ctx:send(ADDRESS, "late", { id = ("%s/%d"):format(msg.id, index), delay = "1h" }) end
      elseif msg.body ~= "late" then
        for index = 1, 900 do ctx:cancel(("%s/%d"):format(msg.body, index)) end
      else
        heard[#heard + 1] = msg.id
      end
    end, { budget = "5s" })
    local ids = {}
    for index = 1, 10 do ids[index] = say "fill" end
    for _, id in ipairs(ids) do say(id) end
    world:settle()
    assert.same({}, heard)
  end)

  it("holds under a storm: what was cancelled is not heard, and what was not is heard once", function()
    local cancelled, rung = 0, 0
    test.fuzz({ runs = 40 }, function(storm)
      storm:node "owner"
      storm:node("client", { links = { { to = "owner", first = "1s" } } })
      local wrong
      storm:load(moonpost.agent {
        address = "alarm@x", order = "key", profile = "exactly-once", retry = { attempts = 50, first = "1s", factor = 1 },
        methods = {
          set = function(ctx, msg)
            ctx:send("alarm@x", "", { id = "t/" .. msg.key, key = msg.key, delay = "10s", method = "_ring" })
            ctx.kv:set(msg.key, 1, { ttl = "3s" })
            ctx.state.set = true
          end,
          off = function(ctx, msg)
            ctx:cancel("t/" .. msg.key)
            ctx.state.off = true
          end,
          _ring = function(ctx, msg)
            if ctx.state.off then wrong = msg.key .. " rang though it was off" end
            ctx.state.rung = (ctx.state.rung or 0) + 1
          end,
        },
      }, { node = "owner" })
      local function send(n, method)
        storm:advance "500ms"
        if not storm:up "client" then return end
        storm:send("alarm@x", n, { from = "client", key = "k" .. n, method = method, profile = "exactly-once" })
      end
      for n = 1, 20 do send(n, "set") end
      for n = 1, 20, 2 do send(n, "off") end
      storm:advance "2m"
      if not storm:up "owner" then storm:restart "owner" end
      storm:settle()
      for n = 1, 20 do
        local state = storm:state("alarm@x", "k" .. n) or {}
        if state.set and not state.off and state.rung ~= 1 then wrong = ("k%d rang %s times"):format(n, state.rung) end
        cancelled = cancelled + (state.off and not state.rung and 1 or 0)
        rung = rung + (state.rung or 0)
      end
      if wrong then error(wrong) end
    end)
    assert.is_true(cancelled > 50, cancelled)
    assert.is_true(rung > 100, rung)
  end)

  it("wants an id", function()
    local reason
    agent(function(ctx)
      reason = select(2, pcall(ctx.cancel, ctx, 7))
    end)
    say "x"
    assert.matches("ctx:cancel: id: expected a string, got 7", tostring(reason))
  end)
end)

describe("client:cancel", function()
  local world, path

  local function run(text)
    path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write([[
local moonpost = require "moonpost"
local client = assert(moonpost.client { link = "owner" })
local function same(expected, value)
  if expected ~= value then error(("expected %s, got %s"):format(tostring(expected), tostring(value)), 2) end
end
]], text)
    file:close()
    local code, reason = world:exec(path, { name = "visitor" })
    os.remove(path)
    assert.equal(0, code, reason)
  end

  before_each(function()
    world = delivery.chain()
    delivery.agent(world, function() end)
  end)

  it("takes back what has not left", function()
    run [[
      local told
      client:send("nobody@x", 1, { id = "m1", await = "none", on_done = function(receipt) told = receipt.code end })
      moonpost.sleep(10)
      same(nil, told)
      same(true, client:cancel "m1")
      same(true, client:flush())
      same("CANCELLED", told)
      same("GONE", select(3, client:cancel "m1"))
    ]]
  end)

  it("takes back what is delayed at the node that it is linked to", function()
    run [[
      local told
      assert(client:send("a@x", 1, { id = "m1", delay = "1m" }))
      client:send("a@x", 1, { id = "m2", delay = "1m", await = "handled", timeout = "1s" })
      same(true, client:cancel "m1")
      local done, reason, code = client:cancel "m1"
      same(nil, done)
      same("GONE", code)
      same("no message of this id waits for its handler here", reason)
    ]]
    world:settle()
    assert.equal(1, #world:received("a@x"))
    assert.equal("m2", world:received("a@x")[1].id)
  end)

  it("is told to who waits for it", function()
    run [[
      local receipt
      client:send("a@x", 1, { id = "m1", delay = "1m", await = "none" })
      client:flush()
      local other = assert(moonpost.client { link = "owner" })
      local answer
      other:send("a@x", 2, { id = "m2", delay = "1m", await = "none", profile = "at-least-once",
        on_done = function(it) answer = it end })
      other:flush()
      same("stored", answer.level)
      same(true, client:cancel "m2")
      client:close()
      same("GONE", select(3, client:cancel "m1"))
    ]]
    world:settle()
    assert.equal(1, #world:received("a@x"))
  end)

  it("wants an id", function()
    run [[
      local ok, reason = pcall(client.cancel, client, {})
      same(false, ok)
      same(true, reason:find("client:cancel: id: expected a string", 1, true) ~= nil)
    ]]
  end)
end)

describe("a message that a handler has had", function()
  it("is not taken back by ctx:cancel, though it was deferred at no attempt", function()
    local world = test.world()
    world:load(moonpost.agent {
      address = "a@x",
      on = {
        message = function(ctx, msg)
          if msg.body == "set" then return ctx:send("a@x", "work", { id = "m1" }) end
          if msg.body == "cancel" then return ctx:cancel "m1" end
          return moonpost.defer("later", { delay = "1m" })
        end,
      },
    })
    for _, body in ipairs { "set", "cancel" } do
      world:send("a@x", body)
      world:advance "1s"
    end
    assert.same({}, world:times("m1", "purged"))
    assert.equal(1, #world:times("m1", "deferred"))
    world:close()
  end)
end)

describe("messages that wait for a lane when something is cancelled", function()
  it("are found by their ids afterwards, and go", function()
    local world, handled = test.world(), 0
    world:node "bank"
    world:node("shop", { links = { "bank" } })
    world:load(moonpost.agent { address = "a@bank", on = { message = function() handled = handled + 1 end } }, { node = "bank" })
    local function cancel(ctx, msg) ctx:cancel(msg.body) end
    world:load(moonpost.agent { address = "boss@shop", on = { message = cancel } }, { node = "shop" })
    world:advance "1s"
    world:delay("bank", "shop", "1h")
    for n = 1, 3 do world:send("a@bank", n, { id = "m" .. n, from = "shop", profile = "exactly-once" }) end
    world:send("boss@shop", "nobody", { from = "shop" })
    world:advance "20s"
    world:delay("bank", "shop", 0)
    world:crash "bank"
    world:restart "bank"
    world:settle()
    world:send("boss@shop", "m2", { from = "shop" })
    world:settle()
    assert.equal(3, handled)
    world:close()
  end)
end)
