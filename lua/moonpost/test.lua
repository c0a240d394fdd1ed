--- Worlds for specs: nodes, agents and links in virtual time. Real files run in them; no time passes
--- but by hand, and links cost nothing until a fault says so.
local class = require "moonpost.test.class"
local closed = require "moonpost.closed"
local errors = require "moonpost.errors"
local fake = require "moonpost.test.fake"
local faults = require "moonpost.test.faults"
local fuzz = require "moonpost.test.fuzz"
local kept = require "moonpost.test.kept"
local look = require "moonpost.test.look"
local made = require "moonpost.test.made"
local nearest = require "moonpost.nearest"
local agent = require "moonpost.agent"
local node = require "moonpost.node"
local patience = require "moonpost.test.patience"
local parameter = require "moonpost.test.parameter"
local plan = require "moonpost.test.plan"
local receipt = require "moonpost.receipt"
local seed_of_environment = require "moonpost.test.seed"
local send = require "moonpost.send"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"
local worlds = require "moonpost.world"

local test = {}

---@class moonpost.World
local World = class.methods

fake.add(World)
faults.add(World)
kept.add(World)
look.add(World)

local function duration(value)
  local seconds, reason = units.finite_duration(value)
  if not seconds then errors.misuse("duration: " .. tostring(reason)) end
  return seconds
end

--- A new world. It has one node, "node", until the first `world:node`.
---@param options { seed: integer|nil, start: string|number|nil, env: table<string, string>|nil }|nil
---@return moonpost.World
function test.world(options)
  options = shape.construct("world", {
    seed = { read = shape.number(0, 2 ^ 53) },
    start = { read = units.moment, default = units.moment "2026-01-01T00:00:00Z" },
    env = { read = function(env) return type(env) == "table" and env, "expected a table" end },
  }, options or {})
  local seed = options.seed or seed_of_environment()
  local self = class.new { handle = worlds.new(seed, options.start), seed = seed }
  for name, value in pairs(options.env or {}) do worlds.setenv(self.handle, name, value) end
  return self
end

local IDENTITY = {
  goes_by = { read = shape.string(255) },
  store = { read = shape.string(16) },
  epoch = { read = shape.whole(1, 2 ^ 31 - 1) },
}

--- Add a node; its name is its address for other nodes' links. The identity says under which name it `goes_by`
--- with its peers, which `store` it has (an id, of at most 16 bytes) and which start of that store this is
--- (`epoch`): so a world can have two nodes with one name, or one node that was started again.
---@param name string
---@param settings table|string|nil settings as for moonpost.node, or the file they are in
---@param identity { goes_by: string|nil, store: string|nil, epoch: integer|nil }|nil
---@return string name
function World:node(name, settings, identity)
  identity = shape.construct("identity", IDENTITY, identity or {})
  if type(name) ~= "string" or name == "" then errors.misuse("name: expected a string") end
  if self.nodes and self.nodes[name] then errors.misuse(("node %q is there already"):format(name)) end
  if settings == nil then settings = {} end
  if type(settings) == "table" and not node.is(settings) then settings = node.new(settings) end
  worlds.node(self.handle, name, 0, settings, self.show, identity.goes_by, identity.store, identity.epoch)
  made.keep(self, name, settings)
  worlds.run(self.handle, 0)
  return name
end

--- Load an agent: a file, or a value that moonpost.agent made.
---@param what string|table
---@param options { node: string|nil }|nil
---@return string|nil address nil for a file
function World:load(what, options)
  made.first(self)
  if type(what) ~= "string" and not agent.is(what) then
    errors.misuse("expected a file or what moonpost.agent returns")
  end
  local agents = made.of(self, options and options.node).agents
  worlds.load(self.handle, options and options.node, what, "spec")
  agents[#agents + 1] = what
  worlds.run(self.handle, 0)
  return type(what) == "table" and what.address or nil
end

-- The next start of the node loads what was there last; what waits in on.start is not there yet.
local function remember_reload(own, address, what)
  for index, agent_before in ipairs(own.agents) do
    if type(agent_before) == "table" and agent_before.address == address and type(what) == "table" then
      own.agents[index] = what
      return
    end
  end
  own.reloads[#own.reloads + 1] = { address, what }
end

--- Load an agent again, from its file, from another, or from a value; the next delivery runs in it.
---@param address string
---@param what string|table|nil
---@param options { node: string|nil }|nil
---@return boolean|nil true
---@return string|nil reason why the one before goes on
function World:reload(address, what, options)
  made.first(self)
  if what ~= nil and type(what) ~= "string" and not agent.is(what) then
    errors.misuse("expected a file or what moonpost.agent returns")
  end
  local result, reason = worlds.reload(self.handle, options and options.node, address, what)
  if not result then errors.misuse(("no agent at %q"):format(tostring(address))) end
  worlds.run(self.handle, 0)
  if result == "refused" then return nil, reason end
  if what ~= nil and result == "reloaded" then
    remember_reload(made.of(self, options and options.node), address, what)
  end
  return true
end

-- `from` is of worlds alone: who reads the other options cannot suggest it.
local function check_options(method, options)
  parameter.check("table", method .. ": options", options)
  for name in pairs(options) do
    if name ~= "from" and nearest.find(name, { from = true }) then
      errors.misuse(('%s: options.%s: unknown key; did you mean "from"?'):format(method, name))
    end
  end
end

-- Moments are of the world's clock.
local function relative(self, method, options)
  if options == nil then return nil, nil end
  check_options(method, options)
  local copy = {}
  for name, value in pairs(options) do copy[name] = value end
  copy.from = nil
  local _, wall = worlds.now(self.handle)
  for name, target in pairs { at = "delay", expires = "expires" } do
    local moment = type(copy[name]) == "string" and copy[name]:find("T") and units.moment(copy[name])
    if name == "at" and type(copy.at) == "number" then moment = copy.at end
    if moment then
      copy[name] = nil
      copy[target] = math.max(0, moment - wall)
    end
  end
  return copy, options.from
end

--- Send; everything due now has then happened, and no time has passed. `from` names the node.
---@param to string
---@param body any
---@param options table|nil send options, and `from`
---@return string id
function World:send(to, body, options)
  made.first(self)
  local own, from = relative(self, "world:send", options)
  local id = worlds.send(self.handle, from, send.normalise(to, body, own, "world:send"))
  worlds.run(self.handle, 0)
  return id
end

--- Send and let time pass until the answer.
---@param to string
---@param body any
---@param options table|nil
---@return any result or nil, reason, code
function World:call(to, body, options)
  made.first(self)
  local own, from = relative(self, "world:call", options)
  local message = send.call(to, body, own, "client:call")
  local id = worlds.send(self.handle, from, message)
  worlds.run(self.handle, 0)
  local answer = self:receipt(id)
  local asker = from or self.first
  patience.wait(self, function()
    answer = answer or self:receipt(id)
    return answer ~= nil or not self:up(asker)
  end, ("world:call: no answer of %s can come: "):format(to))
  if not answer then return nil, ("node %s, which asked, is down"):format(asker), "UNREACHABLE" end
  return receipt.result(answer)
end

--- Let time pass.
---@param time string|number duration
function World:advance(time)
  made.first(self)
  plan.pass(self, duration(time))
end

--- Let time pass until nothing is pending; raises with what is left when that cannot come, takes over 24 hours, or
--- 200,000 moments at which something happens.
function World:settle()
  made.first(self)
  worlds.run(self.handle, 0)
  patience.wait(self, function() return worlds.pending_count(self.handle) == 0 end, "")
end

--- The receipt of a send, as far as it waited (`await`), or nil while there is none.
---@param id string
---@return moonpost.Receipt|nil
function World:receipt(id)
  parameter.check("string", "world:receipt: id", id, "the id that world:send answers")
  local fields = worlds.receipt(self.handle, id)
  return fields and receipt.new(fields)
end

local FACTS = {}
for _, name in ipairs(worlds.fact_names) do FACTS[name] = true end

--- When a fact of a message happened, in seconds since its send.
---@param id string
---@param fact string such as "sent", "delivered", "retrying", "handled", "acked"
---@param options { round: number|nil }|nil round to so many seconds
---@return number[]
function World:times(id, fact, options)
  if not FACTS[fact] then
    errors.misuse(("world:times: no fact is called %s%s"):format(show(fact), nearest.hint(fact, FACTS)))
  end
  local times = {}
  local facts, began = worlds.facts(self.handle, id)
  local round = options and options.round
  for _, happened in ipairs(facts) do
    if happened.fact == fact then
      local time = happened.at - (began or facts[1].at)
      time = round and math.floor(time / round + 0.5) * round or time
      times[#times + 1] = math.floor(time * 1000 + 0.5) / 1000
    end
  end
  return times
end

--- Everything that happened to a message, or (without id) in the world: tables with `fact`, `at`, `node`.
---@param id string|nil
---@return table[]
function World:facts(id)
  return (worlds.facts(self.handle, id))
end

--- The messages that were handed to an agent, in order.
---@param address string
---@return moonpost.Message[]
function World:received(address)
  return worlds.received(self.handle, address)
end

--- The dead letters of an address, of every node.
---@param address string
---@return table[]
function World:dead(address)
  return worlds.dead(self.handle, address)
end

--- Lines of log since the last call: tables with `at`, `node`, `level`, `text`, `id`, `fields` (JSON).
---@return table[]
function World:log()
  return worlds.lines(self.handle)
end

--- A node's counters.
---@param name string|nil
---@return table<string, number>
function World:counts(name)
  made.first(self)
  return worlds.counts(self.handle, name)
end

--- Run a program in the world until it ends; `each` is called after every moment at which something happened.
---@param file string
---@param options { name: string|nil, root: string|nil, each: fun()|nil }|nil
---@return integer exit code
---@return string error
function World:exec(file, options)
  self.nodes = self.nodes or {}
  local root = options and options.root or "."
  local number = worlds.exec(self.handle, options and options.name or "program", root, file, self.show)
  worlds.run(self.handle, 0)
  local ended, code, reason
  patience.wait(self, function()
    if options and options.each then options.each() end
    ended, code, reason = worlds.ended(self.handle, number)
    return ended
  end, file .. " waits for something that will never come: ")
  return code, reason
end

--- Give back what the world holds; it cannot be used afterwards.
function World:close()
  worlds.close(self.handle)
end

class.seal()

--- Run a function in many worlds, each with another seed and another storm of faults; afterwards everything must come
--- to its end, and no promise may be broken (`world:check`); then what the function returned, if it is a function, is
--- called. Raises with the seed.
---@param options { runs: integer|nil, seed: integer|nil, faults: table|nil, lasts: any, most: integer|nil }|nil
---@param body fun(world: moonpost.World)
function test.fuzz(options, body)
  fuzz.fuzz(test.world, options, body)
end

return closed.close("moonpost.test.", test, {})
