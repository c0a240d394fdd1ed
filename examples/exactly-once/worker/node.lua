-- The worker's node. It hangs in the middle and is taken for dead: another process goes on with a copy of its store.
local moonpost = require "moonpost"

return moonpost.node {
  name = "worker",
  store = { path = "data" },
  links = {
    { to = os.getenv "DEMO_OFFICE" or "tcp://127.0.0.1:7074", first = "50ms", cap = "200ms" },
  },
}
