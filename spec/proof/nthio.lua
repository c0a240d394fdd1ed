--- Each write, flush and open of a fixed run fails once: a node takes 200 messages, is stopped, is started
--- again and handles them. After the failure it goes on, or ends as documented and is started again.
---
---     make nth-io [STEP=N] [NTH=N]     every N-th call only, or one
local proof = require "spec.proof.proof"

local MESSAGES, WINDOW = 200, 8
local ERRORS = { { "EIO", 5 }, { "ENOSPC", 28 } }
local FAILED_START, FAILED_COMMIT = 1, 74

local options = proof.options(arg, { STEP = 1 })
local total = { runs = 0, confirmed = 0, went_on = 0, commit = 0, start = 0 }
local template

local function fail(run, format, ...)
  error(("call %d fails with %s: %s\n%s"):format(run.nth, run.error[1], format:format(...),
    table.concat(run.said, "\n")), 0)
end

local function new_run(nth, number)
  local folder = proof.run("mktemp -d /tmp/moonpost-nthio-XXXXXX"):match "%S+"
  proof.run("cp -r %s/. %s && touch %s/gate", template, folder, folder)
  proof.write(folder .. "/counter", ("\0"):rep(8))
  return { folder = folder, store = folder .. "/data", nth = nth, error = number, said = {}, next = 1 }
end

local function start(run)
  return proof.node(run.folder, {
    store = run.store,
    variables = {
      LD_PRELOAD = run.nth and run.faults, PROOF_COUNTER = run.folder .. "/counter", PROOF_NTH = run.nth,
      PROOF_ERRNO = run.error[2], PROOF_STORE = run.store, PROOF_GATE = run.folder .. "/gate",
    },
  })
end

-- How it ended: 0, or as documented and with a reason.
local function take_end(run, running)
  local said = running:finish()
  run.said[#run.said + 1] = said
  local code = tonumber(said:match "exit code (%d+)$")
  if code == 0 then return end
  if code == FAILED_COMMIT then
    total.commit = total.commit + 1
  elseif code == FAILED_START and not running.is_up then
    total.start = total.start + 1
  else
    fail(run, "the node ends with %s", code)
  end
  if not said:find(run.store, 1, true) then fail(run, "nothing names the store") end
  if run.failed then fail(run, "it failed a second time") end
  run.failed = true
end

local function send(run, count, level)
  local _, code = proof.run("build/proof/sender %s/moonpost.sock noting@local %s/ledger %d %d %d %d 1 2000", run.store,
    run.folder, run.next, count, WINDOW, level)
  if code == 4 then fail(run, "the sender waits for an answer that does not come") end
  run.next = proof.ledger(run.folder .. "/ledger").last + 1
end

-- Start, do something, stop; once more when it failed.
local function session(run, act)
  for _ = 1, 2 do
    local failed_before = run.failed
    local running = start(run)
    run.running = running
    if running.is_up then
      act()
      running:signal "TERM"
    end
    take_end(run, running)
    if run.failed == failed_before then return end
  end
end

local function is_drained(run)
  return next(proof.holds(run.store)) == nil
end

local function drain(run)
  os.remove(run.folder .. "/gate")
  for _ = 1, 100 do
    session(run, function() send(run, 1, 3) end)
    if is_drained(run) then return end
  end
  fail(run, "messages are left that nobody handles")
end

local function check(run)
  local wrong = proof.wrong(run.store)
  if wrong then fail(run, "the store is damaged: %s", wrong) end
  local ledger, notes = proof.ledger(run.folder .. "/ledger"), proof.notes(run.folder .. "/notes")
  for _, number in ipairs(ledger.order) do
    if not notes[number] then fail(run, "message %d was confirmed and is lost", number) end
  end
  total.confirmed = total.confirmed + #ledger.order
end

local function calls_of(run)
  local bytes = { proof.read(run.folder .. "/counter"):byte(1, 8) }
  local count = 0
  for n = 8, 1, -1 do count = count * 256 + bytes[n] end
  return count
end

local function play(run)
  session(run, function() send(run, MESSAGES, 2) end)
  drain(run)
  check(run)
  if not run.failed then total.went_on = total.went_on + 1 end
  total.runs = total.runs + 1
  return calls_of(run)
end

local function attempt(nth, number)
  local run = new_run(nth, number)
  run.faults = proof.run("readlink -f build/proof/faults.so"):match "%S+"
  local ok, answer = pcall(play, run)
  if not ok then
    if run.running then run.running:signal "KILL" end
    proof.say("nth-io: FAILED %s\nsee %s", tostring(answer), run.folder)
    return nil
  end
  proof.run("rm -rf %s", run.folder)
  return answer
end

local function all(calls)
  for nth = options.NTH or 1, options.NTH or calls, options.STEP do
    for _, number in ipairs(ERRORS) do
      if not attempt(nth, number) then return 1 end
    end
  end
  proof.say("nth-io: %d runs, each with one failure among %d calls: %d confirmed, 0 lost; %d went on, %d ended with 74, "
    .. "%d did not start", total.runs, calls, total.confirmed, total.went_on, total.commit, total.start)
  return 0
end

local function main()
  template = proof.run("mktemp -d /tmp/moonpost-nthio-XXXXXX"):match "%S+"
  proof.run("cp -r spec/proof/agents spec/proof/node.lua %s", template)
  local calls = attempt(0, ERRORS[1])
  if not calls then return 1 end
  total.runs, total.went_on, total.confirmed = 0, 0, 0
  local code = all(calls)
  proof.run("rm -rf %s", template)
  return code
end

return main()
