-- Counts which jobs of a run of the client were reported as done, and how often.
local moonpost = require "moonpost"

local runs = {}

local function of_run(name)
  runs[name] = runs[name] or { reports = {}, different = 0 }
  return runs[name]
end

return moonpost.agent {
  address = "tally@demo",
  dedup = { ttl = "10m" },

  on = {
    message = function(_, msg)
      local job, run = msg.body.job, of_run(msg.body.run)
      if not run.reports[job] then run.different = run.different + 1 end
      run.reports[job] = (run.reports[job] or 0) + 1
      moonpost.log.info(("job %d reported"):format(job))
    end,
  },

  methods = {
    -- Answers when so many jobs are done; until then the question waits, at no attempt.
    all = function(_, msg)
      local run = of_run(msg.body.run)
      if run.different < msg.body.jobs then return moonpost.defer("not all of them yet", { delay = "20ms" }) end
      local twice = 0
      for _, times in pairs(run.reports) do twice = twice + times - 1 end
      return { done = run.different, twice = twice }
    end,
  },
}
