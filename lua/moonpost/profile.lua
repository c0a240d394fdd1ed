--- Profiles: what a delivery promises.
local shape = require "moonpost.shape"

local profile = {}

--- A reader for shapes.
---@type fun(value: any): string|nil, string|nil, string|nil
profile.read = shape.choice {
  ["at-most-once"] = true,
  ["at-least-once"] = true,
  ["exactly-once"] = true,
}

return profile
