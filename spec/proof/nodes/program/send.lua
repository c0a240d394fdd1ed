-- A program with a memory outbox: it sends one message after the other and notes what it is told.
local moonpost = require "moonpost"

local link, ledger, prefix, count, to, size = unpack(arg)
local file = assert(io.open(ledger, "a"))

local function note(line)
  file:write(line, "\n")
  file:flush()
end

local client
repeat
  client = moonpost.client { link = link, send = { first = "400ms", jitter = 0.2 } }
  if not client then moonpost.sleep "20ms" end -- a relay is being started again
until client
for n = 1, tonumber(count) do
  local id = prefix .. "." .. n
  note(("sent %s 1"):format(id))
  local plan = n % 9 == 0 and "f" or n % 4 == 0 and "s" or "o"
  local body, await = plan .. ("."):rep(tonumber(size) - 1), n % 2 == 0 and "handled" or "stored"
  local receipt, _, code = client:send(to, body, { id = id, await = await })
  note(receipt and receipt.level .. " " .. id or ("nack %s %s"):format(id, code))
end
client:close()
note("end " .. prefix)
