-- What the node knows of its link: up, down, and when it dials again.
local moonpost = require "moonpost"

return moonpost.hook {
  link_up = function(fact) moonpost.log.info(("LINK up: %s"):format(fact.link)) end,
  link_down = function(fact)
    moonpost.log.warn(("LINK down: %s; dial %d in %d ms"):format(fact.link, fact.attempt + 1, fact.delay * 1000))
  end,
}
