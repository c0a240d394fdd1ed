-- The smallest agent: answers what it is told.
--
--     moonpost run scripts/agents/echo.lua
--     moonpost send echo@local '{"hello":"world"}' --await handled
local moonpost = require "moonpost"

return moonpost.agent {
  address = "echo@local",
  on = { message = function(_, msg) return msg.body end },
}
