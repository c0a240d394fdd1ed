-- The agent's node. It serves agents/*.lua, loads hooks/*.lua, and is reached through the sentinel.
local moonpost = require "moonpost"

return moonpost.node {
  name = "agent",
  links = { os.getenv "DEMO_SENTINEL" or "tcp://127.0.0.1:7071" },
}
