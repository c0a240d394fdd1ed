local test = require "moonpost.test"

-- The files of a scenario in a world; `kills` says by a line of log who is killed then, and starts again.
local function run(name, settings, env, kills)
  local world = test.world { seed = 1, env = env }
  local folder, killed, said = "examples/" .. name .. "/", {}, {}
  for _, node in ipairs(settings) do world:node(node, folder .. node .. "/node.lua") end
  local function listen()
    for _, line in ipairs(world:log()) do
      said[#said + 1] = line.text
      local victim = kills(line.text)
      if victim and not killed[line.text] then
        killed[line.text] = true
        world:crash(victim)
        world:restart(victim)
      end
    end
  end
  local code, reason = world:exec(folder .. "client/client.lua", { name = "client", root = folder .. "client", each = listen })
  assert.equal(0, code, reason)
  world:check()
  return world, said
end

local function count(said, pattern)
  local times, different = 0, 0
  local seen = {}
  for _, text in ipairs(said) do
    if text:find(pattern) then
      times = times + 1
      if not seen[text] then seen[text], different = true, different + 1 end
    end
  end
  return times, different
end

describe("the scenario crash in a world", function()
  it("finishes all jobs when the worker is killed in the middle of one, and begins that one again", function()
    local world, said = run("crash", { "office", "worker" }, { DEMO_LONG = "100" },
      function(text) return text == "job 100 begins" and "worker" or nil end)
    local _, begun = count(said, "^job %d+ begins$")
    assert.equal(200, begun)
    assert.equal(2, (count(said, "^job 100 begins$")))
    assert.equal(1, (count(said, "^done 200  reported twice 0$")))
    assert.same({}, world:dead "job@demo")
    world:close()
  end)
end)

describe("the scenario reconnect in a world", function()
  it("handles each step once, in order, when the sentinel is killed five times", function()
    local kills = { ["step 50"] = true, ["step 100"] = true, ["step 150"] = true, ["step 200"] = true, ["step 250"] = true }
    local world, said = run("reconnect", { "sentinel", "agent" }, {},
      function(text) return kills[text] and "sentinel" or nil end)
    local steps = {}
    for _, text in ipairs(said) do steps[#steps + 1] = tonumber(text:match("^step (%d+)$")) end
    assert.equal(300, #steps)
    for index, step in ipairs(steps) do assert.equal(index, step) end
    assert.equal(6, (count(said, "^LINK up")))
    world:close()
  end)
end)
