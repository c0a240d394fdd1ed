--- `moonpost run`: a node.
local node = require "moonpost.cli.node"

return {
  name = "run",
  usage = "run [FILE...]",
  summary = "a node from node.lua, a settings file, or agent files without settings",
  details = [[
  Without FILE: node.lua of this folder, else the agents in agents/*.lua. The node serves
  data/moonpost.sock beside its settings file, so that `moonpost send` finds it. Ctrl-C stops it.]],
  flags = node.FLAGS,
  at_most = 64,
  examples = {
    { "moonpost run", "the node of this folder" },
    { "moonpost run agents/greeter.lua", "one agent, no settings" },
    { "moonpost run --listen tcp://127.0.0.1:7071", "and a door for other nodes" },
  },
  run = function(options)
    return node.run("run", { files = options, doors = options.listen or {} }, options)
  end,
}
