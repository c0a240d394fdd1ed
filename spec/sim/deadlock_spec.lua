local moonpost = require "moonpost"
local test = require "moonpost.test"

local function raised(act, ...)
  local ok, reason = pcall(act, ...)
  assert.is_false(ok)
  return tostring(reason)
end

-- Asks itself, with the key that it was given, and says what it was told.
local function asks_itself(order, key)
  return moonpost.agent {
    address = "a@local",
    order = order,
    on = {
      message = function(ctx, msg)
        if msg.body.answers then return "fine" end
        local ok, fault = pcall(ctx.call, ctx, "a@local", { answers = true }, { key = key or msg.key })
        return ok and fault or { code = fault.code, reason = fault.reason }
      end,
    },
  }
end

describe("a handler that asks itself", function()
  local world

  before_each(function() world = test.world() end)
  after_each(function() world:close() end)

  it("is told at once when the answer would wait for its own key", function()
    world:load(asks_itself "key")
    local told = world:call("a@local", {}, { key = "7" })
    assert.equal("DEADLOCK", told.code)
    assert.equal('ctx:call: a@local handles a message of the key "7", and asks itself with the same key: '
      .. "the answer would wait for the end of who waits for it", told.reason)
  end)

  it("is told at once when it handles one message at a time", function()
    world:load(asks_itself "strict")
    assert.matches("a@local handles one message at a time", world:call("a@local", {}).reason)
  end)

  it("is answered with another key, or without an order", function()
    world:load(asks_itself("key", "8"))
    assert.equal("fine", world:call("a@local", {}, { key = "7" }))
    world:reload("a@local", asks_itself "none")
    assert.equal("fine", world:call("a@local", {}, { key = "7" }))
  end)
end)

describe("a spec that waits for what cannot come", function()
  local world

  before_each(function() world = test.world() end)
  after_each(function() world:close() end)

  local function patient(address, handle)
    world:load(moonpost.agent { address = address, order = "key", timeout = math.huge, on = { message = handle } })
  end

  -- Two agents that ask each other about one key, without end.
  local function load_circle()
    local for_ever = { timeout = math.huge, key = "7" }
    patient("a@local", function(ctx) return ctx:call("b@local", {}, for_ever) end)
    patient("b@local", function(ctx) return ctx:call("a@local", {}, for_ever) end)
  end

  it("fails in a call, and says who waits for whom", function()
    load_circle()
    local reason = raised(world.call, world, "a@local", {}, { timeout = math.huge, key = "7" })
    assert.matches("deadlock_spec.lua:%d+: world:call: no answer of a@local can come: nothing is due any more, and this is "
      .. "still pending:\n", reason)
    assert.matches("\n  %w+ at a@local on node node: leased; it is in its handler's hands", reason)
    assert.matches("\n  %w+/call%-1 at b@local on node node: leased %(asked by the handler of %w+%); it", reason)
    assert.matches("\n  %w+/call%-1/call%-1 at a@local on node node: parked %(asked by the handler of %w+/call%-1%); it waits "
      .. "for the end of another message with the same key", reason)
  end)

  it("fails when it settles, too", function()
    load_circle()
    world:send("a@local", {}, { key = "7" })
    assert.matches("nothing is due any more, and this is still pending:\n.* parked %(asked by", raised(world.settle, world))
  end)

  it("is told in a call that the node which asks is down", function()
    world:node "hub"
    world:node("office", { links = { "hub" } })
    world:load(moonpost.agent { address = "a@office", on = { message = function() world:crash "hub" end } }, { node = "office" })
    local result, reason, code = world:call("a@office", {}, { from = "hub", timeout = math.huge })
    assert.is_nil(result)
    assert.equal("node hub, which asked, is down", reason)
    assert.equal("UNREACHABLE", code)
  end)

  it("fails for a program, also while links are alive", function()
    world:node "hub"
    world:node("office", { links = { "hub" } })
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write 'require("moonpost").sleep(math.huge)'
    file:close()
    assert.matches(name
      .. " waits for something that will never come: after %d+ %w+ no message is pending", raised(world.exec, world, name))
    os.remove(name)
  end)

  it("fails where nobody resumes it", function()
    assert.matches("deadlock_spec.lua:%d+: coroutine.yield outside of a coroutine of the script's own",
      raised(function() coroutine.yield(1) end))
  end)
end)

describe("a world with a message for an address that nobody serves", function()
  it("says so, with the address that was meant", function()
    local world = test.world()
    world:load(moonpost.agent { address = "mail@shop", on = { message = function() end } })
    world:send("mial@shop", {})
    assert.matches('%(no agent at "mial@shop"; did you mean mail@shop; load one, or fake it with world:fake%)',
      raised(world.settle, world))
    world:close()
  end)
end)

describe("a world at work", function()
  it("is not driven by one of its own handlers, which is told so", function()
    local world = test.world()
    for _, act in ipairs { function() world:advance "1s" end, function() world:send("a@local", {}) end,
      function() world:settle() end, function() world:close() end } do
      world:load(moonpost.agent { address = "a@local", retry = { attempts = 1 }, on = { message = act } })
      local _, reason = world:call("a@local", {})
      assert.matches("this world is at work: one of its own handlers", reason)
      world:close()
      world = test.world()
    end
    world:close()
  end)
end)
