--- `moonpost run`: a node.
local node = require "moonpost.cli.node"

local flags = { { name = "watch", help = "load an agent again when one of its files was saved" } }
for _, flag in ipairs(node.FLAGS) do flags[#flags + 1] = flag end

return {
  name = "run",
  usage = "run [FILE...]",
  summary = "a node: from node.lua, a settings file, or agent files",
  details = [[
  Without FILE: node.lua of this folder, else the agents in agents/*.lua. The node keeps
  what it has in data/ beside its settings file and serves data/moonpost.sock, so that `moonpost send` finds
  it. When it crashes or its store fails it is started again, at most 5 times in 60 s. Ctrl-C stops it: handlers
  at work have `grace` (5 s) to end. A second Ctrl-C ends it at once. Neither loses or charges anything.
  kill -HUP, like `moonpost reload`, loads agents again whose files have changed.]],
  flags = flags,
  at_most = 64,
  examples = {
    { "moonpost run", "the node of this folder" },
    { "moonpost run --watch", "and see what you save at work at once" },
    { "moonpost run agents/greeter.lua", "one agent, no settings" },
    { "moonpost run --listen tcp://127.0.0.1:7071", "and a door for other nodes" },
  },
  run = function(options)
    return node.run("run", { files = options, doors = options.listen or {} }, options)
  end,
}
