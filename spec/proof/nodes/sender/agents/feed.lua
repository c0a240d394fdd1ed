-- Sends what a message asks for: "ID TO PLANS SIZE", a message for each letter of PLANS.
local moonpost = require "moonpost"
local note = require "note"

return moonpost.agent {
  address = "feed@" .. os.getenv "PROOF_NAME",
  concurrency = 16,
  on = { message = function(ctx, msg)
    local to, plans, size = msg.body:match "^(%S+) (%S+) (%d+)$"
    note(("do %s %d %d"):format(msg.id, ctx.attempt, ctx.transmission or 0))
    local rest = ("."):rep(tonumber(size) - 1)
    for n = 1, #plans do
      ctx:send(to, plans:sub(n, n) .. rest, { id = msg.id .. "." .. n, key = "k" .. n % 7, delay = n % 11 == 0 and "15ms" or nil })
    end
    note("done " .. msg.id)
  end },
}
