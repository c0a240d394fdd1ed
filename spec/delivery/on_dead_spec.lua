local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

describe("on.dead", function()
  local world, told

  before_each(function()
    told = {}
    world = delivery.chain()
  end)

  local function note(ctx, dead) told[#told + 1] = { ctx = ctx, dead = dead } end

  local function agent(on_dead, fields)
    fields = fields or {}
    fields.retry = fields.retry or { attempts = 2, first = 1, jitter = 0 }
    fields.on = { message = fields.message or function(_, msg) error("no " .. msg.body) end, dead = on_dead or note }
    fields.message = nil
    delivery.agent(world, nil, fields)
  end

  it("is told of each message that died, with all there is to know", function()
    local facts = {}
    agent(function(ctx, dead)
      note(ctx, dead)
      facts = { key = ctx.key, attempt = ctx.attempt, last = ctx.last, id = ctx:id_for "mail" }
    end)
    delivery.send(world, "good", { id = "m1", key = "k" })
    world:settle()
    assert.equal(1, #told)
    local dead = told[1].dead
    assert.same({ "m1", "a@x", "k", "HANDLER_ERROR", 2, "client" },
      { dead.id, dead.address, dead.key, dead.failures[1].code, dead.attempts, dead.from })
    assert.equal("DEAD", dead.code)
    assert.matches("no good$", dead.reason)
    assert.same({ "good", "m1" }, { dead.message.body, dead.message.id })
    assert.equal(2, #dead.failures)
    assert.equal(1, dead.last_at - dead.first_at)
    assert.same({ key = "k", attempt = 1, last = false, id = "m1/dead/mail" }, facts)
  end)

  it("has the code and the method of a message that was rejected", function()
    agent(nil, { methods = { buy = function() return moonpost.reject("sold out", { code = "SOLD" }) end } })
    delivery.send(world, "x", { method = "buy" })
    world:settle()
    assert.same({ "SOLD", "sold out", "buy", 1 },
      { told[1].dead.code, told[1].dead.reason, told[1].dead.method, told[1].dead.attempts })
  end)

  it("does not hear of what was handled, deferred or lost", function()
    agent(nil, { message = function() end })
    delivery.send(world, "x")
    world:settle()
    assert.equal(0, #told)
  end)

  it("commits what it sends and writes, under the key of the dead message", function()
    delivery.agent(world, function() end, { address = "ops@x", node = "client" })
    agent(function(ctx, dead)
      ctx.state.dead = (ctx.state.dead or 0) + 1
      ctx:send("ops@x", dead.id)
      note(ctx, dead)
    end, {
      order = "key",
      key = function(msg) return msg.body end,
      message = function(ctx) return ctx.state.dead and { dead = ctx.state.dead } or error "no" end,
    })
    delivery.send(world, "amy", { id = "m1" })
    world:settle()
    assert.same({ "m1" }, delivery.bodies(world, "ops@x"))
    assert.equal("amy", told[1].dead.key)
    assert.same({ dead = 1 }, world:call("a@x", "amy", { from = "client" }))
  end)

  it("waits for the deliveries of its key, and holds it", function()
    local order = {}
    agent(function()
      order[#order + 1] = "told"
      moonpost.sleep(5)
      order[#order + 1] = "done"
    end, {
      order = "key",
      retry = { attempts = 1 },
      message = function(_, msg)
        order[#order + 1] = msg.body
        if msg.body == "dies" then error "no" end
        moonpost.sleep(3)
      end,
    })
    delivery.send(world, "dies", { key = "k" })
    delivery.send(world, "second", { key = "k" })
    world:advance(4)
    delivery.send(world, "third", { key = "k" })
    world:settle()
    assert.same({ "dies", "told", "done", "second", "third" }, order)
  end)

  it("is tried again as the policy says, and dropped and logged at last: never a dead letter", function()
    agent(function(ctx, dead)
      note(ctx, dead)
      error "still no"
    end)
    delivery.send(world, "x", { id = "m1" })
    world:settle()
    assert.equal(2, #told)
    assert.equal(1, #world:dead("a@x"))
    local dropped = delivery.facts(world, "dropped", "m1/dead")[1]
    assert.matches("^on.dead failed for good after 2 attempts: .*still no$", dropped.reason)
    local lines = {}
    for _, line in ipairs(world:log()) do
      if line.text:find("on.dead failed", 1, true) then lines[#lines + 1] = line.level end
    end
    assert.same({ "error" }, lines)
  end)

  it("may reject, which ends it at once", function()
    agent(function(ctx, dead)
      note(ctx, dead)
      return moonpost.reject "enough"
    end)
    delivery.send(world, "x")
    world:settle()
    assert.equal(1, #told)
    assert.equal(1, #world:dead("a@x"))
  end)

  it("is not asked whether it is a duplicate, and no key function sees it", function()
    local seen = {}
    agent(nil, {
      dedup = { key = function(msg)
        seen[#seen + 1] = msg.body
        return "same"
      end },
      key = function(msg)
        seen[#seen + 1] = msg.body
        return "k"
      end,
    })
    delivery.send(world, "one")
    world:settle()
    delivery.send(world, "two")
    world:settle()
    assert.equal(2, #told)
    for _, body in ipairs(seen) do assert.matches("^%l+$", body) end
  end)

  it("is told again when a letter that was requeued dies again, under another id", function()
    agent(function(ctx) told[#told + 1] = ctx:id_for "mail" end)
    local id = delivery.send(world, "x", { id = "m1" })
    world:settle()
    assert(world:call("$node", { id = id }, { method = "dead.requeue", from = "owner" }))
    world:settle()
    assert.same({ "m1/dead/mail", "m1/dead-2/mail" }, told)
  end)

  it("comes when the node crashed between the death and its handler", function()
    local up = false
    world = delivery.chain { owner = { store = { path = "data" } } }
    agent(function(ctx, dead)
      if not up then moonpost.sleep(20) end
      note(ctx, dead)
    end)
    delivery.send(world, "x", { id = "m1", key = "k" })
    world:advance(5)
    assert.equal(0, #told)
    assert.equal(1, #world:dead("a@x"))
    up = true
    world:crash "owner"
    world:restart "owner"
    world:settle()
    assert.equal(1, #told)
    assert.same({ "m1", "k", "x", 2 },
      { told[1].dead.id, told[1].dead.key, told[1].dead.message.body, #told[1].dead.failures })
  end)

  it("knows the letter although it was removed meanwhile", function()
    agent(function(ctx, dead)
      if ctx.attempt == 1 then return moonpost.retry("later", { delay = 5 }) end
      note(ctx, dead)
    end)
    local id = delivery.send(world, "x")
    world:advance(3)
    assert(world:call("$node", { id = id }, { method = "dead.remove", from = "owner" }))
    assert.equal(0, #world:dead("a@x"))
    world:settle()
    assert.equal("x", told[1].dead.message.body)
  end)

  it("is not among what a world says its agent received", function()
    agent()
    delivery.send(world, "x")
    world:settle()
    assert.same({ "x", "x" }, delivery.bodies(world))
  end)
end)
