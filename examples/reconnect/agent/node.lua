-- The agent's node. When its link is down it dials again after 50 ms, then after 100 ms, 200 ms and so on.
local moonpost = require "moonpost"

return moonpost.node {
  name = "agent",
  store = "memory",
  links = {
    { to = os.getenv "DEMO_SENTINEL" or "tcp://127.0.0.1:7071", first = "50ms", cap = "1s", stable_for = 0 },
  },
}
