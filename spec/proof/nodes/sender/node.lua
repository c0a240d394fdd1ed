-- A node that sends: with an outbox on disk or, by its environment, in memory.
local moonpost = require "moonpost"

return moonpost.node {
  name = os.getenv "PROOF_NAME",
  links = { { to = os.getenv "PROOF_LINK", first = "20ms", factor = 1.5, cap = "200ms", jitter = 0.5,
    window = tonumber(os.getenv "PROOF_WINDOW") } },
  send = { attempts = 20, first = "400ms", factor = 1.5, cap = "2s", jitter = 0.2 },
  handle = { attempts = 20, first = "20ms", factor = 1, jitter = 0 },
}
