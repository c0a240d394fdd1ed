-- An agent whose handler runs once for each message, however often it is sent.
--
-- The node remembers the id of what was handled for ten minutes. A duplicate does not reach the handler: it is
-- acknowledged again, so that the sender can stop.
local moonpost = require "moonpost"

local count = 0

return moonpost.agent {
  address = "message@demo",
  profile = "at-least-once",
  dedup = { ttl = "10m" }, -- by message id; key = function(msg) ... end names another sameness

  on = {
    message = function(_, msg)
      count = count + 1
      moonpost.log.info(("received #%d %s"):format(count, msg.body))
    end,
  },
}
