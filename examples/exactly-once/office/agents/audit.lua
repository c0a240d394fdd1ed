-- The audit log: the total after each order.
local count = require "count"
local moonpost = require "moonpost"

return moonpost.agent {
  address = "audit@demo",
  profile = "exactly-once",

  on = {
    message = function(ctx, msg)
      ctx.kv:add(msg.body.run .. "/lines", 1)
      ctx.kv:set(msg.body.run .. "/sum", math.max(ctx.kv:get(msg.body.run .. "/sum") or 0, msg.body.total))
    end,
  },

  methods = { count = count },
}
