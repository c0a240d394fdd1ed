local moonpost = require "moonpost"
local delivery = require "spec.support.delivery"

describe("a handler", function()
  local world, id

  -- The agent's outcomes come from this function of ctx; the message is sent and all is over.
  local function deliver(handle, fields, options)
    delivery.agent(world, handle, fields)
    id = delivery.send(world, "x", options or { await = "handled" })
    world:settle()
    return world:receipt(id)
  end

  before_each(function() world = delivery.chain() end)

  it("that returns nothing acks", function()
    local receipt = deliver(function() end)
    assert.are.equal("ack", receipt.type)
    assert.are.equal("handled", receipt.level)
    assert.is_nil(receipt.result)
  end)

  it("that makes an outcome and does not return it acks, and the log says so", function()
    local moonpost_line
    assert.is_true(deliver(function() moonpost.reject "no" end).ok)
    for _, line in ipairs(world:log()) do
      if line.text:find("was made", 1, true) then moonpost_line = line end
    end
    assert.equal('acknowledged, although moonpost.reject("no") was made: an outcome counts when it is returned; '
      .. "write: return moonpost.reject(…)", moonpost_line.text)
    assert.equal("warn", moonpost_line.level)
  end)

  it("that catches an outcome it raised, or returns it, is not warned", function()
    deliver(function(ctx)
      pcall(error, moonpost.retry "later")
      if ctx.attempt == 1 then return moonpost.retry("again", { delay = "1s" }) end
    end)
    local warned = 0
    for _, line in ipairs(world:log()) do
      if line.text:find("was made", 1, true) then warned = warned + 1 end
    end
    assert.equal(1, warned) -- of the last attempt, which acked
  end)

  it("that returns plain data acks with it as the result", function()
    assert.are.same({ list = { 1, 2 }, text = "ü" }, deliver(function() return { list = { 1, 2 }, text = "ü" } end).result)
  end)

  it("that returns false acks with false", function()
    assert.are.equal(false, deliver(function() return false end).result)
  end)

  it("that raises is run again by the policy, with the next attempt", function()
    local attempts = {}
    deliver(function(ctx)
      attempts[#attempts + 1] = ctx.attempt .. tostring(ctx.last)
      error "boom"
    end, { retry = { attempts = 3, jitter = 0 } })
    assert.are.same({ "1false", "2false", "3true" }, attempts)
    assert.are.same({ 0, 1, 3 }, world:times(id, "delivered"))
  end)

  it("that fails to the end is a dead letter, of which its sender is told", function()
    local receipt = deliver(delivery.failing, { retry = { attempts = 3, jitter = 0 } })
    assert.are.equal("DEAD", receipt.code)
    assert.are.equal("it does not work", receipt.reason)
    assert.are.equal(1, #world:dead("a@x"))
  end)

  it("that returns nil and a reason has failed", function()
    deliver(function() return nil, "timeout" end, { retry = { attempts = 2, jitter = 0 } })
    assert.are.equal(2, #world:times(id, "delivered"))
    assert.are.equal("timeout", world:dead("a@x")[1].failures[1].error)
  end)

  it("that returns nil, a reason and a final code is rejected with it", function()
    local receipt = deliver(function() return nil, "no such field", "BAD_SCHEMA" end)
    assert.are.equal("BAD_SCHEMA", receipt.code)
    assert.are.equal(1, #world:times(id, "delivered"))
  end)

  it("that raises a final error is rejected", function()
    local receipt = deliver(function() error({ code = "CLOSED", reason = "shop is closed", final = true }) end)
    assert.are.equal("CLOSED", receipt.code)
    assert.are.equal("shop is closed", receipt.reason)
    assert.are.equal(1, #world:times(id, "delivered"))
  end)

  it("may ask for a retry at a time of its own", function()
    local runs = 0
    deliver(function()
      runs = runs + 1
      if runs == 1 then return moonpost.retry("busy", { delay = 7 }) end
    end)
    assert.are.same({ 0, 7 }, world:times(id, "delivered"))
  end)

  it("may ask for a retry when the policy says", function()
    local runs = 0
    deliver(function()
      runs = runs + 1
      if runs < 3 then return moonpost.retry "busy" end
    end)
    assert.are.same({ 0, 1, 3 }, world:times(id, "delivered"))
  end)

  it("that asks for a retry beyond its attempts is a dead letter", function()
    local receipt = deliver(function() return moonpost.retry("busy", { delay = 1 }) end, { retry = { attempts = 2 } })
    assert.are.equal("DEAD", receipt.code)
    assert.are.same({ 0, 1 }, world:times(id, "delivered"))
  end)

  it("that defers is run again with the same attempt, as often as it likes", function()
    local attempts = {}
    deliver(function(ctx)
      attempts[#attempts + 1] = ctx.attempt
      if #attempts < 10 then return moonpost.defer("not now", { delay = 60 }) end
    end, { retry = { attempts = 2 } })
    assert.are.same({ 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, attempts)
    assert.are.same({ 540 }, world:times(id, "handled"))
  end)

  it("may defer to a moment", function()
    local runs = 0
    deliver(function()
      runs = runs + 1
      if runs == 1 then return moonpost.defer("night", { at = "2026-01-01T06:00:00Z" }) end
    end)
    assert.are.same({ 0, 21600 }, world:times(id, "delivered"))
  end)

  it("keeps its failed attempts when it defers between them", function()
    local attempts = {}
    deliver(function(ctx)
      attempts[#attempts + 1] = ctx.attempt
      if #attempts % 2 == 1 then return nil, "failed" end
      return moonpost.defer("not now", { delay = 1 })
    end, { retry = { attempts = 2, jitter = 0 } })
    assert.are.same({ 1, 2, 2 }, attempts)
    assert.are.equal(1, #world:dead("a@x"))
  end)

  it("that rejects makes a dead letter at once, with its code and reason", function()
    local receipt = deliver(function() return moonpost.reject("no such user", { code = "NO_USER" }) end)
    assert.are.equal("NO_USER", receipt.code)
    assert.are.equal("no such user", receipt.reason)
    assert.are.equal("NO_USER", world:dead("a@x")[1].code)
    assert.are.same({ 0 }, world:times(id, "delivered"))
  end)

  it("that rejects without a code is REJECTED", function()
    assert.are.equal("REJECTED", deliver(function() return moonpost.reject "no" end).code)
  end)

  it("that skips acks without a result", function()
    local receipt = deliver(function() return moonpost.skip "seen elsewhere" end)
    assert.are.equal("handled", receipt.level)
    assert.is_nil(receipt.result)
    assert.are.equal("seen elsewhere", delivery.facts(world, "handled", id)[1].reason)
  end)

  it("may raise an outcome from any depth", function()
    local receipt = deliver(function()
      local function deep() error(moonpost.reject "deep down") end
      deep()
    end)
    assert.are.equal("deep down", receipt.reason)
  end)

  it("that returns what is not plain data has failed, with the path", function()
    local receipt = deliver(function() return { f = print } end, { retry = { attempts = 1 } })
    assert.are.equal("DEAD", receipt.code)
    assert.are.equal("BAD_VALUE: result.f is a function", receipt.reason)
  end)

  it("that takes longer than its timeout has failed with TIMEOUT, and is run again", function()
    local runs = 0
    deliver(function()
      runs = runs + 1
      if runs == 1 then moonpost.sleep(60) end
      return runs
    end, { timeout = 5 })
    assert.are.same({ 0, 6 }, world:times(id, "delivered"))
    assert.are.equal(2, world:receipt(id).result)
  end)

  it("whose timeout has passed cannot settle any more", function()
    deliver(function(ctx)
      if ctx.attempt == 1 then
        pcall(moonpost.sleep, 60)
        return "late"
      end
      return "in time"
    end, { timeout = 5 })
    world:advance "2m"
    assert.are.equal("in time", world:receipt(id).result)
    assert.are.equal(1, #world:times(id, "handled"))
  end)

  it("with a timeout dies of it with a failure that says so", function()
    deliver(function() moonpost.sleep(60) end, { timeout = 5, retry = { attempts = 1 } })
    assert.are.equal("TIMEOUT", world:dead("a@x")[1].failures[1].code)
    assert.are.equal("the delivery took longer than its timeout of 5 s", world:dead("a@x")[1].failures[1].error)
  end)

  it("without a method of that name is NO_METHOD, with the nearest one", function()
    delivery.agent(world, nil, { address = "m@x", on = {}, methods = { remind = function() end } })
    id = world:send("m@x", "x", { from = "client", method = "remnid", await = "handled" })
    world:settle()
    assert.are.equal("NO_METHOD", world:receipt(id).code)
    assert.are.equal('m@x has no method "remnid"; did you mean "remind"?', world:receipt(id).reason)
  end)

  it("of a method gets the messages with that method", function()
    delivery.agent(world, nil, { address = "m@x", on = {}, methods = { add = function(_, msg) return msg.body.a + 1 end } })
    assert.are.equal(3, (world:call("m@x", { a = 2 }, { from = "client", method = "add" })))
  end)
end)
