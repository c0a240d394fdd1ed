--- What agents of a world keep: ctx.state and ctx.kv from outside, as a handler that begins now would see them.
local errors = require "moonpost.errors"
local record = require "moonpost.record"
local worlds = require "moonpost.world"

local kept = {}

---@class moonpost.World
local World = {}

local function read(self, address, scope, key, options)
  if type(address) ~= "string" then errors.misuse("address: expected a string") end
  local node = options and options.node or worlds.owner(self.handle, address)
  if not node then errors.misuse(("no node has an agent at %q"):format(address)) end
  local bytes = worlds.kept(self.handle, node, address, scope, key)
  return bytes and record.decode(bytes) or nil
end

--- The document of an agent, or of a key when its order is "key"; nil: it has none. `node`: of the agent there.
---@param address string
---@param key string|nil
---@param options { node: string|nil }|nil
---@return table|nil
function World:state(address, key, options)
  return read(self, address, "state", key or "", options)
end

--- A record of an agent's ctx.kv, or nil.
---@param address string
---@param key string
---@param options { node: string|nil }|nil
---@return any
function World:kv(address, key, options)
  if type(key) ~= "string" then errors.misuse("key: expected a string") end
  return read(self, address, "kv", key, options)
end

--- Give these methods to the class of worlds.
---@param class table
function kept.add(class)
  for name, method in pairs(World) do class[name] = method end
end

return kept
