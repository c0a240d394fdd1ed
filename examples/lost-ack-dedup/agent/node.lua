-- The agent's node, with the hook of lost-ack that loses ACKs.
local moonpost = require "moonpost"

return moonpost.node {
  name = "agent",
  links = { os.getenv "DEMO_SENTINEL" or "tcp://127.0.0.1:7071" },
  hooks = { "../../lost-ack/agent/hooks/lose_acks.lua" },
}
