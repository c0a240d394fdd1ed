local moonpost = require "moonpost"
local test = require "moonpost.test"

-- Asks a shop, and says in its result what came of it.
local function asker()
  return moonpost.agent {
    address = "asker@local",
    timeout = "5m",
    on = {
      message = function(ctx, msg)
        local ok, answer = pcall(function() return ctx:call("shop@local", msg.body, { timeout = "5s" }) end)
        return ok and { answer = answer } or { code = answer.code, reason = answer.reason }
      end,
    },
  }
end

local function raised(act, ...)
  local ok, reason = pcall(act, ...)
  assert.is_false(ok)
  return tostring(reason)
end

describe("a fake", function()
  local world

  before_each(function()
    world = test.world()
    world:load(asker())
  end)
  after_each(function() world:close() end)

  local function ask(body) return world:call("asker@local", body or {}) end

  it("says ok to everybody, and keeps what it was asked", function()
    local shop = world:fake "shop@local"
    assert.same({}, ask { item = "tea" })
    assert.same({}, ask { item = "cake" })
    assert.equal(2, #shop.requests)
    assert.equal("cake", shop.requests[2].body.item)
    assert.equal("asker@local", shop.requests[1].from)
  end)

  it("plays its script in order, then the rest", function()
    world:fake("shop@local", { { reply = { price = 3 } }, { error = "sold out", code = "SOLD_OUT" }, 503, 204,
      rest = { reply = "closed" } })
    assert.same({ answer = { price = 3 } }, ask())
    assert.same({ code = "SOLD_OUT", reason = "sold out" }, ask())
    assert.equal("HTTP_503", ask().code)
    assert.same({ answer = { status = 204 } }, ask())
    assert.equal("closed", ask().answer)
    assert.equal("closed", ask().answer)
  end)

  it("does not answer in time when it shall not", function()
    world:fake("shop@local", { "timeout" })
    assert.equal("TIMEOUT", ask().code)
    assert.same({}, ask())
    world:settle()
  end)

  it("answers by a function of the request", function()
    world:fake("shop@local", function(request) return { got = request.body.item } end)
    assert.same({ answer = { got = "tea" } }, ask { item = "tea" })
  end)

  it("plays another script from now on", function()
    local shop = world:fake("shop@local", { 500, 500, 500 })
    assert.equal("HTTP_500", ask().code)
    shop:plays "ok"
    assert.same({}, ask())
  end)

  it("is on the node that is named", function()
    world:node "far"
    world:fake("shop@far", nil, { node = "far" })
    assert.is_nil((world:call("shop@far", {}, { from = "far" })))
    assert.equal(1, #world:received "shop@far")
  end)

  it("refuses a script that it cannot play", function()
    assert.matches('script%[2%]: expected "ok", "timeout", an HTTP status', raised(world.fake, world, "shop@local", { "ok", "okay" }))
    assert.matches("script: 99 is no HTTP status", raised(world.fake, world, "shop@local", 99))
    assert.matches("script.repl: unknown key; did you mean \"reply\"", raised(world.fake, world, "shop@local", { repl = 1 }))
    assert.matches("script.last: a list of entries", raised(world.fake, world, "shop@local", { "ok", last = "ok" }))
    assert.matches("is not a code", raised(world.fake, world, "shop@local", { error = "no", code = "no" }))
  end)
end)

describe("a world's trace of a message", function()
  local world

  before_each(function() world = test.world() end)
  after_each(function() world:close() end)

  local function load(fields, handle)
    fields.address, fields.on = "mail@local", { message = handle }
    world:load(moonpost.agent(fields))
  end

  it("says how it ended, after how many attempts, by which steps", function()
    load({ retry = { jitter = 0 } }, function(ctx) if ctx.attempt < 3 then error "not yet" end end)
    local id = world:send("mail@local", {})
    assert.equal("deferred", world:trace(id).state)
    world:settle()
    local trace = world:trace(id)
    assert.equal("handled", trace.state)
    assert.equal(3, trace.attempts)
    local steps = {}
    for index, step in ipairs(trace.steps) do steps[index] = step.fact end
    assert.same({ "stored", "delivered", "retrying", "delivered", "retrying", "delivered", "handled" }, steps)
  end)

  it("knows dead letters, and those that were given another try", function()
    local works = false
    load({ retry = { attempts = 1 } }, function() if not works then error "broken" end end)
    local id = world:send("mail@local", {})
    assert.equal("dead", world:trace(id).state)
    works = true
    assert(world:call("$node", { agent = "mail@local" }, { method = "dead.requeue" }))
    world:settle()
    assert.equal("handled", world:trace(id).state)
  end)

  it("says where it waits", function()
    load({}, function() moonpost.sleep "3s" end)
    local id = world:send("mail@local", {})
    assert.equal("leased", world:trace(id).state)
    local nowhere = world:send("nobody@local", {})
    assert.equal("deferred", world:trace(nowhere).state)
    assert.equal(0, world:trace(nowhere).attempts)
  end)

  it("is nil for what nobody knows", function()
    assert.is_nil(world:trace "unheard-of")
  end)
end)

describe("a world's metric", function()
  it("is what moonpost metrics shows, over all nodes or of one, by its labels", function()
    local world = test.world()
    world:node "hub"
    world:node("office", { links = { "hub" } })
    for _, name in ipairs { "hub", "office" } do
      world:fake(("mail@%s"):format(name), { 500 }, { node = name })
    end
    for _ = 1, 3 do world:send("mail@office", {}, { from = "hub" }) end
    world:send("mail@hub", {}, { from = "hub" })
    world:settle()
    assert.equal(2, world:metric "moonpost_messages_handled_total")
    assert.equal(2, world:metric("messages_handled_total", nil, { node = "office" }))
    assert.equal(1, world:metric("queue_dead_messages", { queue = "mail@hub", kind = "mailbox" }))
    assert.equal(0, world:metric("queue_dead_messages", { queue = "nobody@x" }))
    assert.matches('no metric "moonpost_message_handled_total"; did you mean "moonpost_messages_handled_total"',
      raised(world.metric, world, "message_handled_total"))
    world:close()
  end)

  it("leaves no fact behind, and asks none that is down", function()
    local world = test.world()
    world:node "one"
    world:node "two"
    local before = #world:facts()
    assert.equal(2, world:metric("node_info"))
    assert.equal(before, #world:facts())
    world:crash "two"
    assert.equal(1, world:metric("node_info"))
    world:close()
  end)
end)
