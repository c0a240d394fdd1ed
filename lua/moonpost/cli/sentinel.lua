--- `moonpost sentinel`: a node that only routes.
local node = require "moonpost.cli.node"

local DOOR = "tcp://127.0.0.1:7071"

return {
  name = "sentinel",
  usage = "sentinel [--listen ADDR]",
  summary = "a node without agents that routes between others",
  details = "  It listens at " .. DOOR .. " unless --listen says otherwise; port 0 takes any free one.",
  flags = node.FLAGS,
  at_most = 0,
  examples = {
    { "moonpost sentinel", "listen at " .. DOOR },
    { "moonpost sentinel --listen unix:hub.sock", "listen at a Unix socket" },
  },
  run = function(options)
    return node.run("sentinel", { sentinel = true, doors = options.listen or { DOOR } }, options)
  end,
}
