-- Counts which jobs were reported as done, and how often.
local moonpost = require "moonpost"

local reports, different = {}, 0

return moonpost.agent {
  address = "tally@demo",
  dedup = { ttl = "10m" },

  on = {
    message = function(_, msg)
      local job = msg.body.job
      if not reports[job] then different = different + 1 end
      reports[job] = (reports[job] or 0) + 1
      moonpost.log.info(("job %d reported"):format(job))
    end,
  },

  methods = {
    -- Answers when so many jobs are done; until then the question waits, at no attempt.
    all = function(_, msg)
      if different < msg.body.jobs then return moonpost.defer("not all of them yet", { delay = "20ms" }) end
      local twice = 0
      for _, times in pairs(reports) do twice = twice + times - 1 end
      return { done = different, twice = twice }
    end,
  },
}
