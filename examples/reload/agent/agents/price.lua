-- An agent that is loaded again while it works. A handler ends on the code that began it: `version` is its own all the
-- way, whatever is loaded while it waits.
local moonpost = require "moonpost"

local version = 1

return moonpost.agent {
  address = "price@demo",
  concurrency = 64,
  dedup = { ttl = "10m" },

  on = {
    message = function(ctx, msg)
      local began = version
      moonpost.sleep("20ms") -- about four are at work at any moment
      moonpost.log.info(("price %d by version %d, begun by %d, generation %d"):format(msg.body.price, version, began,
        ctx.generation))
    end,
  },
}
