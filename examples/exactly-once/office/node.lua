-- The office's node, to which worker and client are linked. Nothing happens to it.
local moonpost = require "moonpost"

return moonpost.node {
  name = "office",
  listen = { os.getenv "DEMO_OFFICE" or "tcp://127.0.0.1:7074" },
}
