--- The queue of the peers' benchmark. While nobody consumes, its handlers wait: the first thousand messages
--- are in their hands, all others stay in the mailbox.
local moonpost = require "moonpost"
local counter = require "moonpost_bench"

local WAIT = "20ms"
local UNACKNOWLEDGED = 1000 -- as the harness lets every consumer have

local is_open, take = counter.open, counter.take

return moonpost.agent {
  address = "q@bench",
  concurrency = UNACKNOWLEDGED,
  timeout = "7d",
  on = {
    message = function(_, msg)
      if msg.body == "last" then return end
      while not is_open() do moonpost.sleep(WAIT) end
      take(msg.body)
    end,
  },
}
