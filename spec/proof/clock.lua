--- Clocks that jump: the node's wall clock by hours and years both ways, while it runs and while it is down, and
--- the time since the system's start, which begins anew with a new start of it (clock.c).
---
---     make clock
local moonpost = require "moonpost"
local proof = require "spec.proof.proof"

local HOUR, YEAR = 3600, 365 * 86400
local JUMPS = {
  { "stands", 0 }, { "3 hours on", 3 * HOUR }, { "3 hours back", -3 * HOUR }, { "10 years on", 10 * YEAR },
  { "10 years back", -10 * YEAR }, { "in 1970", 60 - os.time() }, { "in 1969", -HOUR - os.time() },
}
local SLACK = 5 -- seconds that a busy machine may be late

local checks = 0
local place

-- ---- what is checked ----

local function fail(format, ...)
  error(("the wall clock %s%s: %s"):format(place.jump, place.rebooted and ", the system was started anew" or "",
    format:format(...)), 0)
end

local function check(ok, format, ...)
  checks = checks + 1
  if not ok then fail(format, ...) end
end

-- ---- the node and its clocks ----

local function bytes_of(number)
  local out, low, high = {}, number % 4294967296, math.floor(number / 4294967296) % 4294967296
  for n = 1, 4 do
    out[n], out[n + 4] = string.char(low % 256), string.char(high % 256)
    low, high = math.floor(low / 256), math.floor(high / 256)
  end
  return table.concat(out)
end

-- In place: the node has the file mapped.
local function set_clocks(wall, boot)
  local file = assert(io.open(place.folder .. "/clock", "r+"))
  file:write(bytes_of(wall), bytes_of(boot))
  file:close()
end

local function start()
  place.running = proof.node(place.folder, {
    store = place.folder .. "/data",
    variables = { LD_PRELOAD = place.shim, PROOF_CLOCK = place.folder .. "/clock" },
  })
  if not place.running.is_up then fail("the node does not start: %s", place.running:finish()) end
  place.started = moonpost.clock()
end

local function stop()
  place.running:signal "TERM"
  local said = place.running:finish()
  check(said:find "exit code 0$", "it ends with %s", said)
end

local function has_said(text)
  for _, line in ipairs(place.running.said) do
    if line:find(text, 1, true) then return true end
  end
end

local function hear(text)
  if not has_said(text) and not place.running:wait_for(text) then fail("it never said %q", text) end
  return moonpost.clock()
end

local function send(body, id, words)
  return proof.moonpost(("send timely@local '%s' --text --id '%s' --node unix:%s/data/moonpost.sock %s"):format(body, id,
    place.folder, words or ""))
end

-- What is heard may have been said a while ago, so it began after `since` only for certain.
local function at_about(what, since, id, wait)
  local late = hear("noted " .. id) - since - wait
  check(late > -0.05 and late < SLACK, "%s comes %.2f s late", what, late)
end

-- ---- a jump while the node runs ----

local function once()
  local output = proof.moonpost(("send once@local same --text --await handled --json --node unix:%s/data/moonpost.sock")
    :format(place.folder))
  return tonumber(output:match '"result":(%d+)'), output
end

local function runs(wall)
  start()
  local began = moonpost.clock()
  send("note", "delayed", "--delay 500ms")
  send("note", "lasting", "--delay 500ms --expires 1h")
  local tried = moonpost.clock()
  send("retry", "retried")
  hear "failed retried"
  local first = once()
  local keyed = moonpost.clock()
  set_clocks(wall, 0)
  local second, said = once()
  if moonpost.clock() - keyed < 0.4 then check(second == first, "a key is forgotten too soon: %s", said) end
  at_about("a delayed message", began, "delayed", 0.5)
  at_about("a message that expires in an hour", began, "lasting", 0.5)
  at_about("a retry", tried, "retried", 0.5)
  repeat
    local again = once()
    check(moonpost.clock() - keyed < 0.5 + SLACK, "a key is never forgotten")
  until again ~= first
  check(moonpost.clock() - keyed > 0.45, "a key is forgotten too soon")
  local output = send("defer 1h", "worthless", "--expires 300ms --await handled")
  check(output:find("EXPIRED", 1, true), "a message does not expire: %s", output)
  stop()
end

-- ---- a jump while it is down ----

local function restarts(wall, boot)
  start()
  send("note", "delayed", "--delay 500ms")
  send("note", "long", "--delay 1h")
  send("note", "lasting", "--delay 600ms --expires 1h")
  send("defer 500ms", "deferred")
  send("defer 1h", "parked")
  send("reject", "<m-5>")
  hear "deferred parked"
  hear "deferred deferred"
  stop()
  set_clocks(wall, boot)
  start()
  local on = wall > HOUR
  for _, id in ipairs { "delayed", "deferred" } do
    local late = hear("noted " .. id) - place.started
    check(late < 0.5 + SLACK, "%s comes %.2f s after the start", id, late)
  end
  if on then
    hear "noted long"
    hear "noted parked"
  else
    hear "noted lasting"
  end
  stop()
  check(not on or not has_said "noted lasting", "a message that expired while nobody ran is handled")
  check(on or not (has_said "noted long" or has_said "noted parked"), "a message comes before its hour is over")
  check(proof.holds(place.folder .. "/data")[5] == "dead", "a dead letter is gone")
  local wrong = proof.wrong(place.folder .. "/data")
  check(not wrong, "the store is damaged: %s", wrong)
end

-- ---- all of it ----

local function with_place(jump, rebooted, play, ...)
  place = { jump = jump, rebooted = rebooted }
  place.folder = proof.run("mktemp -d /tmp/moonpost-clock-XXXXXX"):match "%S+"
  place.shim = proof.run("readlink -f build/proof/clock.so"):match "%S+"
  proof.run("cp -r spec/proof/agents spec/proof/node.lua %s", place.folder)
  proof.write(place.folder .. "/clock", ("\0"):rep(16))
  play(...)
  proof.run("rm -rf %s", place.folder)
end

local function all()
  for _, jump in ipairs(JUMPS) do
    with_place(jump[1], false, runs, jump[2])
    with_place(jump[1], false, restarts, jump[2], 0)
    with_place(jump[1], true, restarts, jump[2], 5 - math.floor(moonpost.clock()))
  end
end

local ok, fault = pcall(all)
if not ok then
  place.running:signal "TERM"
  proof.say("clock: FAILED %s\nsee %s", tostring(fault), place.folder)
  return 1
end
proof.say("clock: %d jumps while running and %d while down, %d checks", #JUMPS, 2 * #JUMPS, checks)
return 0
