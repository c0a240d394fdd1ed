-- Sends 300 steps, one every 4 ms whether there is a link or not, and waits until the last one is handled.
local moonpost = require "moonpost"

local STEPS, EVERY = 300, "4ms"

local client = assert(moonpost.client {
  link = os.getenv "DEMO_SENTINEL" or "tcp://127.0.0.1:7071",
  send = { first = "100ms", factor = 1 }, -- when to send again over a link that is up
})

moonpost.log.info(("sending %d steps to steps@demo"):format(STEPS))
for step = 1, STEPS - 1 do
  assert(client:send("steps@demo", { step = step }, { await = "none" }))
  moonpost.sleep(EVERY)
end
assert(client:send("steps@demo", { step = STEPS }, { await = "handled" }))
print("every step is acknowledged")

client:close()
