--- What the nodes of a world were made of, so that they can be made of it again.
local node = require "moonpost.node"
local parameter = require "moonpost.test.parameter"
local worlds = require "moonpost.world"

local made = {}

local FIRST_NODE = "node"

---@class moonpost.test.Made
---@field settings any
---@field agents any[] files and values, in the order of loading
---@field reloads table[] of agents that were loaded from files: address and what took its place
---@field hooks moonpost.Hook[]

--- A node was added.
---@param world moonpost.World
---@param name string
---@param settings any
function made.keep(world, name, settings)
  world.nodes = world.nodes or {}
  world.first = world.first or name
  world.nodes[name] = { settings = settings, agents = {}, reloads = {}, hooks = {} }
end

--- A world has one node, "node", unless others were added first.
---@param world moonpost.World
function made.first(world)
  if world.nodes then return end
  local settings = node.new {}
  worlds.node(world.handle, FIRST_NODE, 0, settings, world.show)
  made.keep(world, FIRST_NODE, settings)
  worlds.run(world.handle, 0)
end

--- What a node was made of; without a name the first. Raises for a name that is no node's.
---@param world moonpost.World
---@param name string|nil
---@return moonpost.test.Made
function made.of(world, name)
  made.first(world)
  local found = world.nodes[name or world.first]
  if not found then parameter.no_node(world, name) end
  return found
end

return made
