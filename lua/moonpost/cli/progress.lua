--- A line at a terminal that says how far something is; it is written over itself.
local progress = {}

local WIDTH = 40

--- "[########        ]  20 %".
---@param share number from 0 to 1
---@return string
function progress.bar(share)
  local full = math.floor(WIDTH * share)
  return ("[%s%s] %3d %%"):format(("#"):rep(full), (" "):rep(WIDTH - full), math.floor(100 * share))
end

--- Show a line instead of the one before; nil: none.
---@param text string|nil
function progress.show(text)
  io.stderr:write("\r\27[K", text or "")
  io.stderr:flush()
end

return progress
