-- Sends 200 jobs, each when the one before is stored, and waits until all are reported as done.
local moonpost = require "moonpost"

local JOBS = 200
local run = moonpost.id()

local client = assert(moonpost.client {
  link = os.getenv "DEMO_OFFICE" or "tcp://127.0.0.1:7072",
  send = { first = "250ms", factor = 1, attempts = 100 },
})

local long = tonumber(os.getenv "DEMO_LONG" or 100)
moonpost.log.info(("sending %d jobs to job@demo; job %d is a long one"):format(JOBS, long))
for job = 1, JOBS do
  assert(client:send("job@demo", { run = run, job = job, long = job == long }))
end
local answer = assert(client:call("tally@demo", { run = run, jobs = JOBS }, { method = "all", timeout = "10s" }))
print(("done %d  reported twice %d"):format(answer.done, answer.twice))

client:close()
