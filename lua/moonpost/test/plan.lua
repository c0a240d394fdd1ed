--- What is to happen in a world at a given time, while its specs let time pass.
local worlds = require "moonpost.world"

local plan = {}

--- Do something when so many seconds have passed since the world began; of one moment, in the order of adding.
---@param world moonpost.World
---@param at number
---@param act fun()
function plan.add(world, at, act)
  world.plan = world.plan or {}
  local index = #world.plan + 1
  while index > 1 and world.plan[index - 1].at > at do index = index - 1 end
  table.insert(world.plan, index, { at = at, act = act })
end

local function left(world)
  local first = world.plan and world.plan[1]
  return first and math.max(0, first.at - worlds.now(world.handle))
end

--- How long it is until something is due, or nil.
---@param world moonpost.World
---@return number|nil seconds
function plan.next(world)
  local planned, due = left(world), worlds.next(world.handle)
  if planned and due then return math.min(planned, due) end
  return planned or due
end

--- Let time pass, and what is planned happen.
---@param world moonpost.World
---@param seconds number
function plan.pass(world, seconds)
  local till = worlds.now(world.handle) + seconds
  while world.plan and world.plan[1] and world.plan[1].at <= till do
    worlds.run(world.handle, left(world))
    table.remove(world.plan, 1).act()
  end
  worlds.run(world.handle, math.max(0, till - worlds.now(world.handle)))
end

return plan
