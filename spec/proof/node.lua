--- The node of the proofs.
local moonpost = require "moonpost"

return moonpost.node {
  name = "proof",
  store = { path = "data", sync = os.getenv "PROOF_SYNC" or "commit", max = os.getenv "PROOF_MAX" or "64M" },
}
