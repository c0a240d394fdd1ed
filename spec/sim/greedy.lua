--- An agent of random worlds with a state of its own: some of its messages want more memory than it may have.
local moonpost = require "moonpost"

local function exhaust()
  local kept = {}
  for n = 1, math.huge do kept[n] = ("x"):rep(1000) .. n end
  return kept
end

return moonpost.agent {
  address = "greedy@world",
  memory = "4M",
  retry = { attempts = 2, first = "500ms" },
  on = {
    message = function(_, msg)
      if msg.body.exhausts then exhaust() end
      return "done"
    end,
  },
}
