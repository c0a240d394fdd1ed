--- The seed of worlds that name none: MOONPOST_SEED, or 1.
local environment = require "moonpost.environment"
local errors = require "moonpost.errors"

--- Raises when MOONPOST_SEED is no number.
---@return number
return function()
  local text = environment "SEED"
  local seed = tonumber(text or 1)
  return seed or errors.misuse(("MOONPOST_SEED: %q is not a number"):format(text))
end
