--- What the methods of worlds were given, when it is not what they take.
local errors = require "moonpost.errors"
local nearest = require "moonpost.nearest"
local show = require "moonpost.show"
local worlds = require "moonpost.world"

local parameter = {}

--- Raises unless a value has this type.
---@param kind "string"|"table"
---@param where string such as "world:receipt: id"
---@param value any
---@param what string|nil what it should be, else "a string"
function parameter.check(kind, where, value, what)
  if type(value) == kind then return end
  errors.misuse(("%s: expected %s, got %s"):format(where, what or "a " .. kind, show(value)))
end

--- Raises unless both are texts, as names of nodes are.
---@param method string such as "world:cut"
---@param a any
---@param b any
function parameter.pair(method, a, b)
  parameter.check("string", method .. ": a", a, "the name of a node")
  parameter.check("string", method .. ": b", b, "the name of a node")
end

-- Programs are nodes too, which only the world itself knows.
local function is_node(world, name)
  return (pcall(worlds.up, world.handle, name))
end

--- Raises for two names that are not of two nodes: for the first that is none, with the nearest.
---@param world moonpost.World
---@param a string
---@param b string
function parameter.no_pair(world, a, b)
  for _, name in ipairs { a, b } do
    if not is_node(world, name) then parameter.no_node(world, name) end
  end
  errors.misuse(("a link has two ends: expected two nodes, got %s twice"):format(show(a)))
end

--- Raises for a name that is no node's.
---@param world moonpost.World
---@param name any
function parameter.no_node(world, name)
  errors.misuse(("no node %s here%s"):format(show(name), nearest.hint(name, world.nodes or {})))
end

return parameter
