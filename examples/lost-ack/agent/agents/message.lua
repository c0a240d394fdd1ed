-- An agent that receives messages, at least once each.
--
-- When an ACK is lost, the sender cannot know whether its message arrived, so it sends it again. This agent has
-- no dedup policy: its handler runs for each transmission. ctx.transmission says how many times the sender has
-- sent the message; above 1 it may be a duplicate, and msg.id tells of which.
local moonpost = require "moonpost"

local count = 0

return moonpost.agent {
  address = "message@demo",
  profile = "at-least-once",
  dedup = "none",

  on = {
    message = function(ctx, msg)
      count = count + 1
      local text = ("received #%d %s"):format(count, msg.body)
      if ctx.transmission > 1 then text = ("%s   (duplicate of %s)"):format(text, msg.id) end
      moonpost.log.info(text)
    end,
  },
}
