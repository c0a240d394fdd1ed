-- A worker whose process is killed in the middle of a job. `--seed N` chooses another job.
local JOBS = 200
local LONG = 50 + (seed * 48271) % 2147483647 % 101 -- 50 to 150

-- How many begins of a job this is true of: `look(begun, reported)`, how often each happened to the job before.
local function count_begins(facts, look)
  local begun, reported, count = {}, {}, 0
  for _, record in ipairs(facts:all(nil, "^job %d+ %l+$")) do
    local job, what = record.text:match("^job (%d+) (%l+)$")
    local times = what == "begins" and begun or reported
    if what == "begins" and look(begun[job] or 0, reported[job] or 0) then count = count + 1 end
    times[job] = (times[job] or 0) + 1
  end
  return count
end

local function begun(facts)
  return count_begins(facts, function(before) return before == 0 end)
end

local function begun_again(facts)
  return count_begins(facts, function(before) return before > 0 end)
end

local function begun_after_reported(facts)
  return count_begins(facts, function(_, reported) return reported > 0 end)
end

local function answer(facts)
  local said = facts:all("client", "^done %d")[1]
  return said and said.text
end

return {
  summary = "a process is killed in the middle of its work; all is finished afterwards",
  duration = 2,
  shown = "worker/agents/job.lua",

  processes = {
    {
      name = "office",
      run = "office/node.lua",
      ready = "^listening (tcp://%S+)",
      gives = "DEMO_OFFICE",
      ports = { DEMO_OFFICE = "tcp://127.0.0.1:0" }, -- any free one
    },
    { name = "worker", run = "worker/node.lua", ready = "^attached" },
    { name = "client", exec = "client/client.lua", env = { DEMO_LONG = tostring(LONG) } },
  },
  cues = {
    { process = "worker", says = ("^job %d begins$"):format(LONG), kill = "worker" },
  },

  hide = { "^job ", "^link ", "^listening", "^agent ", "^attached", "^no ack", "^cannot be sent", "^deferred",
    "^duplicate" },

  promises = {
    {
      file = "worker/node.lua",
      line = 'store = { path = "data" },',
      why = "what was acknowledged to the client is on disk; the next start goes on with it",
      instead = 'store = "memory",',
      otherwise = "the jobs that were stored and not begun are lost with the process: the client waits in vain",
    },
    {
      file = "worker/agents/job.lua",
      line = 'ctx:send("tally@demo", { run = msg.body.run, job = job })',
      why = "the report is buffered: it commits together with the end of its job, or not at all",
      instead = 'ctx:call("tally@demo", { run = msg.body.run, job = job }) moonpost.sleep("50ms")',
      otherwise = "a report leaves before its job is settled, so that some begin again that were reported as done",
    },
  },

  totals = function(facts)
    return {
      { "jobs", JOBS },
      { "killed", facts:count("worker", { fact = "killed" }) },
      { "begun", begun(facts) },
      { "begun again", begun_again(facts) },
      { "reported and begun again", begun_after_reported(facts) },
      { "dead", facts:count(nil, { fact = "dead" }) },
    }
  end,

  checks = {
    { "the worker's process is killed once",
      function(facts) return facts:count("worker", { fact = "killed" }), 1 end },
    { "every job begins",
      function(facts) return begun(facts), JOBS end },
    { "the long job, which was in hand, begins again",
      function(facts) return facts:count("worker", ("^job %d begins$"):format(LONG)), 2 end },
    { "no job that was reported as done begins again",
      function(facts) return begun_after_reported(facts), 0 end },
    { "every job is reported as done, and none twice",
      function(facts) return answer(facts), ("done %d  reported twice 0"):format(JOBS) end },
    { "nothing is dead",
      function(facts) return facts:count(nil, { fact = "dead" }), 0 end },
  },
}
