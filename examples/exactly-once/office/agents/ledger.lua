-- The amounts that were charged.
local count = require "count"
local moonpost = require "moonpost"

return moonpost.agent {
  address = "ledger@demo",
  profile = "exactly-once",

  on = {
    message = function(ctx, msg)
      ctx.kv:add(msg.body.run .. "/lines", 1)
      ctx.kv:add(msg.body.run .. "/sum", msg.body.amount)
    end,
  },

  methods = { count = count },
}
