-- The sentinel: agents and clients meet here.
local moonpost = require "moonpost"

return moonpost.node {
  name = "sentinel",
  listen = { os.getenv "DEMO_SENTINEL" or "tcp://127.0.0.1:7071" },
  agents = {},
}
