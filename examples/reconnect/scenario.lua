-- A sentinel in the middle that is killed five times, a client that sends in order, an agent that keeps the order.
local STEPS, CUTS = 300, 5

-- In the middle of the steps 50, 100 ...
local cues = {}
for cut = 1, CUTS do
  cues[cut] = { process = "agent", says = ("^step %d$"):format(cut * 50), kill = "sentinel" }
end

local function steps(facts)
  local found = {}
  for index, record in ipairs(facts:all("agent", "^step %d+$")) do found[index] = tonumber(record.text:match("%d+")) end
  return found
end

-- The steps that came, each once.
local function different(facts)
  local seen, count = {}, 0
  for _, step in ipairs(steps(facts)) do
    if not seen[step] then seen[step], count = true, count + 1 end
  end
  return count
end

-- How often a step came behind a later one.
local function out_of_order(facts)
  local latest, count = 0, 0
  for _, step in ipairs(steps(facts)) do
    if step < latest then count = count + 1 end
    latest = math.max(latest, step)
  end
  return count
end

-- How often the agent's link came up again after it had been down.
local function up_again(facts)
  local count, down = 0, false
  for _, record in ipairs(facts:all("agent", "^LINK ")) do
    local is_up = record.text:find("^LINK up") ~= nil
    if is_up and down then count = count + 1 end
    down = not is_up
  end
  return count
end

return {
  summary = "the link is cut 5 times: order kept, nothing lost, each handled once",
  duration = 3,
  shown = "agent/agents/steps.lua",

  processes = {
    {
      name = "sentinel",
      run = "sentinel/node.lua",
      ready = "^listening (tcp://%S+)",
      gives = "DEMO_SENTINEL",
      ports = { DEMO_SENTINEL = "tcp://127.0.0.1:0" }, -- any free one
    },
    { name = "agent", run = "agent/node.lua", ready = "^attached" },
    {
      name = "client",
      exec = "client/client.lua",
      env = { MOONPOST_LINK_FIRST = "50ms", MOONPOST_LINK_FACTOR = "2", MOONPOST_LINK_CAP = "100ms" },
    },
  },
  cues = cues,

  hide = { "^link ", "^step ", "^node ", "^sentinel up", "^listening", "^duplicate", "^attached", "^cannot be sent" },

  promises = {
    {
      file = "client/client.lua",
      line = 'send = { first = "100ms", factor = 1 },',
      why = "what was not acknowledged is kept and sent again, in its old order; the link dials by a clock of its own",
      instead = 'send = { attempts = 1, deadline = "20ms" },',
      otherwise = "the client gives up while the link is down: steps end as dead letters, and the program fails",
    },
    {
      file = "agent/agents/steps.lua",
      line = 'order = "strict",',
      why = "each begins when the one before has ended, also when it was sent again",
      instead = 'order = "none",',
      otherwise = "eight are at work side by side, and the quicker ones end first",
    },
  },

  totals = function(facts)
    return {
      { "steps", STEPS },
      { "cuts", facts:count("sentinel", { fact = "killed" }) },
      { "handled", facts:count("agent", "^step %d+$") },
      { "duplicates", facts:count("agent", { fact = "duplicate" }), "recognised" },
      { "out of order", out_of_order(facts) },
      { "dead", facts:count(nil, { fact = "dead" }) },
    }
  end,

  checks = {
    { "the sentinel is killed five times",
      function(facts) return facts:count("sentinel", { fact = "killed" }), CUTS end },
    { "the agent's link goes down and comes up again five times",
      function(facts) return up_again(facts), CUTS end },
    { "no step is lost",
      function(facts) return different(facts), STEPS end },
    { "no step is handled twice",
      function(facts) return #steps(facts) - different(facts), 0 end },
    { "no step comes behind a later one",
      function(facts) return out_of_order(facts), 0 end },
    { "nothing is dead",
      function(facts) return facts:count(nil, { fact = "dead" }), 0 end },
  },
}
