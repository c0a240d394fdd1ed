-- An agent that does what a message says, and notes it in the ledger before it returns: see spec/proof/crash.lua.
local moonpost = require "moonpost"
local note = require "note"

-- By the first letter of a body.
local PLANS = {
  o = function() end, -- at once
  s = function(_, msg) moonpost.sleep((#msg.id * 7 + #msg.body) % 40 / 1000) end, -- slowly
  f = function(ctx) if ctx.attempt < 3 then error("fails twice", 0) end end,
  d = function() error("always fails", 0) end,
  r = function() error(moonpost.reject("refused"), 0) end,
}

return function(address, dedup)
  return moonpost.agent {
    address = address,
    concurrency = tonumber(os.getenv "PROOF_CONCURRENCY"),
    dedup = dedup,
    on = { message = function(ctx, msg)
      note(("do %s %d %d"):format(msg.id, ctx.attempt, ctx.transmission or 0))
      PLANS[msg.body:sub(1, 1)](ctx, msg)
      note("done " .. msg.id)
    end },
  }
end
