-- The agent's node. Nobody watches its files here: the client says when to load them again.
local moonpost = require "moonpost"

return moonpost.node {
  name = "agent",
  links = { os.getenv "DEMO_SENTINEL" or "tcp://127.0.0.1:7071" },
}
