-- The accounts of a town. A transfer takes from one account and gives to another, perhaps in the other town.
-- Taking, and that the message to the other account is to leave, is one commit; giving, and that this message is
-- settled, is another. So no money is made or lost, whoever is killed when.
local moonpost = require "moonpost"

local START = 100

local function owner(account)
  return (tonumber(account) <= 50 and "east" or "west") .. "@bank"
end

return moonpost.agent {
  address = (os.getenv "BANK_TOWN" or "east") .. "@bank",
  order = "key", -- an account at a time: each has a state of its own
  profile = "exactly-once",
  concurrency = 64,

  methods = {
    transfer = function(ctx, msg)
      local amount, balance = msg.body.amount, ctx.state.balance or START
      if amount > balance then return moonpost.skip "there is not so much" end
      ctx.state.balance = balance - amount
      ctx.kv:add("taken", 1)
      ctx:send(owner(msg.body.to), { amount = amount },
        { method = "give", key = msg.body.to, profile = "exactly-once" })
    end,

    give = function(ctx, msg)
      ctx.state.balance = (ctx.state.balance or START) + msg.body.amount
      ctx.kv:add("given", 1)
    end,

    balance = function(ctx)
      return { balance = ctx.state.balance or START, taken = ctx.kv:get "taken" or 0, given = ctx.kv:get "given" or 0 }
    end,
  },
}
