local engine = require "spec.support.engine"
local wire = require "spec.support.wire"

local WELCOME, BYE = 2, 10

describe("a name whose holder has been silent for two heartbeats", function()
  it("is the newcomer's, also when its hello comes before the holder's timer", function()
    local node = engine.new { name = "node" }
    local holder = node:guest("twin", ("a"):rep(16))
    holder:frames()
    local newcomer = node:accept()
    node.now = node.now + 30000
    newcomer:say(wire.hello("twin", ("b"):rep(16)))
    assert.equal(1, #newcomer:frames_of(WELCOME))
    assert.equal("nothing was heard for two heartbeats", (select(2, wire.read_bye(holder:frames_of(BYE)[1]))))
  end)
end)
