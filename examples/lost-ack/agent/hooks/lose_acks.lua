-- A network that loses two ACKs of three. It is here for the demonstration only; the agent knows nothing of it.
-- Without the lines of log it would be: return moonpost.fault.drop { type = "receipt", pattern = "XX." }
local moonpost = require "moonpost"

local seen, dropped = 0, 0

return moonpost.hook {
  forward = function(envelope)
    if envelope.type ~= "receipt" then return end
    seen = seen + 1
    if seen % 3 == 0 then return end
    dropped = dropped + 1
    moonpost.log.warn(("FAULT ack dropped (%d)  ref %s"):format(dropped, envelope.ref))
    return moonpost.drop "this network loses ACKs"
  end,
}
