--- What a msg has. Its fields come from the runtime, which asks here about all other names.
local closed = require "moonpost.closed"

local msg = {}

--- The names of its fields. A script may set more: a msg is its own copy.
msg.NAMES = closed.words "id to from key method topic headers body sent_at"

local unknown = closed.index("msg.", msg.NAMES, {})

--- Raise at the line of the script that read a name which is no field and was not set.
---@param name string
function msg.unknown(name)
  unknown(nil, name)
end

return msg
