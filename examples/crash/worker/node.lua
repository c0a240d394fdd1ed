-- The worker's node. Its store is on disk, as it is by default, so it knows after a crash what was to be done.
local moonpost = require "moonpost"

return moonpost.node {
  name = "worker",
  store = { path = "data" },
  links = {
    { to = os.getenv "DEMO_OFFICE" or "tcp://127.0.0.1:7072", first = "50ms", cap = "200ms" },
  },
}
