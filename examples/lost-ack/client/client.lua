-- Sends one message and waits for its ACK; without one it sends again after 1 s, 2 s, 4 s ...
local moonpost = require "moonpost"

local client = assert(moonpost.client {
  link = os.getenv "DEMO_SENTINEL" or "tcp://127.0.0.1:7071",
  profile = "at-least-once",
  send = { first = "1s", factor = 2, jitter = 0 },
})

moonpost.log.info('sending "Hello, World!" to message@demo')
local receipt = assert(client:send("message@demo", "Hello, World!"))
print("acknowledged: " .. tostring(receipt))

client:close()
