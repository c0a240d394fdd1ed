-- Accounts whose every change leaves a mark by its message: how often that was taken, and how often given.
local moonpost = require "moonpost"

local START = 100

local function owner(account)
  return (tonumber(account) <= 50 and "east" or "west") .. "@bank"
end

-- Some handlers wait, so that they are in the middle when their process is killed.
local function dawdle(msg)
  if msg.body.amount % 4 == 0 then moonpost.sleep(msg.body.amount / 1000) end
end

return moonpost.agent {
  address = os.getenv "BANK_TOWN" .. "@bank",
  order = "key",
  profile = "exactly-once",
  concurrency = 64,

  methods = {
    transfer = function(ctx, msg)
      local amount, balance = msg.body.amount, ctx.state.balance or START
      dawdle(msg)
      if amount > balance then return moonpost.skip "there is not so much" end
      ctx.state.balance = balance - amount
      ctx.kv:add("taken/" .. msg.id, 1)
      ctx:send(owner(msg.body.to), { amount = amount, transfer = msg.id },
        { method = "give", key = msg.body.to, profile = "exactly-once" })
    end,

    give = function(ctx, msg)
      ctx.state.balance = (ctx.state.balance or START) + msg.body.amount
      dawdle(msg)
      ctx.kv:add("given/" .. msg.body.transfer, 1)
    end,

    balance = function(ctx) return ctx.state.balance or START end,

    marks = function(ctx, msg)
      local names, wrong = {}, {}
      for _, record in ipairs(ctx.kv:list { prefix = msg.body.prefix, after = msg.body.after, limit = 1000 }) do
        names[#names + 1] = record.key
        if record.value ~= 1 then wrong[#wrong + 1] = ("%s %g"):format(record.key, record.value) end
      end
      return { names = names, wrong = wrong }
    end,
  },
}
