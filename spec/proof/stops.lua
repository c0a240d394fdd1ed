--- Processes that are stopped by SIGTERM while messages are under way: nothing is lost, no attempt is charged, and they
--- are ready again soon. Run by `make stops`; see HACKING.md.
local draw = require "proof.draw"
local posix = require "proof.posix"
local runs = require "proof.run"

local PLANS = { "o", "o", "s" } -- none of these fails, so each attempt must be the first
local VICTIMS = { "receiver", "receiver", "durable", "sentinel" }
local DRAIN_EVERY = 10
local READY_WITHIN, STOPPED_WITHIN = 1, 15
local FEED_EVERY = 0.1

local stops = {}

--- The median and the longest, in milliseconds.
local function spread(seconds)
  table.sort(seconds)
  return ("%.0f ms median, %.0f ms longest"):format(1000 * (seconds[math.ceil(#seconds / 2)] or 0),
    1000 * (seconds[#seconds] or 0))
end

local function stop(run, name)
  local began, pid = posix.now(), run.stage.pids[name]
  local code
  run.stage.pids[name] = nil
  posix.signal(pid, "TERM")
  local ended = run:go_on(STOPPED_WITHIN, function()
    local gone, status = posix.has_ended(pid)
    code = status
    return gone
  end)
  if not ended then
    posix.signal(pid, "KILL")
    posix.reap(pid)
  end
  if not ended or code ~= 0 then run.ledger:violation(name, ("did not stop well: status %s"):format(code)) end
  run.stopped[#run.stopped + 1] = posix.now() - began
  -- The receiver settles what it handled before it ends; a sender's receipts may be on their way.
  if name ~= "receiver" then run.note("killed " .. name) end
end

local function takes_connections(run, name)
  local fd = posix.connect(name == "sentinel" and run.stage:path "hub.sock" or run.stage:socket(name))
  if fd then posix.close(fd) end
  return fd ~= nil
end

local function feed(run, round, random)
  if not run.guests.durable or run.guests.durable.gone then
    run:disconnect()
    run:connect("durable", true)
  end
  run:feed(round, "durable", random, PLANS, true)
end

-- Load goes on while a process starts: what was sent before may wait for its sender's next attempt.
local function feeder(run, number, random)
  local next_at, count = 0, 0
  return function()
    if posix.now() < next_at then return end
    next_at, count = posix.now() + FEED_EVERY, count + 1
    feed(run, ("%d.%d."):format(number, count), random)
  end
end

-- Ready: it takes connections, and a message is handled that was there, or came.
local function start(run, name, goes_on)
  local began, before = posix.now(), run.ledger.begun
  local open = false
  run.stage:start(name)
  local ready = run:go_on(READY_WITHIN, function()
    open = open or takes_connections(run, name)
    if open then goes_on() end
    return open and run.ledger.begun > before
  end)
  if not ready then
    run.ledger:violation(name, ("is not ready %g s after its start"):format(READY_WITHIN))
    return
  end
  run.ready[#run.ready + 1] = posix.now() - began
end

local function one_stop(run, number)
  local random = draw.new(run.seed + number - 1)
  local before = run.ledger.begun
  feed(run, number, random)
  run:go_on(1, function() return run.ledger.begun > before end)
  run:go_on(random:upto(30) / 1000)
  local name = random:one_of(VICTIMS)
  stop(run, name)
  start(run, name, feeder(run, number, random))
  if number % DRAIN_EVERY == 0 then run:drain() end
end

local function rows_of(run, number, seconds)
  local counts = run.ledger.counts
  return {
    { "stops", number }, { "seconds", ("%.1f"):format(seconds) }, { "messages", counts.messages },
    { "confirmed", counts.confirmed }, { "handled", counts.handled }, { "handled again, unsettled", counts.duplicated },
    { "attempts charged", run.ledger.charged }, { "from SIGTERM to the end", spread(run.stopped) },
    { "from start to a handler", spread(run.ready) }, { "broken promises", #run.ledger.violations },
  }
end

--- `options.rounds` stops from `options.seed` on, for at most `options.seconds`.
---@return integer exit code
function stops.run(options)
  posix.die_when_interrupted()
  print(("seed %d"):format(options.seed))
  local run, began, number = runs.new(options), posix.now(), 0
  run.stopped, run.ready = {}, {}
  run.ledger.first_attempts_only = true
  repeat
    number = number + 1
    one_stop(run, number)
    run:progress("stop", number)
  until number == options.rounds or run:is_broken() or posix.now() - began > options.seconds
  if not run:is_broken() then run:drain() end
  return run:finish(rows_of(run, number, posix.now() - began),
    ("replay the choices (timing differs): make stops SEED=%d ITER=1"):format(run.seed + number - 1))
end

return stops
