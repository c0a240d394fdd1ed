local node = require "spec.support.node"

local AGENT = [[
local moonpost = require "moonpost"
local seen = 0
return moonpost.agent {
  address = "a@local",
  on = { message = function() seen = seen + 1 return seen end },
}]]

describe("moonpost run --fault", function()
  local folder

  before_each(function()
    folder = node.folder { ["agent.lua"] = AGENT, ["production.lua"] = [[
      return require("moonpost").node { production = true, agents = { "agent.lua" } }]] }
  end)
  after_each(function() node.remove(folder) end)

  it("loses receipts, so that the sender sends again", function()
    local running = node.start({ "run", "agent.lua", "--fault", "drop:type=receipt,pattern=X." }, folder, "listening unix:")
    local output, code = node.run({ "send", "a@local", "{}" }, folder, { MOONPOST_SEND_FIRST = "50ms" })
    local said = running:stop()
    assert.equal(0, code, output)
    assert.truthy(output:find("attempt=2", 1, true), output .. said)
  end)

  it("ends the process at a fact, whose supervisor starts it again, and nothing confirmed is lost", function()
    local running = node.start({ "run", "agent.lua", "--fault", "crash:at=handled,pattern=.X" }, folder, "listening unix:")
    node.says(folder, { "send", "a@local", "{}", "--await", "handled" }, "result=1", 0)
    node.says(folder, { "send", "a@local", "{}", "--await", "handled", "--timeout", "30s" }, "result=1", 0)
    assert.truthy(running:stop():find("it is started again (1 of 5 times", 1, true))
  end)

  it("says what is wrong with it before anything starts", function()
    node.says(folder, { "run", "agent.lua", "--fault", "dorp:pattern=X" }, 'did you mean "drop"?', 2)
    node.says(folder, { "run", "agent.lua", "--fault", "cut:link=hub,lasts=1s" }, '"cut:link=hub,lasts=1s" is no fault', 2)
    node.says(folder, { "run", "production.lua", "--fault", "drop:rate=1" }, "--fault: it is a fault, and production = true", 1)
  end)
end)
