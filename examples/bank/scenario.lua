-- Money goes to and fro between two towns, whose nodes are killed in the middle: the sum stays what it was.
local SUM = 100 * 100

local function answer(facts, what)
  local said = facts:all("client", "^sum %d")[1]
  return said and tonumber(said.text:match(what .. " (%d+)"))
end

local function killed(facts, town)
  return facts:count(town, { fact = "killed" })
end

local cues = {}
for index, transfer in ipairs { 60, 120, 180, 240 } do
  local town = index % 2 == 0 and "east" or "west"
  cues[index] = { process = "client", says = ("^transfer %d$"):format(transfer), kill = town }
end

return {
  summary = "transfers among 100 accounts while nodes are killed: the sum stays",
  duration = 4,
  shown = "town/agents/accounts.lua",
  only_real = "a transfer takes no time there, so that nobody can be killed in the middle of one",

  processes = {
    {
      name = "east",
      run = "town/node.lua",
      ready = "^listening (tcp://%S+)",
      gives = "BANK_LINK",
      ports = { BANK_LINK = "tcp://127.0.0.1:0" }, -- any free one
      env = { BANK_TOWN = "east" },
    },
    { name = "west", run = "town/node.lua", ready = "^attached", env = { BANK_TOWN = "west" } },
    { name = "client", exec = "client/client.lua", env = { BANK_SEED = tostring(seed) } },
  },
  cues = cues,

  hide = { "^transfer ", "^link ", "^listening", "^agent ", "^attached", "^no ack", "^cannot be sent", "^deferred",
    "^duplicate" },

  promises = {
    {
      file = "town/node.lua",
      line = 'store = { path = "data-" .. town },',
      why = "balances, what is on its way, and which messages were taken, are on disk for the next start",
      instead = 'store = "memory",',
      otherwise = "a town that was killed knows nothing any more: transfers are in doubt, or accounts begin anew",
    },
    {
      file = "town/agents/accounts.lua",
      line = 'order = "key", -- an account at a time: each has a state of its own',
      why = "each account has a state of its own, and one transfer at a time changes it",
      instead = 'order = "none",',
      otherwise = "all accounts share one balance",
    },
  },

  totals = function(facts)
    return {
      { "killed", killed(facts, "east") + killed(facts, "west") },
      { "taken", answer(facts, "taken") or 0 },
      { "given", answer(facts, "given") or 0 },
      { "sum", answer(facts, "sum") or 0 },
      { "dead", facts:count(nil, { fact = "dead" }) },
    }
  end,

  checks = {
    { "each node is killed twice",
      function(facts) return killed(facts, "east") * 10 + killed(facts, "west"), 22 end },
    { "what was taken from one account was given to another, once",
      function(facts) return answer(facts, "given"), answer(facts, "taken") end },
    { "the sum of all accounts is what it was",
      function(facts) return answer(facts, "sum"), SUM end },
    { "nothing is dead",
      function(facts) return facts:count(nil, { fact = "dead" }), 0 end },
  },
}
