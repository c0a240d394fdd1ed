-- Transfers money among 100 accounts in two towns, and counts what there is at the end.
local moonpost = require "moonpost"

local ACCOUNTS, TRANSFERS = 100, 300
local random = tonumber(os.getenv "BANK_SEED" or 1)

local client = assert(moonpost.client {
  link = os.getenv "BANK_LINK" or "tcp://127.0.0.1:7073",
  send = { first = "250ms", factor = 1, attempts = 100 },
})

local function draw(limit)
  random = random * 48271 % 2147483647
  return random % limit + 1
end

local function owner(account)
  return (account <= 50 and "east" or "west") .. "@bank"
end

local function count()
  local sum, taken, given = 0, 0, 0
  for account = 1, ACCOUNTS do
    local seen = assert(client:call(owner(account), {},
      { method = "balance", key = tostring(account), profile = "exactly-once" }))
    sum = sum + seen.balance
    if account == 1 or account == 51 then taken, given = taken + seen.taken, given + seen.given end
  end
  return sum, taken, given
end

moonpost.log.info(("%d transfers among %d accounts"):format(TRANSFERS, ACCOUNTS))
for transfer = 1, TRANSFERS do
  local from, to = draw(ACCOUNTS), draw(ACCOUNTS)
  assert(client:send(owner(from), { to = tostring(to), amount = draw(30) },
    { method = "transfer", key = tostring(from), profile = "exactly-once", await = "stored" }))
  if transfer % 10 == 0 then moonpost.log.info(("transfer %d"):format(transfer)) end
end

-- Until nothing is on its way any more, also not a transfer that waits for its next attempt: two looks are alike.
local sum, taken, given, sum_before, taken_before
repeat
  sum_before, taken_before = sum, taken
  sum, taken, given = count()
until taken == given and taken == taken_before and sum == sum_before
print(("sum %d  taken %d  given %d"):format(sum, taken, given))
client:close()
