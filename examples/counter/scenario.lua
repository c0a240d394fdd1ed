-- A counter whose process is killed twice in the middle of a message.
local HITS = 100

local function answer(facts)
  local said = facts:all("client", "^count %d")[1]
  return said and tonumber(said.text:match("%d+"))
end

return {
  summary = "an agent with state is killed in the middle: every message counts once",
  duration = 2,
  shown = "node/agents/counter.lua",
  only_real = "a process is killed, and its store is on disk",

  processes = {
    {
      name = "node",
      run = "node/node.lua",
      ready = "^listening (tcp://%S+)",
      gives = "DEMO_NODE",
      ports = { DEMO_NODE = "tcp://127.0.0.1:0" }, -- any free one
    },
    { name = "client", exec = "client/client.lua" },
  },
  cues = {
    { process = "node", says = "^counting hit 33$", kill = "node" },
    { process = "node", says = "^counting hit 66$", kill = "node" },
  },

  hide = { "^counting ", "^link ", "^listening", "^agent ", "^attached", "^no ack", "^cannot be sent", "^deferred",
    "^duplicate" },

  promises = {
    {
      file = "node/agents/counter.lua",
      line = "ctx.state.count = (ctx.state.count or 0) + 1",
      why = "the state is in the commit that settles the message: both are there after a crash, or neither",
      instead = "count = count + 1; ctx.state.count = count",
      otherwise = "a variable is gone with its process: the count begins anew",
    },
  },

  totals = function(facts)
    return {
      { "hits", HITS },
      { "killed", facts:count("node", { fact = "killed" }) },
      { "begun", facts:count("node", "^counting hit %d+$") },
      { "count", answer(facts) or 0 },
      { "dead", facts:count(nil, { fact = "dead" }) },
    }
  end,

  checks = {
    { "the process is killed twice",
      function(facts) return facts:count("node", { fact = "killed" }), 2 end },
    { "what was in hand then begins again",
      function(facts) return facts:count("node", "^counting hit %d+$") >= HITS + 2, true end },
    { "the count is the number of hits",
      function(facts) return answer(facts), HITS end },
    { "nothing is dead",
      function(facts) return facts:count(nil, { fact = "dead" }), 0 end },
  },
}
