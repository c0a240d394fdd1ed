-- The node that is sent to.
local moonpost = require "moonpost"

return moonpost.node {
  name = "receiver",
  links = { { to = os.getenv "PROOF_LINK", first = "20ms", factor = 1.5, cap = "200ms", jitter = 0.5,
    window = tonumber(os.getenv "PROOF_WINDOW") } },
  handle = { attempts = 4, first = "20ms", factor = 1, jitter = 0 },
}
