-- The node whose agent is loaded again and again.
local moonpost = require "moonpost"

return moonpost.node { name = "reloads" }
