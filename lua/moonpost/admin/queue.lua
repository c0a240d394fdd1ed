--- `$node` pause, resume: mailboxes.
local common = require "moonpost.admin.common"
local inside = require "moonpost.inside"
local runtime = require "moonpost.runtime"

local function set_paused(method, paused)
  return function(request, given, from)
    local queue = common.mailbox_of(common.read(method, common.QUEUE, given).address)
    inside.pause(request, queue.address, paused)
    local changed = queue.paused ~= paused
    if changed then
      runtime.log("info", ("%s %s, as %s asked"):format(paused and "paused" or "resumed", queue.address, from))
    end
    return { address = queue.address, paused = paused, changed = changed, waiting = queue.waiting }
  end
end

return {
  pause = set_paused("pause", true),
  resume = set_paused("resume", false),
}
