-- Counts. The state that a handler changes is committed with the end of its message: no idempotency is needed besides.
local moonpost = require "moonpost"

local count = 0 -- luacheck: ignore (what a script remembers by itself is gone with its process)

return moonpost.agent {
  address = "counter@demo",
  profile = "exactly-once",
  order = "strict", -- one at a time: nobody else changes the count meanwhile

  on = {
    message = function(ctx, msg)
      moonpost.log.info(("counting hit %d"):format(msg.body.hit))
      ctx.state.count = (ctx.state.count or 0) + 1
      moonpost.sleep "3ms" -- long enough to be killed in
      return ctx.state.count
    end,
  },

  methods = {
    count = function(ctx) return ctx.state.count or 0 end,
  },
}
