-- Sends 200 orders, and asks ledger and audit log what came of them.
local moonpost = require "moonpost"

local ORDERS = 200
local run, long = moonpost.id(), tonumber(os.getenv "DEMO_LONG" or 100)

local client = assert(moonpost.client {
  link = os.getenv "DEMO_OFFICE" or "tcp://127.0.0.1:7074",
  send = { first = "250ms", factor = 1, attempts = 100 },
})

moonpost.log.info(("sending %d orders to payment@demo; order %d takes long"):format(ORDERS, long))
local sum, receipts = 0, {}
for order = 1, ORDERS do
  sum = sum + order % 7
  local body = { run = run, order = order, amount = order % 7, long = order == long }
  receipts[order] = assert(client:send("payment@demo", body, { profile = "exactly-once", await = "stored" }))
end
local function ask(address)
  return assert(client:call(address, { run = run, lines = ORDERS },
    { method = "count", timeout = "20s", profile = "exactly-once" }))
end
local ledger, audit = ask "ledger@demo", ask "audit@demo"
print(("sent %d  ledger %d  audit %d"):format(sum, ledger.sum, audit.sum))
print(("lines  ledger %d  audit %d"):format(ledger.lines, audit.lines))
print(receipts[1].guarantees.duplicates)

client:close()
