-- Random worlds in which a promise was once broken. Their faults fall otherwise whenever the engine draws otherwise, so what
-- went wrong is said in found_spec.lua; here they are run as they fall now.
local random = require "spec.sim.random"

local SEEDS = {
  [4570] = "a lane that was left", [5786] = "two copies that died", [10261] = "a charge that was not told",
  [10683] = "a rejection that was not kept", [61797] = "a wish for a lane without a way",
  [74417] = "a late copy of a refused message: the message had joined a new lane, and was taken again",
  [97304] = "a lane that nobody opened", [121488] = "two batches that end the process",
  [137934] = "a link that dies before a lane is open", [138452] = "facts older than the sending",
  [142215] = "a lane left at least once", [146121] = "a copy that expired", [147480] = "two owners of one lane",
  [156153] = "a purge that came to nothing", [222369] = "a lane that was not kept",
}

describe("a random world that found", function()
  for seed, what in pairs(SEEDS) do
    it(("%s keeps every promise (seed %d)"):format(what, seed), function()
      local ok, reason = random.run(random.draw(seed))
      assert.is_true(ok, reason)
    end)
  end
end)
