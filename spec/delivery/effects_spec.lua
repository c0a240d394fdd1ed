local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

describe("a message sent by a handler", function()
  local world

  before_each(function()
    world = delivery.chain()
    delivery.agent(world, function() end, { address = "b@x", node = "client" })
    delivery.agent(world, function() end, { address = "c@x" })
  end)

  it("leaves when the handler is acked", function()
    delivery.agent(world, function(ctx)
      ctx:send("b@x", "first")
      moonpost.sleep(10)
      ctx:send("c@x", "second")
    end)
    delivery.send(world, "x")
    world:advance(9.999)
    assert.are.equal(0, #world:received("b@x"))
    world:settle()
    assert.are.same({ "first" }, delivery.bodies(world, "b@x"))
    assert.are.same({ "second" }, delivery.bodies(world, "c@x"))
  end)

  for how, outcome in pairs {
    raises = function() error "boom" end,
    ["returns nil and a reason"] = function() return nil, "no" end,
    rejects = function() return moonpost.reject "no" end,
    skips = function() return moonpost.skip "no" end,
    defers = function(ctx) if ctx.attempt then return moonpost.defer("no", { delay = 1 }) end end,
    ["is too slow"] = function() moonpost.sleep(60) end,
  } do
    it("never leaves when the handler " .. how, function()
      delivery.agent(world, function(ctx)
        ctx:send("b@x", "x")
        ctx:send("c@x", "x")
        return outcome(ctx)
      end, { retry = { attempts = 2 }, timeout = 5 })
      delivery.send(world, "x", { expires = 60 })
      world:settle()
      assert.are.equal(0, #world:received("b@x"))
      assert.are.equal(0, #world:received("c@x"))
    end)
  end

  it("leaves outside of the commit when it is immediate, even if the handler fails, and its receipt says so", function()
    local receipt
    delivery.agent(world, function(ctx)
      receipt = ctx:send("b@x", "now", { immediate = true })
      ctx:send("c@x", "never")
      error "boom"
    end, { retry = { attempts = 2, first = "1s" } })
    delivery.send(world, "x")
    world:settle()
    assert.are.same({ "now", "now" }, delivery.bodies(world, "b@x"))
    assert.are.same({}, delivery.bodies(world, "c@x"))
    assert.are.same({ true, "stored" }, { receipt.ok, receipt.level })
  end)

  it("raises the code when it is immediate and refused", function()
    local code
    delivery.agent(world, function(ctx)
      local ok, fault = pcall(ctx.send, ctx, "b@x", ("x"):rep(2 ^ 20 + 1), { immediate = true })
      code = not ok and fault.code
    end)
    delivery.send(world, "x")
    world:settle()
    assert.are.equal("TOO_LARGE", code)
  end)

  it("leaves once when the handler fails first", function()
    delivery.agent(world, function(ctx)
      ctx:send("b@x", ctx.attempt)
      if ctx.attempt < 3 then error "boom" end
    end)
    delivery.send(world, "x")
    world:settle()
    assert.are.same({ 3 }, delivery.bodies(world, "b@x"))
  end)

  it("comes from the agent's address", function()
    delivery.agent(world, function(ctx) ctx:send("b@x", "x") end)
    delivery.send(world, "x")
    world:settle()
    assert.are.equal("a@x", world:received("b@x")[1].from)
  end)

  it("to the agent itself is a timer", function()
    local times = {}
    delivery.agent(world, function(ctx, msg)
      times[#times + 1] = moonpost.now()
      if msg.method == nil then ctx:send(ctx.address, "later", { delay = "10m", method = "remind" }) end
    end, {
      methods = { remind = function() times[#times + 1] = moonpost.now() end },
    })
    delivery.send(world, "x")
    world:settle()
    assert.are.same({ 1767225600, 1767226200 }, times)
  end)

  it("keeps the order in which the handler sent", function()
    delivery.agent(world, function(ctx)
      for n = 1, 20 do ctx:send("b@x", n) end
    end)
    delivery.send(world, "x")
    world:settle()
    assert.are.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 },
      delivery.bodies(world, "b@x"))
  end)

  it("has the options that it was sent with", function()
    delivery.agent(world, function(ctx)
      ctx:send("b@x", "x", { id = "mine", key = "k", headers = { Color = "red" }, delay = 5 })
    end)
    delivery.send(world, "x")
    world:settle()
    local message = world:received("b@x")[1]
    assert.are.equal("mine", message.id)
    assert.are.equal("k", message.key)
    assert.are.same({ color = "red" }, message.headers)
    assert.are.same({ 5 }, { delivery.facts(world, "delivered", "mine")[1].at - delivery.facts(world, "sent", "mine")[1].at })
  end)
end)

describe("a handler's call", function()
  local world, id

  local function ask(handle, options)
    delivery.agent(world, handle)
    id = delivery.send(world, "x", options or { await = "handled" })
    world:settle()
    return world:receipt(id)
  end

  before_each(function() world = delivery.chain() end)

  it("answers the result of the other's handler", function()
    delivery.agent(world, function(_, msg) return msg.body * 2 end, { address = "b@x", node = "client" })
    assert.are.equal(42, ask(function(ctx) return ctx:call("b@x", 21) end).result)
  end)

  it("works between agents of one node", function()
    delivery.agent(world, function(_, msg) return msg.body * 2 end, { address = "b@x" })
    assert.are.equal(42, ask(function(ctx) return ctx:call("b@x", 21) end).result)
  end)

  it("raises the code with which the other rejected", function()
    delivery.agent(world, function() return moonpost.reject("no such user", { code = "NO_USER" }) end,
      { address = "b@x", node = "client" })
    local told = ask(function(ctx)
      local _, fault = pcall(ctx.call, ctx, "b@x", 1)
      return { code = fault.code, reason = fault.reason, text = tostring(fault), ref = fault.ref }
    end).result
    assert.are.same({
      code = "NO_USER", reason = "no such user", text = "NO_USER: no such user", ref = id .. "/call-1",
    }, told)
  end)

  it("raises TIMEOUT after its timeout, and fails the handler if nobody catches that", function()
    delivery.agent(world, function() moonpost.sleep(60) end, { address = "b@x", node = "client", timeout = 100 })
    delivery.agent(world, function(ctx) ctx:call("b@x", 1, { timeout = 5 }) end, { retry = { attempts = 1 } })
    id = delivery.send(world, "x", { await = "handled" })
    world:settle()
    assert.are.same({ 5 }, world:times(id, "nacked"))
    assert.are.equal("TIMEOUT", world:dead("a@x")[1].failures[1].code)
  end)

  it("has the same id when the handler runs again, so that a callee that deduplicates answers from memory", function()
    local asked = 0
    delivery.agent(world, function()
      asked = asked + 1
      return asked
    end, { address = "b@x", node = "client", dedup = {} })
    local receipt = ask(function(ctx)
      local one, two = ctx:call("b@x", "one"), ctx:call("b@x", "two")
      if ctx.attempt < 3 then error "boom" end
      return { one, two }
    end)
    assert.are.same({ 1, 2 }, receipt.result)
    assert.are.equal(2, asked)
    assert.are.same({ "one", "two" }, delivery.bodies(world, "b@x"))
  end)

  it("leaves at once, even if the handler fails afterwards", function()
    delivery.agent(world, function() end, { address = "b@x", node = "client" })
    ask(function(ctx)
      ctx:call("b@x", "asked")
      return moonpost.reject "no"
    end)
    assert.are.same({ "asked" }, delivery.bodies(world, "b@x"))
  end)

  it("is not resent because the callee is slow", function()
    delivery.agent(world, function() moonpost.sleep(20) return "slow" end, { address = "b@x", node = "client" })
    assert.are.equal("slow", ask(function(ctx) return ctx:call("b@x", 1) end).result)
    assert.are.equal(1, #world:received("b@x"))
  end)

  it("can be made from a coroutine of the handler's own", function()
    delivery.agent(world, function(_, msg) return msg.body end, { address = "b@x", node = "client" })
    local file = os.tmpname()
    local out = assert(io.open(file, "w"))
    out:write([[
      local moonpost = require "moonpost"
      return moonpost.agent { address = "co@x", on = { message = function(ctx)
        local each = coroutine.wrap(function() coroutine.yield(ctx:call("b@x", 1)) coroutine.yield(ctx:call("b@x", 2)) end)
        return { each(), each() }
      end } }]])
    out:close()
    world:load(file, { node = "owner" })
    assert.are.same({ 1, 2 }, (world:call("co@x", "x", { from = "client" })))
    os.remove(file)
  end)

  it("to nobody is TIMEOUT after its timeout", function()
    local told = ask(function(ctx)
      local _, fault = pcall(ctx.call, ctx, "nobody@x", 1, { timeout = 20 })
      return fault.code
    end).result
    assert.are.equal("TIMEOUT", told)
  end)
end)

describe("deliveries of an agent", function()
  local world

  before_each(function() world = delivery.chain() end)

  local function most_at_once(concurrency, messages)
    local now, most = 0, 0
    delivery.agent(world, function()
      now = now + 1
      most = math.max(most, now)
      moonpost.sleep(1)
      now = now - 1
    end, { concurrency = concurrency })
    local last
    for n = 1, messages do last = delivery.send(world, n, { await = "handled" }) end
    world:settle()
    return most, world:times(last, "handled")[1]
  end

  it("run eight side by side unless it says otherwise", function()
    assert.are.same({ 8, 3 }, { most_at_once(nil, 24) })
  end)

  it("run as many side by side as it says", function()
    assert.are.same({ 3, 4 }, { most_at_once(3, 12) })
  end)

  it("run one after the other with a concurrency of one, in order", function()
    assert.are.same({ 1, 5 }, { most_at_once(1, 5) })
    assert.are.same({ 1, 2, 3, 4, 5 }, delivery.bodies(world))
  end)

  it("let others pass while one waits for its retry", function()
    delivery.agent(world, function(ctx, msg)
      if msg.body == 1 and ctx.attempt == 1 then error "boom" end
    end, { concurrency = 1 })
    for n = 1, 3 do delivery.send(world, n) end
    world:settle()
    assert.are.same({ 1, 2, 3, 1 }, delivery.bodies(world))
  end)

  it("sleep in virtual time", function()
    local before, after
    delivery.agent(world, function()
      before = moonpost.now()
      moonpost.sleep "90ms"
      after = moonpost.now()
    end)
    delivery.send(world, "x")
    world:settle()
    assert.are.equal(1767225600, before)
    assert.are.equal(1767225600.09, after)
  end)
end)

describe("room for what a handler sends", function()
  local world, raised

  -- The agent "a@x" sends `count` messages to `to` and notes what stopped it.
  local function sends(to, count, after)
    raised = {}
    delivery.agent(world, function(ctx)
      for n = 1, count do
        local ok, why = pcall(ctx.send, ctx, to, n)
        if not ok then raised[#raised + 1] = why end
      end
      if after then after(ctx) end
    end, { concurrency = 2 })
  end

  it("is kept when it asks, and BUSY is raised when the mailbox of an agent here has none left", function()
    world = delivery.chain { owner = { mailbox = { max = 2 } } }
    delivery.agent(world, function() moonpost.sleep(10) end, { address = "b@x", concurrency = 1 })
    sends("b@x", 5)
    delivery.send(world, "go")
    world:settle()
    assert.are.equal(3, #raised)
    assert.are.equal("BUSY", raised[1].code)
    assert.are.equal("the mailbox is at its limit", raised[1].reason)
    assert.is_false(raised[1].final)
    assert.are.same({ 1, 2 }, delivery.bodies(world, "b@x"))
  end)

  it("is kept in the outbox likewise: STORE_FULL", function()
    world = delivery.chain { owner = { outbox = { max = 2 } } }
    sends("far@x", 3)
    delivery.send(world, "go")
    world:advance(1)
    assert.are.equal(1, #raised)
    assert.are.equal("STORE_FULL", raised[1].code)
  end)

  it("is free again when the handler fails, and is nobody else's before", function()
    world = delivery.chain { owner = { mailbox = { max = 2 } } }
    delivery.agent(world, function() end, { address = "b@x" })
    local first = true
    sends("b@x", 2, function()
      if not first then return end
      first = false
      moonpost.sleep(10)
      error "boom"
    end)
    delivery.send(world, "go")
    world:advance(5)
    local id = world:send("b@x", "other", { from = "owner", fail_fast = true })
    assert.are.equal("BUSY", world:receipt(id).code)
    world:settle()
    assert.are.same({ 1, 2 }, delivery.bodies(world, "b@x"))
    assert.are.equal(0, #raised)
  end)

  it("is free again when the delivery times out", function()
    world = delivery.chain { owner = { mailbox = { max = 2 } } }
    delivery.agent(world, function() end, { address = "b@x" })
    delivery.agent(world, function(ctx)
      ctx:send("b@x", "x")
      ctx:send("b@x", "y")
      moonpost.sleep(60)
    end, { timeout = 1, retry = { attempts = 1 } })
    delivery.send(world, "go")
    world:advance(2)
    local id = world:send("b@x", "other", { from = "owner" })
    world:settle()
    assert.are.equal("stored", world:receipt(id).level)
  end)

  it("is not the only thing that can be missing: a strict node raises PROFILE_MISMATCH", function()
    world = delivery.chain { owner = { strict = true } }
    delivery.agent(world, function() end, { address = "b@x", profile = "at-least-once" })
    local why
    delivery.agent(world, function(ctx)
      local _
      _, why = pcall(ctx.send, ctx, "b@x", "x", { profile = "at-most-once" })
    end)
    delivery.send(world, "go")
    world:settle()
    assert.are.equal("PROFILE_MISMATCH", why.code)
  end)
end)

describe("what a handler sent to an agent of its node", function()
  it("is a dead letter when a hook drops it, because nobody is there to hear of it", function()
    local world = delivery.chain()
    delivery.agent(world, function() end, { address = "b@x" })
    delivery.agent(world, function(ctx) ctx:send("b@x", "lost?") end)
    world:fault(moonpost.hook {
      store = function(message) if message.to == "b@x" then return moonpost.drop "not today" end end,
    }, { node = "owner" })
    local id = delivery.send(world, "go", { await = "handled" })
    world:settle()
    assert.is_true(world:receipt(id).ok)
    local dead = world:dead("b@x")
    assert.are.equal(1, #dead)
    assert.are.equal("REJECTED", dead[1].code)
    assert.are.equal("lost?", dead[1].message.body)
  end)
end)
