-- An agent that writes down what arrives, one after the other.
--
-- A link that died may have taken a message or its ACK along, so the sender sends again what was not acknowledged.
-- The dedup policy recognises what had arrived after all; what comes over the new link takes its old place.
local moonpost = require "moonpost"

return moonpost.agent {
  address = "steps@demo",
  order = "strict", -- one after the other, in the order in which they were sent
  dedup = { ttl = "10m" },

  on = {
    message = function(_, msg)
      moonpost.sleep(0.001 * (1 + msg.body.step % 3))
      moonpost.log.info(("step %d"):format(msg.body.step))
    end,
  },
}
