-- Sends 100 hits and asks for the count.
local moonpost = require "moonpost"

local HITS = 100
local ONCE = { profile = "exactly-once", await = "stored" }

local client = assert(moonpost.client {
  link = os.getenv "DEMO_NODE" or "tcp://127.0.0.1:7075",
  send = { first = "100ms", factor = 1, attempts = 100 },
})

moonpost.log.info(("sending %d hits to counter@demo"):format(HITS))
for hit = 1, HITS do assert(client:send("counter@demo", { hit = hit }, ONCE)) end

-- The agent is strict: the question is handled behind all hits.
local count = assert(client:call("counter@demo", {}, { method = "count", profile = "exactly-once", timeout = "20s" }))
print(("count %d"):format(count))

client:close()
