--- `pairs` and `next` that see a whole msg, not only what has been read of it. In a state of the runtime they
--- stand for Lua's own everywhere, so that rocks and specs see the same.
local runtime = require "moonpost.runtime"

local iteration = { next = next, pairs = pairs }

local complete = runtime.message_complete
if not complete then return iteration end

local raw_next, raw_pairs = next, pairs

function iteration.pairs(map)
  if getmetatable(map) == "moonpost.msg" then complete(map) end
  return raw_pairs(map)
end

function iteration.next(map, key)
  if key == nil and getmetatable(map) == "moonpost.msg" then complete(map) end
  return raw_next(map, key)
end

rawset(_G, "next", iteration.next)
rawset(_G, "pairs", iteration.pairs)

return iteration
