-- An agent that is loaded again 20 times while 200 messages a second go to it.
local RELOADS, PRICES, GENERATIONS = 20, 600, 15
local PRICE = "^price (%d+) by version (%d+), begun by (%d+), generation (%d+)$"

-- The prices that were handled: { price, version, began, generation }; those that only wait for a turn are 0.
local function handled(facts)
  local found = {}
  for _, record in ipairs(facts:all("agent", PRICE)) do
    local price, version, began, generation = record.text:match(PRICE)
    if price ~= "0" then
      found[#found + 1] = { price = price, version = version, began = began, generation = generation }
    end
  end
  return found
end

local function different(facts, name)
  local seen, count = {}, 0
  for _, each in ipairs(handled(facts)) do
    if not seen[each[name]] then seen[each[name]], count = true, count + 1 end
  end
  return count
end

local function split(facts)
  local count = 0
  for _, each in ipairs(handled(facts)) do
    if each.version ~= each.began then count = count + 1 end
  end
  return count
end

-- How many were at work when a reload took place, of all reloads.
local function in_flight(facts)
  local count = 0
  for _, record in ipairs(facts:all("agent", "^reload price@demo generation .* in flight")) do
    count = count + tonumber(record.text:match("(%d+) in flight"))
  end
  return count
end

local function per_second(facts)
  local records = facts:all("agent", "^price [1-9]")
  if #records < 2 then return 0 end
  return #records / (records[#records].at - records[1].at)
end

return {
  summary = "200 messages a second through 20 reloads: none lost, none handled twice",
  duration = 4,
  shown = "agent/agents/price.lua",

  processes = {
    {
      name = "sentinel",
      run = "sentinel/node.lua",
      ready = "^listening (tcp://%S+)",
      gives = "DEMO_SENTINEL",
      ports = { DEMO_SENTINEL = "tcp://127.0.0.1:0" }, -- any free one
    },
    { name = "agent", run = "agent/node.lua", ready = "^attached", socket = "DEMO_AGENT" },
    { name = "client", exec = "client/client.lua" },
  },

  hide = { "^link ", "^price ", "^price@demo generation %d+ has ended" },

  promises = {
    {
      file = "agent/agents/price.lua",
      line = "concurrency = 64,",
      why = "the next generation begins at once, while what is in flight ends on the one before",
      instead = "concurrency = 1,",
      otherwise = "50 a second is all that one handler of 20 ms can do",
    },
    {
      file = "client/client.lua",
      line = '"local version = " .. version',
      why = "what is saved is loaded beside the running code, and replaces it only when it has proven to load",
      instead = '"local version = = " .. version',
      otherwise = "the reload is refused with file and line, the old generation goes on, and the client gives up",
    },
  },

  totals = function(facts)
    return {
      { "prices", PRICES },
      { "handled", #handled(facts) },
      { "a second", per_second(facts) },
      { "twice", #handled(facts) - different(facts, "price") },
      { "generations", different(facts, "generation") },
      { "in flight at a reload", in_flight(facts) },
      { "dead", facts:count(nil, { fact = "dead" }) },
    }
  end,

  checks = {
    { "the agent is loaded again 20 times",
      function(facts) return facts:count("agent", "^reload price@demo generation %d+ %-> %d+"), RELOADS end },
    { "no price is lost",
      function(facts) return different(facts, "price"), PRICES end },
    { "no price is handled twice",
      function(facts) return #handled(facts) - different(facts, "price"), 0 end },
    { "more than 100 a second are handled",
      function(facts) return per_second(facts) > 100 end },
    { "at least 15 generations are at work",
      function(facts) return different(facts, "generation") >= GENERATIONS end },
    { "some are in flight at reloads, and end on what began them",
      function(facts) return in_flight(facts) > 0 end },
    { "each price is handled by the code that began it",
      function(facts) return split(facts), 0 end },
    { "nothing is dead",
      function(facts) return facts:count(nil, { fact = "dead" }), 0 end },
  },
}
