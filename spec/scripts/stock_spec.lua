local test = require "moonpost.test"
local moonpost = require "moonpost"

describe("the stock scripts", function()
  local world

  before_each(function() world = test.world() end)
  after_each(function() world:close() end)

  it("have settings that load as they stand", function()
    assert.equal("node", world:node("node", "scripts/node.lua"))
  end)

  it("have an agent that answers what it is told", function()
    world:load("scripts/agents/echo.lua")
    assert.same({ hello = "world" }, world:call("echo@local", { hello = "world" }))
  end)

  it("have a patient policy that never waits longer than an hour and gives up after a day", function()
    local policy = moonpost.retry_policy(dofile("scripts/policies/patient.lua"))
    assert.same({ 1, 2, 4 }, { policy:delay(1), policy:delay(2), policy:delay(3) })
    assert.equal(3600, policy:delay(40))
    assert.equal(24 * 3600, policy.deadline)
  end)

  it("have a quick policy that tries three times within half a second", function()
    local policy = moonpost.retry_policy(dofile("scripts/policies/quick.lua"))
    assert.same({ 0.1, 0.4 }, policy:schedule())
  end)

  it("have a hook that says what was dropped", function()
    world:node("node", { hooks = { "scripts/hooks/log_drops.lua", moonpost.hook {
      store = function() return moonpost.drop("not today") end,
    } } })
    world:load("scripts/agents/echo.lua")
    local id = world:send("echo@local", "x")
    local lines = {}
    for _, line in ipairs(world:log()) do if line.level == "warn" then lines[#lines + 1] = line.text end end
    assert.same({ "dropped" }, lines)
    assert.equal("REJECTED", world:receipt(id).code)
  end)
end)
