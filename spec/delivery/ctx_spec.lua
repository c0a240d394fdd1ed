local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"
local test = require "moonpost.test"

describe("ctx:id_for", function()
  local world, ids

  before_each(function()
    world, ids = test.world(), {}
  end)
  after_each(function() world:close() end)

  local function agent(handler, fields)
    local declared = { address = "a@x", retry = { jitter = 0 }, on = { message = handler } }
    for name, value in pairs(fields or {}) do declared[name] = value end
    world:load(moonpost.agent(declared))
  end

  it("answers the message's id and the label, the same at every attempt", function()
    agent(function(ctx)
      ids[#ids + 1] = ctx:id_for "charge"
      if ctx.attempt < 3 then error "no" end
    end)
    world:send("a@x", "x", { id = "order-7" })
    world:settle()
    assert.same({ "order-7/charge", "order-7/charge", "order-7/charge" }, ids)
  end)

  it("answers an id that is no longer than ids may be, another for each message and label", function()
    agent(function(ctx)
      ids[#ids + 1] = ctx:id_for "charge"
      ids[#ids + 1] = ctx:id_for(("l"):rep(64))
    end)
    world:send("a@x", "x", { id = ("i"):rep(127) .. "1" })
    world:send("a@x", "x", { id = ("i"):rep(127) .. "2" })
    world:settle()
    local seen = {}
    for _, id in ipairs(ids) do
      assert.equal(128, #id)
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.equal(4, #ids)
    assert.matches("^i+~%x+/charge$", ids[1])
  end)

  it("never cuts a character of the id", function()
    agent(function(ctx) ids[1] = ctx:id_for "ab" end)
    world:send("a@x", "x", { id = ("é"):rep(64) })
    world:settle()
    assert.matches("^[\195\169]+~%x+/ab$", ids[1])
    assert.equal(0, #ids[1]:match("^[^~]+") % 2)
  end)

  it("refuses a label that is none, and places without a message", function()
    local failure
    agent(function(ctx) ctx:id_for(("l"):rep(65)) end, {
      retry = { attempts = 1 },
      on = {
        message = function(ctx) ctx:id_for(("l"):rep(65)) end,
        start = function(ctx) failure = select(2, pcall(ctx.id_for, ctx, "x")) end,
      },
    })
    assert.matches("ctx:id_for: there is no one message here", failure)
    world:send("a@x", "x")
    world:settle()
    assert.matches("ctx:id_for: label: .*64", world:dead("a@x")[1].reason)
  end)

  it("names the questions of a handler: one that runs again asks the same one", function()
    local asked = {}
    world:load(moonpost.agent {
      address = "b@x",
      on = { message = function(_, msg) asked[#asked + 1] = msg.id end },
    })
    agent(function(ctx)
      ctx:call("b@x", "first")
      ctx:call("b@x", "second")
      if ctx.attempt == 1 then error "no" end
    end)
    world:send("a@x", "x", { id = "m" })
    world:send("a@x", "x", { id = ("i"):rep(128) })
    world:settle()
    local times = {}
    for _, id in ipairs(asked) do times[id] = (times[id] or 0) + 1 end
    assert.equal(2, times["m/call-1"])
    assert.equal(2, times["m/call-2"])
    assert.equal(8, #asked)
    for _, count in pairs(times) do assert.equal(2, count) end
  end)
end)

describe("ctx:extend", function()
  local world, failures

  before_each(function()
    failures = {}
    world = delivery.chain()
  end)

  local function agent(handler, fields)
    delivery.agent(world, handler, fields or { timeout = 10, retry = { attempts = 1 } })
  end

  it("gives a delivery more than was left of its timeout", function()
    agent(function(ctx)
      moonpost.sleep(9)
      ctx:extend "20s"
      moonpost.sleep(19.9)
    end)
    local id = delivery.send(world, "x")
    world:settle()
    assert.same({ 28.9 }, world:times(id, "handled"))
  end)

  it("gives it less, too", function()
    agent(function(ctx)
      ctx:extend(2)
      moonpost.sleep(5)
    end)
    local id = delivery.send(world, "x")
    world:settle()
    assert.same({ 2 }, world:times(id, "dead"))
    assert.equal("the delivery took longer than the 2 s that ctx:extend gave it", world:dead("a@x")[1].reason)
  end)

  it("ends with the delivery: the next attempt has its timeout", function()
    agent(function(ctx)
      if ctx.attempt == 1 then ctx:extend "1m" end
      moonpost.sleep(90)
    end, { timeout = 10, retry = { attempts = 2, first = 1, jitter = 0 } })
    local id = delivery.send(world, "x")
    world:settle()
    assert.same({ 71 }, world:times(id, "dead"))
    for index, failure in ipairs(world:dead("a@x")[1].failures) do failures[index] = failure.error end
    assert.same({
      "the delivery took longer than the 60 s that ctx:extend gave it",
      "the delivery took longer than its timeout of 10 s",
    }, failures)
  end)

  it("is refused without a duration, and where nothing bounds", function()
    agent(function(ctx) ctx:extend(0) end, {
      retry = { attempts = 1 },
      on = {
        message = function(ctx) ctx:extend(0) end,
        start = function(ctx) failures[1] = select(2, pcall(ctx.extend, ctx, 5)) end,
      },
    })
    delivery.send(world, "x")
    world:settle()
    assert.matches("on.start and on.stop have no timeout", failures[1])
    assert.matches("ctx:extend: 0 is no time at all", world:dead("a@x")[1].reason)
  end)
end)

describe("a question that nobody waits for any more", function()
  local world, charged

  before_each(function() world, charged = test.world(), 0 end)
  after_each(function() world:close() end)

  local function load_card()
    world:load(moonpost.agent { address = "card@x", on = { message = function() charged = charged + 1 end } })
  end

  local function load_shop(options)
    local function ask(ctx) return ctx:call("card@x", "charge", options) end
    world:load(moonpost.agent { address = "shop@x", retry = { attempts = 4, jitter = 0 }, on = { message = ask } })
  end

  it("is handed over to nobody who comes later, however often it was asked", function()
    load_shop { timeout = "2s" }
    world:send("shop@x", "order")
    world:advance "2m"
    assert.equal("DEAD", world:dead("shop@x")[1].code)
    load_card()
    world:settle()
    assert.equal(0, charged)
  end)

  it("is so when a program has asked, whose receipt says that its time is over", function()
    local _, reason, code = world:call("card@x", "charge", { timeout = "2s" })
    assert.same({ "TIMEOUT", 'no answer in time: no agent at "card@x"' }, { code, reason })
    load_card()
    world:settle()
    assert.equal(0, charged)
  end)

  it("is over in the mailbox, too", function()
    local function slow()
      charged = charged + 1
      moonpost.sleep "10s"
    end
    world:load(moonpost.agent { address = "card@x", concurrency = 1, on = { message = slow } })
    world:send("card@x", "another")
    local _, reason = world:call("card@x", "charge", { timeout = "2s" })
    assert.equal("no answer in time; it is handed over no more, but may have been", reason)
    world:settle()
    assert.equal(1, charged)
  end)
end)
