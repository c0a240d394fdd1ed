local node = require "spec.support.node"

-- An account that has a payment twice when it comes twice, unless it knows what it has taken.
local function account(more)
  return ([[
    local moonpost = require "moonpost"
    return moonpost.agent {
      address = "account@bank",%s
      on = { message = function(ctx) ctx.state.paid = (ctx.state.paid or 0) + 1 end },
    }]]):format(more)
end

local SIM = [[
return {
  faults = { "drop", "duplicate", "crash" },
  run = function(world)
    local sent = 0
    world:node "bank"
    world:node("shop", { links = { "bank" } })
    world:load("account.lua", { node = "bank" })
    for _ = 1, 5 do
      if world:up "shop" then
        world:send("account@bank", {}, { from = "shop" })
        sent = sent + 1
      end
      world:advance "5s"
    end
    return function()
      local state = world:state "account@bank" or { paid = 0 }
      if state.paid > sent then error(("%d payments, %d sent"):format(state.paid, sent), 0) end
    end
  end,
}]]

describe("moonpost sim", function()
  local folder

  before_each(function()
    folder = node.folder { ["account.lua"] = account "", ["sim.lua"] = SIM, ["empty.lua"] = "return {}", ["broken.lua"] = "retrun 1",
      ["idle.lua"] = "return function(world) world:advance '1s' end",
      ["nobody.lua"] = "return function(world) world:send('a@nowhere', 1, { expires = '1s' }) end",
      ["storm.lua"] = 'return { faults = { "earthquake" }, run = function() end }' }
  end)
  after_each(function() node.remove(folder) end)

  it("finds an agent that is not idempotent, with the fault that it takes and the command that shows it again", function()
    local output, code = node.run({ "sim", "sim.lua" }, folder)
    assert.equal(1, code)
    local seed = output:match("^seed (%d+): %d payments, %d sent\n.-handled twice.-\n1 of its %d+ faults are needed:\n"
      .. " +[%d.]+ s  %l+ +[^\n]+\nagain, with every envelope: ")
    assert.truthy(seed, output)
    local again = output:match("\nagain, with every envelope: moonpost ([^\n]+)\n")
    assert.equal(("sim sim.lua --seeds 1 --from %s --envelopes"):format(seed), again)
    local words = {}
    for word in again:gmatch "%S+" do words[#words + 1] = word end
    local replayed, replay_code = node.run(words, folder)
    assert.truthy(replayed:find(output:match "^(seed .-)again,", 1, true), replayed)
    assert.matches("shop +%w+ +%-> bank +data ", replayed)
    assert.matches("bank +%w+ +%* handled  attempt=1", replayed)
    assert.equal(1, replay_code)
  end)

  it("says how many worlds kept every promise, and how much faster than time they were", function()
    local file = assert(io.open(folder .. "/account.lua", "w"))
    file:write(account '\n dedup = { ttl = "24h" },')
    file:close()
    local output = node.says(folder, { "sim", "sim.lua", "--seeds", "50" }, "50 worlds, every promise kept; last trace ", 0)
    local times = output:match(": ([%d,]+) times as fast\n$"):gsub(",", "")
    assert.is_true(tonumber(times) >= 100, output)
    assert.equal(output:match "trace %x+", node.run({ "sim", "sim.lua", "--seeds", "50" }, folder):match "trace %x+")
  end)

  it("ends when its minutes are over", function()
    local file = assert(io.open(folder .. "/account.lua", "w"))
    file:write(account '\n dedup = { ttl = "24h" },')
    file:close()
    node.says(folder, { "sim", "sim.lua", "--minutes", "0.001" }, "every promise kept", 0)
  end)

  it("says that nothing was proven where nothing was sent", function()
    local output = node.says(folder, { "sim", "idle.lua", "--seeds", "3" }, "3 worlds, every promise kept", 0)
    assert.truthy(output:find("note: nothing was sent in any of them, so nothing was proven\n$"), output)
    output = node.says(folder, { "sim", "nobody.lua", "--seeds", "3" }, "3 worlds, every promise kept", 0)
    assert.is_nil(output:find("nothing was sent", 1, true), output)
  end)

  it("refuses no worlds at all, and no time for them", function()
    node.says(folder, { "sim", "sim.lua", "--seeds", "0" }, '--seeds: "0" is not a whole number from 1', 2)
    node.says(folder, { "sim", "sim.lua", "--seeds", "1.5" }, '--seeds: "1.5" is not a whole number from 1', 2)
    node.says(folder, { "sim", "sim.lua", "--minutes", "0" }, '--minutes: "0" is not a number above 0', 2)
    node.says(folder, { "sim", "sim.lua", "--from", "-1" }, '--from: "-1" is not a whole number from 0', 2)
  end)

  it("says what is wrong with its file", function()
    node.says(folder, { "sim", "none.lua" }, "none.lua: no such file", 1)
    node.says(folder, { "sim", "sim.lua", "--seeds", "many" }, '--seeds: "many" is not a whole number from 1', 2)
    node.says(folder, { "sim", "empty.lua" }, "moonpost sim: empty.lua: expected it to return a function of a world", 1)
    node.says(folder, { "sim", "storm.lua" }, '"earthquake" is no kind of fault; there are ', 1)
    node.says(folder, { "sim", "broken.lua" }, "moonpost sim: broken.lua:1: ", 1)
  end)
end)
