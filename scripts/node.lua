-- A node's settings, every default as a comment. Copy it to your project and say only what differs.
local moonpost = require "moonpost"

return moonpost.node {
  -- name = "orders-1",          -- who this node is; without one, a name that is kept in the store
  -- listen = {},                -- doors for other nodes: { "tcp://127.0.0.1:7071", "unix:///run/moonpost.sock" }
  -- insecure = false,           -- true: doors outside loopback, although nothing is encrypted yet
  -- links = {},                 -- nodes to link to: { "tcp://127.0.0.1:7071" }, or with everything said:
  --   { to = "tcp://127.0.0.1:7071", first = "1s", factor = 2, cap = "60s", jitter = 0.1, attempts = math.huge,
  --     stable_for = "10s", heartbeat = "15s", window = 64 },
  -- agents = { "agents/*.lua" },
  -- hooks = { "hooks/*.lua" },
  -- policies = { "policies/*.lua" },
  -- store = { path = "data", sync = "commit", max = "8G" },
  --   sync = "relaxed": a power cut may undo the last commits; store = "memory": nothing survives the process
  -- send = { attempts = 6, first = "1s", factor = 2, cap = "60s", jitter = 0.1 },
  -- handle = { attempts = 5, first = "1s", factor = 2, cap = "60s", jitter = 0.1 },
  -- outbox = { max = 100000, max_bytes = "256M" },
  -- mailbox = { max = 10000000, max_bytes = "4G" },
  -- body_max = "1M",
  -- state_max = "64K",          -- of ctx.state; at most "1M"
  -- grace = "5s",               -- how long handlers at work may take to end when the node is stopped
  -- watchdog = "10s",           -- a handler that nothing can stop ends the process after so long; math.huge: never
  -- log = { level = "info", format = "text" },
  -- production = false,         -- true: refuse faults
  -- strict = false,             -- true: refuse messages whose profile is weaker than the agent asks for
}
