-- The sentinel in the middle. It is killed five times; it has nothing to lose but its links.
local moonpost = require "moonpost"

return moonpost.node {
  name = "sentinel",
  listen = { os.getenv "DEMO_SENTINEL" or "tcp://127.0.0.1:7071" },
  agents = {},
  store = "memory",
}
