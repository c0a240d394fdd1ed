--- An agent that handles the same body once within half a second.
local moonpost = require "moonpost"

local count = 0

return moonpost.agent {
  address = "once@local",
  dedup = { key = function(msg) return msg.body end, ttl = "500ms" },
  on = {
    message = function()
      count = count + 1
      return count
    end,
  },
}
