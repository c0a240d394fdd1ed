-- lost-ack again, with its sentinel, client and loss of ACKs. Only the agent is another: it has a dedup policy.
local lost_ack = scenario "lost-ack"
local sentinel, agent, client = unpack(lost_ack.processes)

sentinel.run = "../lost-ack/" .. sentinel.run
client.exec = "../lost-ack/" .. client.exec

local function recognised(facts)
  return facts:count("agent", { fact = "duplicate" })
end

return {
  summary = "the same with a dedup policy: the handler runs once",
  duration = 4,
  shown = "agent/agents/message.lua",
  processes = { sentinel, agent, client },
  hide = lost_ack.hide,

  promises = {
    {
      file = "agent/agents/message.lua",
      line = 'dedup = { ttl = "10m" },',
      why = "the node remembers the id for ten minutes, and acknowledges what comes again without the handler",
      instead = 'dedup = "none",',
      otherwise = "the handler runs three times, as in lost-ack",
    },
  },

  totals = function(facts)
    local totals = lost_ack.totals(facts)
    for _, total in ipairs(totals) do
      if total[1] == "duplicates" then total[2], total[3] = recognised(facts), "re-acked" end
    end
    return totals
  end,

  checks = {
    { "the message is handled once",
      function(facts) return facts:count("agent", "^received"), 1 end },
    { "two duplicates are recognised and acknowledged again",
      function(facts) return recognised(facts), 2 end },
    { "two ACKs are dropped",
      function(facts) return facts:count("agent", { fact = "dropped" }), 2 end },
    { "one ACK arrives, for the third transmission",
      function(facts) return facts:count("client", "^acknowledged: type=ack ok=true .*attempt=3$"), 1 end },
    { "all of it is about one message",
      function(facts) return #facts:refs(), 1 end },
  },
}
