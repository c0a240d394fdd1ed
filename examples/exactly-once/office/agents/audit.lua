-- The audit log: the total after each order.
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

  methods = {
    -- Answers when there are so many lines; until then the question waits, at no attempt.
    count = function(ctx, msg)
      local lines = ctx.kv:get(msg.body.run .. "/lines") or 0
      if lines < msg.body.lines then return moonpost.defer("not all of them yet", { delay = "20ms" }) end
      return { lines = lines, sum = ctx.kv:get(msg.body.run .. "/sum") }
    end,
  },
}
