-- Does jobs. Whether a job is done and whether it is reported is one commit: a report leaves if, and only if, its
-- job is settled. A job that was in hand when the process was killed begins again, at no attempt when it only waited.
local moonpost = require "moonpost"

return moonpost.agent {
  address = "job@demo",
  dedup = { ttl = "10m" },
  retry = { attempts = 5, first = "50ms", jitter = 0 },

  on = {
    message = function(ctx, msg)
      local job = msg.body.job
      moonpost.log.info(("job %d begins"):format(job))
      moonpost.sleep(msg.body.long and "700ms" or "4ms")
      ctx:send("tally@demo", { run = msg.body.run, job = job })
    end,
  },
}
