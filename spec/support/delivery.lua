--- Builders for worlds in which messages travel: a client and an agent's node, with a sentinel between.
local moonpost = require "moonpost"
local test = require "moonpost.test"

local delivery = {}

-- Jitter would make the times in specs ranges.
local STEADY = { jitter = 0 }

local function with(base, more)
  local merged = {}
  for name, value in pairs(base) do merged[name] = value end
  for name, value in pairs(more or {}) do merged[name] = value end
  return merged
end

--- A link that dials again every second.
function delivery.link(to, more)
  return with({ to = to, first = 1, factor = 1, jitter = 0 }, more)
end

--- Nodes "hub" (a sentinel), "owner" and "client", linked to the hub; their stores are memory, so that an outbox gives
--- up after two minutes. Settings of each may be given; with `show` the log has a line for each frame.
function delivery.chain(settings)
  settings = settings or {}
  local world = test.world { seed = 1 }
  world.show = settings.show
  world:node("hub", with({ store = "memory", send = STEADY, handle = STEADY }, settings.hub))
  for _, name in ipairs { "owner", "client" } do
    local common = { store = "memory", links = { delivery.link "hub" }, send = STEADY, handle = STEADY }
    world:node(name, with(common, settings[name]))
  end
  return world
end

--- An agent at "a@x" on the owner's node; `handle` is its on.message, `fields` are further fields.
function delivery.agent(world, handle, fields)
  local declared = with({ address = "a@x", on = { message = handle }, retry = STEADY }, fields)
  local node = declared.node or "owner"
  declared.node = nil
  return world:load(moonpost.agent(declared), { node = node })
end

--- A handler that fails every time.
function delivery.failing()
  return nil, "it does not work"
end

--- Send from the client.
function delivery.send(world, body, options)
  return world:send("a@x", body, with({ from = "client" }, options))
end

--- Every receipt that leaves this node is lost until the function returned is called.
function delivery.mute(world, node)
  local muted = true
  world:fault(moonpost.hook {
    forward = function(envelope)
      if muted and envelope.type == "receipt" then return moonpost.drop("lost on the way") end
    end,
  }, { node = node or "owner" })
  return function() muted = false end
end

--- The bodies that arrived at an agent, in order.
function delivery.bodies(world, address)
  local bodies = {}
  for _, message in ipairs(world:received(address or "a@x")) do bodies[#bodies + 1] = message.body end
  return bodies
end

--- When the client sent frames of this kind, as the log words it ("data", "ask"), since the last look.
function delivery.frames(world, kind)
  local times = {}
  for _, line in ipairs(world:log()) do
    if line.node == "client" and line.text:match "^%-> %S+%s+(%S+)" == kind then times[#times + 1] = line.at end
  end
  return times
end

--- The facts of this kind, of a message or of all.
function delivery.facts(world, kind, id)
  local found = {}
  for _, fact in ipairs(world:facts(id)) do
    if fact.fact == kind then found[#found + 1] = fact end
  end
  return found
end

return delivery
