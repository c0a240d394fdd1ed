-- The counter's node. Its store is on disk, as it is by default.
local moonpost = require "moonpost"

return moonpost.node {
  name = "counter",
  listen = { os.getenv "DEMO_NODE" or "tcp://127.0.0.1:7075" },
}
