--- The node of the peers' benchmark: see moonpost.sh.
local moonpost = require "moonpost"

local path = os.getenv "BENCH_DATA"

return moonpost.node {
  listen = { "tcp://127.0.0.1:" .. os.getenv "BENCH_DOOR" },
  agents = { os.getenv "BENCH_AGENTS" .. "/*.lua" },
  store = path and { path = path, sync = "commit" } or "memory",
}
