-- Says what was dropped on its way, and why. Put it into your project's hooks/.
local moonpost = require "moonpost"

return moonpost.hook {
  dropped = function(fact)
    moonpost.log.warn("dropped", { id = fact.id, reason = fact.reason })
  end,
}
