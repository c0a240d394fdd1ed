-- Takes orders, keeps a total, and tells ledger and audit log. All of it is one commit with the end of the order, and
-- what is sent leaves behind that commit: a process that is fenced can commit what it likes, nobody hears of it.
local moonpost = require "moonpost"

local ONCE = { profile = "exactly-once" }

return moonpost.agent {
  address = "payment@demo",
  profile = "exactly-once",
  order = "strict", -- one after the other, so that the audit log has each total once

  on = {
    message = function(ctx, msg)
      local order, amount = msg.body.order, msg.body.amount
      ctx.state.total = (ctx.state.total or 0) + amount
      if msg.body.long then moonpost.log.info(("order %d takes long"):format(order)) end
      moonpost.sleep(msg.body.long and "1s" or "2ms")
      ctx:send("ledger@demo", { run = msg.body.run, order = order, amount = amount }, ONCE)
      ctx:send("audit@demo", { run = msg.body.run, order = order, total = ctx.state.total }, ONCE)
      moonpost.log.info(("order %d is charged"):format(order))
    end,
  },
}
