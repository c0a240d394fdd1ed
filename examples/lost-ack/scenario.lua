-- Which processes make up this scenario, and what must be true afterwards.
-- A check answers what is and what should be.

local function resend_delays(facts)
  local delays = {}
  for index, record in ipairs(facts:all("client", { fact = "timed_out" })) do
    delays[index] = math.floor(record.fields.delay + 0.5)
  end
  return table.concat(delays, ", ")
end

return {
  summary = "ACKs get lost, the client resends, the agent sees duplicates",
  duration = 4,
  shown = "agent/agents/message.lua",

  processes = {
    {
      name = "sentinel",
      run = "sentinel/node.lua",
      ready = "^listening (tcp://%S+)",
      gives = "DEMO_SENTINEL",
      ports = { DEMO_SENTINEL = "tcp://127.0.0.1:0" }, -- any free one
    },
    { name = "agent", run = "agent/node.lua", ready = "^attached" },
    { name = "client", exec = "client/client.lua" },
  },

  hide = { "^link ", "^dropped: " }, -- the hook says itself what it drops

  promises = {
    {
      file = "client/client.lua",
      line = 'profile = "at-least-once",',
      why = "whoever hears no ACK sends again, under the same id, until one comes",
      instead = 'profile = "at-most-once",',
      otherwise = "nothing is sent a second time: the agent receives the message once, and no ACK is waited for",
    },
    {
      file = "client/client.lua",
      line = 'send = { first = "1s", factor = 2, jitter = 0 },',
      why = "the first wait is 1 s, each further one twice as long",
      instead = 'send = { first = "100ms", factor = 2, jitter = 0 },',
      otherwise = "the resends come after 0.1 s and 0.2 s",
    },
  },

  totals = function(facts)
    local sent = facts:count("client", "^sending")
    return {
      { "sent", sent },
      { "transmissions", sent + facts:count("client", { fact = "timed_out" }) },
      { "handled", facts:count("agent", "^received") - facts:count("agent", { fact = "retrying" }) },
      { "duplicates", facts:count("agent", "^received .*%(duplicate of") },
      { "acks lost", facts:count("agent", { fact = "dropped" }) },
      { "dead", facts:count(nil, { fact = "dead" }) },
    }
  end,

  checks = {
    { "the agent receives the message three times",
      function(facts) return facts:count("agent", "^received"), 3 end },
    { "two ACKs are dropped",
      function(facts) return facts:count("agent", { fact = "dropped" }), 2 end },
    { "the client sends again after 1 s and after 2 s more",
      function(facts) return resend_delays(facts), "1, 2" end },
    { "one ACK arrives, for the third transmission",
      function(facts) return facts:count("client", "^acknowledged: type=ack ok=true .*attempt=3$"), 1 end },
    { "all of it is about one message",
      function(facts) return #facts:refs(), 1 end },
  },
}
