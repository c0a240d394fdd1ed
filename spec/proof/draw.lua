--- A generator of our own, so that a seed names a run.
local draw = {}

local Draw = {}
Draw.__index = Draw

function draw.new(seed)
  return setmetatable({ state = (seed * 2654435761 + 12345) % 4294967296 }, Draw)
end

--- A whole number from 1 to `limit`.
function Draw:upto(limit)
  self.state = (self.state * 1103515245 + 12345) % 4294967296
  return math.floor(self.state / 65536) % limit + 1
end

function Draw:one_of(list) return list[self:upto(#list)] end

--- True once in so many times.
function Draw:once_in(times) return self:upto(times) == 1 end

return draw
