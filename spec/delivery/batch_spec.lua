local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"
local test = require "moonpost.test"

describe("an agent with a batch", function()
  local world, batches

  before_each(function()
    batches = {}
    world = delivery.chain()
  end)

  local function bodies(msgs)
    local found = {}
    for index, msg in ipairs(msgs) do found[index] = msg.body end
    return found
  end

  local function note(_, msgs) batches[#batches + 1] = bodies(msgs) end

  local function agent(handle, fields)
    local declared = { batch = { size = 3, within = 2, handle = handle or note }, on = {},
      retry = { attempts = 2, first = 10, jitter = 0 } }
    for name, value in pairs(fields or {}) do declared[name] = value end
    delivery.agent(world, nil, declared)
  end

  local function send(...)
    local ids = {}
    for _, body in ipairs { ... } do ids[#ids + 1] = delivery.send(world, body) end
    return unpack(ids)
  end

  -- Which messages came to this, sorted.
  local function ends(kind)
    local found = {}
    for _, fact in ipairs(delivery.facts(world, kind)) do found[#found + 1] = fact.id end
    table.sort(found)
    return found
  end

  local function send_named(...)
    for _, id in ipairs { ... } do delivery.send(world, id, { id = id }) end
  end

  it("is handed so many messages at once, in their order", function()
    agent()
    send("a", "b", "c", "d", "e", "f")
    world:advance(1)
    assert.same({ { "a", "b", "c" }, { "d", "e", "f" } }, batches)
  end)

  it("is handed fewer when the first has waited as long as it may", function()
    agent()
    local a = send "a"
    world:advance(1)
    local b = send "b"
    world:settle()
    assert.same({ { "a", "b" } }, batches)
    assert.same({ 2 }, world:times(a, "delivered"))
    assert.same({ 1 }, world:times(b, "delivered"))
  end)

  it("has defaults of 100 and 200 ms", function()
    agent(nil, { batch = { handle = note } })
    local id
    for n = 1, 130 do id = delivery.send(world, "m" .. n) end
    world:settle()
    assert.same({ 100, 30 }, { #batches[1], #batches[2] })
    assert.same({ 0.2 }, world:times(id, "delivered"))
  end)

  it("may answer one result for all", function()
    agent(function() return "done" end)
    local receipts = {}
    for n = 1, 3 do receipts[n] = delivery.send(world, "x" .. n, { await = "handled" }) end
    world:settle()
    for n = 1, 3 do assert.equal("done", world:receipt(receipts[n]).result) end
  end)

  it("may answer for each: outcomes and results; what is missing is an ack", function()
    local seen, deferred = {}, false
    delivery.agent(world, nil, {
      on = {}, retry = { attempts = 2, first = 10, jitter = 0 },
      batch = { size = 5, within = 2, handle = function(ctx, msgs)
        seen[#seen + 1] = { ctx.attempt, #msgs }
        local answers = {}
        for index, msg in ipairs(msgs) do
          if msg.body == "later" and ctx.attempt == 1 then answers[index] = moonpost.retry("later", { delay = 5 }) end
          if msg.body == "not now" and not deferred then
            answers[index], deferred = moonpost.defer("busy", { delay = 50 }), true
          end
          if msg.body == "never" then answers[index] = moonpost.reject("no", { code = "NEVER" }) end
          if msg.body == "result" then answers[index] = { n = index } end
        end
        return answers
      end },
    })
    local result = delivery.send(world, "result", { await = "handled" })
    delivery.send(world, "later", { id = "later" })
    delivery.send(world, "not now", { id = "not now" })
    local never = delivery.send(world, "never", { await = "handled" })
    local plain = delivery.send(world, "plain", { await = "handled" })
    world:settle()
    assert.same({ n = 1 }, world:receipt(result).result)
    assert.equal("NEVER", world:receipt(never).code)
    assert.is_true(world:receipt(plain).ok)
    assert.same({ 0, 7 }, world:times("later", "delivered"))
    assert.same({ { 1, 5 }, { 2, 1 } }, { seen[1], seen[2] })
    assert.equal(1, delivery.facts(world, "delivered", "not now")[2].attempt)
  end)

  it("rolls all back when it raises, and each message has its own attempts", function()
    local tries = {}
    agent(function(ctx, msgs)
      tries[#tries + 1] = { attempt = ctx.attempt, last = ctx.last, bodies = table.concat(bodies(msgs), " ") }
      error "no"
    end)
    send_named("a", "b", "c")
    world:advance(5)
    send_named "d"
    world:settle()
    assert.same({
      { attempt = 1, last = false, bodies = "a b c" },
      { attempt = 1, last = false, bodies = "d" },
      { attempt = 2, last = true, bodies = "a b c" },
      { attempt = 2, last = true, bodies = "d" },
    }, tries)
    assert.equal(4, #world:dead("a@x"))
  end)

  it("commits what it sends and writes once, when at least one message is acknowledged", function()
    delivery.agent(world, function() end, { address = "b@x" })
    agent(function(ctx, msgs)
      ctx.state.n = (ctx.state.n or 0) + #msgs
      ctx:send("b@x", ctx.state.n)
      if msgs[1].body == "none" then return { moonpost.reject "no" } end
      return { [2] = moonpost.reject "no" }
    end)
    send("a", "b", "c")
    world:advance(1)
    send "none"
    world:settle()
    send("a", "b", "c")
    world:settle()
    assert.same({ 3, 6 }, delivery.bodies(world, "b@x"))
    assert.equal(3, #world:dead("a@x"))
  end)

  it("runs again as a whole, at no attempt, when its state has changed meanwhile", function()
    local attempts = {}
    agent(function(ctx, msgs)
      local n = ctx.state.n or 0
      attempts[#attempts + 1] = ctx.attempt
      moonpost.sleep(#msgs * 2)
      ctx.state.n = n + #msgs
      return ctx.state.n
    end)
    send("a", "b", "c")
    local last = delivery.send(world, "d", { await = "handled" })
    world:settle()
    assert.equal(1, world:receipt(last).result)
    for _, attempt in ipairs(attempts) do assert.equal(1, attempt) end
    assert.equal(3, #attempts)
    local after = delivery.send(world, "e", { await = "handled" })
    world:settle()
    assert.equal(5, world:receipt(after).result)
  end)

  it("fails as a whole when it takes longer than its timeout, unless it extends it", function()
    agent(function(ctx, msgs)
      if msgs[1].body == "long" then ctx:extend(20) end
      moonpost.sleep(8)
    end, { timeout = 5, retry = { attempts = 1 } })
    send_named("a", "b")
    world:settle()
    assert.same({ "a", "b" }, ends "dead")
    local long = delivery.send(world, "long", { id = "long" })
    send_named "e"
    world:settle()
    assert.same({ 10 }, world:times(long, "handled"))
    assert.same({ "e", "long" }, ends "handled")
  end)

  it("is one delivery for `concurrency`", function()
    agent(function(_, msgs)
      batches[#batches + 1] = #msgs
      moonpost.sleep(10)
    end, { concurrency = 1 })
    for n = 1, 7 do delivery.send(world, "m" .. n) end
    world:advance(9)
    assert.same({ 3 }, batches)
    world:settle()
    assert.same({ 3, 3, 1 }, batches)
  end)

  it("hands messages with a method to it, at once and one by one", function()
    local paid = 0
    agent(nil, { methods = { pay = function() paid = paid + 1 end } })
    send "a"
    local id = delivery.send(world, "x", { method = "pay" })
    delivery.send(world, "y", { method = "pay" })
    world:settle()
    assert.equal(2, paid)
    assert.same({ { "a" } }, batches)
    assert.same({ 0 }, world:times(id, "delivered"))
  end)

  it("has no facts of one message in its ctx", function()
    local facts
    agent(function(ctx)
      facts = { key = ctx.key, expires = ctx.expires, requeues = ctx.requeues, profile = ctx.profile,
        transmission = ctx.transmission, id_for = select(2, pcall(ctx.id_for, ctx, "x")) }
    end)
    delivery.send(world, "a", { key = "k", expires = 60 })
    world:settle()
    assert.matches("no one message here", facts.id_for)
    facts.id_for = nil
    assert.same({ profile = "at-least-once", transmission = 1 }, facts)
  end)

  it("asks its questions under new ids, because a batch is not the same at the next attempt", function()
    local asked = {}
    delivery.agent(world, function(_, msg) asked[#asked + 1] = msg.id end, { address = "b@x" })
    agent(function(ctx)
      ctx:call("b@x", "q")
      if ctx.attempt == 1 then error "no" end
    end)
    send "a"
    world:settle()
    assert.equal(2, #asked)
    assert.are_not.equal(asked[1], asked[2])
  end)

  it("refuses answers to what is not there", function()
    agent(function(ctx, msgs) return ctx.attempt == 1 and { [#msgs + 1] = moonpost.reject "no" } or { done = true } end)
    send("a", "b", "c")
    world:settle()
    local failures = world:dead("a@x")[1].failures
    assert.matches("a batch of 3 answers by index, 1 to 3, not by 4", failures[1].error)
    assert.matches('not by "done"', failures[2].error)
  end)

  it("keeps the order of `strict`: a retry holds all behind it", function()
    agent(function(ctx, msgs)
      note(ctx, msgs)
      if ctx.attempt == 1 then return { [2] = moonpost.retry("no", { delay = 5 }) } end
    end, { order = "strict" })
    send("a", "b", "c", "d")
    world:settle()
    assert.same({ { "a", "b", "c" }, { "b", "d" } }, batches)
  end)

  it("takes duplicates out before it is handed them", function()
    agent(nil, { dedup = { ttl = 3600, key = function(msg) return msg.body end } })
    send("a", "a", "b")
    world:settle()
    assert.same({ { "a", "b" } }, batches)
    assert.equal(1, #ends "duplicate")
  end)

  it("settles what is at most once before it is called, and loses what it refuses", function()
    agent(function(ctx, msgs)
      note(ctx, msgs)
      return { moonpost.retry "no", moonpost.retry "no" }
    end)
    delivery.send(world, "weak", { profile = "at-most-once", id = "weak" })
    send_named "strong"
    world:settle()
    assert.same({ { "weak", "strong" }, { "strong" } }, batches)
    assert.same({ "weak" }, ends "dropped")
    assert.same({ "strong" }, ends "dead")
  end)

  -- Was: one that was settled first left the other alone on the page of what is in hand, and so to blame.
  it("is not to blame when what ended the process had been settled before", function()
    local attempts, killed = {}, false
    world = delivery.chain { owner = { store = { path = "data" } } }
    agent(function(ctx, msgs)
      attempts[#attempts + 1] = { ctx.attempt, #msgs }
      if killed then return end
      killed = true
      world:crash "owner"
    end)
    send_named "strong"
    delivery.send(world, "weak", { profile = "at-most-once" })
    world:advance(3)
    world:restart "owner"
    world:settle()
    assert.same({ { 1, 2 }, { 1, 1 } }, attempts)
  end)

  it("is told of its dead letters one by one", function()
    local told = {}
    agent(function() return moonpost.reject "no" end, { on = { dead = function(_, dead) told[#told + 1] = dead.id end } })
    send_named("a", "b", "c")
    world:settle()
    table.sort(told)
    assert.same({ "a", "b", "c" }, told)
  end)

  it("may be taken away by a reload: what waits goes to on.message", function()
    local single = {}
    agent()
    send("a", "b")
    assert.is_true(world:reload("a@x", moonpost.agent {
      address = "a@x", on = { message = function(_, msg) single[#single + 1] = msg.body end },
    }, { node = "owner" }))
    world:settle()
    assert.same({ "a", "b" }, single)
    assert.same({}, batches)
  end)

  it("loads neither with on.message nor with state by key", function()
    local function refusal(fields)
      fields.address, fields.batch = "a@x", { handle = note }
      return select(2, pcall(moonpost.agent, fields))
    end
    assert.matches("agent.batch: it is called instead of on.message", refusal { on = { message = note } })
    assert.matches('agent.batch: not with order = "key"', refusal { order = "key" })
    assert.matches("agent.batch.size: .* 1 to 1000", select(2, pcall(moonpost.agent,
      { address = "a@x", batch = { size = 1001, handle = note } })))
    assert.matches("agent.batch.handle: required", select(2, pcall(moonpost.agent, { address = "a@x", batch = {} })))
  end)
end)

describe("messages that were to be handed over together", function()
  local world, ran

  before_each(function() world, ran = test.world(), {} end)
  after_each(function() world:close() end)

  local function took(msg) ran[#ran + 1] = msg.body end

  local function agent(batch)
    return moonpost.agent {
      address = "a@x",
      profile = "at-most-once",
      batch = batch and {
        size = 3,
        within = "1s",
        handle = function(_, msgs)
          for _, msg in ipairs(msgs) do took(msg) end
        end,
      } or nil,
      on = { message = not batch and function(_, msg) took(msg) end or nil },
    }
  end

  -- Was: only the first one was, and all were handled.
  it("are each, by an agent that takes them one by one since they wait for their commit", function()
    world:load(agent(true))
    world:send("a@x", "a")
    world:send("a@x", "b")
    world:advance "10ms"
    world:disk("node", nil, { commit = "5s" })
    world:send("a@x", "c")
    world:advance "100ms"
    world:reload("a@x", agent(false))
    world:advance "1m"
    assert.same({ "a", "b", "c" }, ran)
    assert.equal(3, world:counts("node").handled)
  end)

  it("wait as long as they may when the first of them has expired", function()
    world:load(moonpost.agent { address = "a@x", batch = { size = 10, within = "10s", handle = function() end } })
    world:send("a@x", "a", { expires = "1s" })
    world:advance "9s"
    local id = world:send("a@x", "b")
    world:advance "30s"
    assert.same({ 10 }, world:times(id, "delivered"))
  end)
end)
