--- Lets the queue of the peers' benchmark begin and end.
local moonpost = require "moonpost"
local counter = require "moonpost_bench"

local function begin(words)
  local file, flow = words:match("^begin (%S+) ?(%S*)$")
  counter.begin(file, flow)
end

return moonpost.agent {
  address = "q-control@bench",
  on = {
    message = function(_, msg)
      local verb = msg.body:match("^%a+")
      if verb == "begin" then begin(msg.body) end
      if verb == "end" then counter.finish() end
    end,
  },
}
