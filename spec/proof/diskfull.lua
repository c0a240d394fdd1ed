--- A small disk that fills: a node takes messages until it refuses what is new, its handlers are let go until
--- nothing is left, and so on. In every second cycle somebody else's file takes what is left of the disk.
---
---     make diskfull [CYCLES=N] [SEED=N]
local proof = require "spec.proof.proof"

local DISK, LIFE = "6m", 5 -- cycles that one store goes through: its file never shrinks
local LEFT = { 0, 100, 300, 1000 } -- KiB that the other file leaves
local STORE_FULL, COMMIT_FAILED = 4, 74

local options = proof.options(arg, { CYCLES = 100 })
local draw = proof.generator(options.SEED)
local total = { confirmed = 0, refused = 0, ended = 0, full = 0, room = 0, not_up = 0 }
local place = { next = 1 }

local function fail(format, ...)
  error(("SEED=%d, cycle %d: %s\n%s"):format(options.SEED, place.cycle, format:format(...), place.said or ""), 0)
end

local function prepare()
  place.folder = proof.run("mktemp -d /tmp/moonpost-diskfull-XXXXXX"):match "%S+"
  place.disk = place.folder .. "/disk"
  place.store, place.gate, place.ledger = place.disk .. "/data", place.folder .. "/gate", place.folder .. "/ledger"
  proof.run("mkdir %s && cp -r spec/proof/agents spec/proof/node.lua %s", place.disk, place.folder)
  local reason, code = proof.run("mount -t tmpfs -o size=%s none %s", DISK, place.disk)
  return code == 0, reason
end

local function clear()
  proof.run("umount -l %s; rm -rf %s", place.disk, place.folder)
end

local function count(text, what)
  local found = 0
  for _ in text:gmatch(what) do found = found + 1 end
  return found
end

local function take_end(running)
  place.said = running:finish()
  local code = tonumber(place.said:match "exit code (%d+)$")
  total.full = total.full + count(place.said, "the store is full: what is new is refused")
  total.room = total.room + count(place.said, "the store has room again")
  if code == COMMIT_FAILED then total.ended = total.ended + 1 end
  if code ~= 0 and code ~= COMMIT_FAILED then fail("the node ends with %s", code) end
end

-- A start on a full disk may fail, and says why; there is a next one.
local function start()
  place.running = proof.node(place.folder, { store = place.store, variables = { PROOF_GATE = place.gate } })
  if place.running.is_up then return true end
  place.said = place.running:finish()
  total.not_up = total.not_up + 1
  if not place.said:find "no room left on the file system of" then fail("the node does not start") end
end

local function send(messages, level)
  local _, code = proof.run("build/proof/sender %s/moonpost.sock noting@local %s %d %d 32 %d %d 60000", place.store,
    place.ledger, place.next, messages, level, draw(1000000))
  if code == 4 then fail "the sender waits for an answer that does not come" end
  local ledger = proof.ledger(place.ledger)
  place.next = ledger.last + 1
  return code, ledger
end

-- Up again when it ended; nil when there is no room to start in.
local function stay_up(code)
  if code == 0 then return true end
  take_end(place.running)
  return start()
end

local function fill()
  proof.write(place.gate, "")
  if draw(2) == 1 then
    proof.run("head -c $(( $(stat -f -c '%%a * %%S' %s) - %d * 1024 )) /dev/zero > %s/ballast", place.disk,
      LEFT[draw(#LEFT)], place.disk)
  end
  local code, ledger = send(5000, 2)
  if code == 0 and next(ledger.refused) == nil then fail "nothing was refused" end
  for number, refusal in pairs(ledger.refused) do
    if refusal ~= STORE_FULL then fail("message %d was refused with code %d", number, refusal) end
  end
  return stay_up(code)
end

local function drain()
  os.remove(place.gate)
  for _ = 1, 2000 do
    if next(proof.holds(place.store)) == nil then return end
    if not stay_up((send(1, 3))) then fail "the node does not start any more" end
  end
  fail "messages are left that nobody handles"
end

local function check()
  local ledger, notes = proof.ledger(place.ledger), proof.notes(place.folder .. "/notes")
  local wrong = proof.wrong(place.store)
  if wrong then fail("the store is damaged: %s", wrong) end
  for _, number in ipairs(ledger.order) do
    if not notes[number] then fail("message %d was confirmed and is lost", number) end
  end
  total.confirmed, total.refused = #ledger.order, 0
  for _ in pairs(ledger.refused) do total.refused = total.refused + 1 end
end

-- Without room to start in somebody has to make some: the other file goes.
local function play(cycle)
  place.cycle = cycle
  local is_up = fill()
  os.remove(place.disk .. "/ballast")
  if not is_up and not start() then fail "the node does not start with room" end
  drain()
  check()
end

local function live(first)
  place.cycle = first
  proof.run("rm -rf %s", place.store)
  if not start() then fail "the node does not start" end
  for cycle = first, math.min(first + LIFE - 1, options.CYCLES) do play(cycle) end
  place.running:signal "TERM"
  take_end(place.running)
end

local function all()
  for first = 1, options.CYCLES, LIFE do live(first) end
  if total.full == 0 or total.room == 0 then fail "the log does not name the state" end
end

local function main()
  local possible, reason = prepare()
  if not possible then
    clear()
    proof.say("diskfull: skipped, a disk cannot be mounted here: %s", reason:match "[^\n]*")
    return 0
  end
  local ok, fault = pcall(all)
  if not ok then
    place.running:signal "KILL"
    proof.say("diskfull: FAILED %s\nsee %s", tostring(fault), place.folder)
    return 1
  end
  clear()
  proof.say("diskfull: %d cycles, %d confirmed, 0 lost, %d refused with STORE_FULL; %d times ended with 74, %d times no "
    .. "room to start; said %d times that it is full, %d times that it has room  SEED=%d", options.CYCLES,
    total.confirmed, total.refused, total.ended, total.not_up, total.full, total.room, options.SEED)
  return 0
end

return main()
