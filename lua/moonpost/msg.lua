--- What a msg has. Its fields come from the runtime, which asks here about all other names.
local closed = require "moonpost.closed"

local msg = {}

--- The names of its fields; reading another raises. A script may set more in a msg: it is its own copy.
msg.NAMES = closed.close("msg.", closed.words "id to from key method topic headers body sent_at", {})

--- Raise at the line of the script that read a name which is no field and was not set.
---@param name string
function msg.unknown(name)
  return msg.NAMES[name]
end

return msg
