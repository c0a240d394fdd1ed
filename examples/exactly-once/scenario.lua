-- A worker that consumes, processes and produces; in the middle it hangs, is replaced, and goes on as a zombie.
-- `--seed N` chooses the order that it hangs in.
local ORDERS = 200
local LONG = 50 + (seed * 48271) % 2147483647 % 101 -- 50 to 150

local function said(facts, pattern, which)
  local line = facts:all("client", pattern)[1]
  return line and tonumber(line.text:match(which .. " (%d+)"))
end

return {
  summary = "consume, process, produce, while a zombie tries to commit: each once",
  duration = 3,
  shown = "worker/agents/payment.lua",
  only_real = "a process hangs and is replaced, and its store is on disk",

  processes = {
    {
      name = "office",
      run = "office/node.lua",
      ready = "^listening (tcp://%S+)",
      gives = "DEMO_OFFICE",
      ports = { DEMO_OFFICE = "tcp://127.0.0.1:0" }, -- any free one
    },
    { name = "worker", run = "worker/node.lua", ready = "^attached" },
    { name = "client", exec = "client/client.lua", env = { DEMO_LONG = tostring(LONG) } },
  },
  cues = {
    { process = "worker", says = ("^order %d takes long$"):format(LONG), replace = "worker" },
  },

  hide = { "^order ", "^link up", "^link down", "^listening", "^agent ", "^attached", "^no ack", "^cannot be sent",
    "^deferred", "^duplicate" },

  promises = {
    {
      file = "worker/agents/payment.lua",
      line = 'ctx:send("ledger@demo", { run = msg.body.run, order = order, amount = amount }, ONCE)',
      why = "what is sent is in the commit of the order: the zombie's commit is of a store that nobody hears any more",
      instead = 'ctx:call("ledger@demo", { run = msg.body.run, order = order, amount = amount })',
      otherwise = "it leaves at once: an order that was in hand is in the ledger twice",
    },
  },

  totals = function(facts)
    return {
      { "orders", ORDERS },
      { "replaced", facts:count("worker", { fact = "replaced" }) },
      { "charged by the zombie", facts:count("zombie", "^order %d+ is charged$") },
      { "fenced", facts:count("zombie", "^link failed: office: FENCED") },
      { "lines", said(facts, "^lines ", "ledger") or 0 },
      { "dead", facts:count(nil, { fact = "dead" }) },
    }
  end,

  checks = {
    { "the worker hangs and is replaced once",
      function(facts) return facts:count("worker", { fact = "replaced" }), 1 end },
    { "the zombie goes on, and ends what it had in hand",
      function(facts) return facts:count("zombie", "^order %d+ is charged$") > 0, true end },
    { "it is fenced",
      function(facts) return facts:count("zombie", "^link failed: office: FENCED"), 1 end },
    { "each order is in the ledger once",
      function(facts) return said(facts, "^lines ", "ledger"), ORDERS end },
    { "each order is in the audit log once",
      function(facts) return said(facts, "^lines ", "audit"), ORDERS end },
    { "the amounts in the ledger are what was ordered",
      function(facts) return said(facts, "^sent ", "ledger"), said(facts, "^sent ", "sent") end },
    { "the last total in the audit log is what was ordered",
      function(facts) return said(facts, "^sent ", "audit"), said(facts, "^sent ", "sent") end },
    { "nothing is dead",
      function(facts) return facts:count(nil, { fact = "dead" }), 0 end },
  },
}
