--- Power cuts: a node on a file system that forgets what was not flushed (powerfs.c), cut at a call of its
--- store or when all is answered, and started again on what remains.
---
---     make power ITER=N [SEED=N]
---     make power SWEEP=1 ITER=N        new stores, cut at call 1, 2 … N
---
--- At first a node whose flushes do nothing has to be caught, so that it is known that one would be.
local proof = require "spec.proof.proof"

local MODES = { "all", "random", "torn", "one" }
local DEFERRED = 3 -- of 16, see agents/noting.lua

local options = proof.options(arg, { ITER = 20 })
local LIFE = options.SWEEP and 1 or 10 -- cuts that one store goes through
local total = { cuts = 0, starting = 0, confirmed = 0, lost = 0, undone = 0, duplicates = 0, ahead = 0 }

local function fail(life, format, ...)
  error(("SEED=%d, iteration %d (%s, sync %s): %s\n%s\n%s"):format(options.SEED, life.iteration, life.mode, life.sync,
    format:format(...), life.cut or "", life.said or ""), 0)
end

local function new_life(draw)
  local folder = proof.run("mktemp -d /tmp/moonpost-power-XXXXXX"):match "%S+"
  proof.run("mkdir %s/below %s/mount && cp -r spec/proof/agents spec/proof/node.lua %s", folder, folder, folder)
  return {
    folder = folder, below = folder .. "/below/data", ledger = folder .. "/ledger", run = 0, next = 1,
    sync = draw(3) == 1 and "relaxed" or "commit", forgotten = {},
  }
end

-- ---- one cut ----

-- Early calls are those of the creation, or of the start on what the last cut left.
local function choose_call(life, draw)
  if options.SWEEP then return life.iteration end
  local kind = draw(8)
  if kind == 1 then return 0 end
  return kind <= 3 and draw(25) or draw(600)
end

local function mount(life, draw)
  life.mode = MODES[draw(#MODES)]
  local layer = proof.start("exec build/proof/powerfs %s/below %s/mount %s %d %d", life.folder, life.folder, life.mode,
    draw(1000000), choose_call(life, draw))
  if layer:wait_for "ready" then return layer end
  return nil, layer:finish()
end

local function start(life, store)
  local variables = { PROOF_SYNC = life.sync, PROOF_RUN = life.run }
  if life.lies then variables.LD_PRELOAD, variables.PROOF_LIE, variables.PROOF_STORE = life.lies, 1, store end
  life.running = proof.node(life.folder, { store = store, variables = variables })
  return life.running
end

local WINDOWS = { 2, 8, 32, 128, 512 }

local function send(life, draw, store, count, level)
  local _, code = proof.run("build/proof/sender %s/moonpost.sock noting@local %s %d %d %d %d %d %d", store, life.ledger, life.next,
    count, WINDOWS[draw(#WINDOWS)], level, draw(1000000), draw(4) == 1 and 60000 or 3000)
  if code == 4 then fail(life, "the sender waits for an answer that does not come") end
end

-- One in eight times the node is stopped before the power goes.
local function play(life, draw, running, store)
  if not running.is_up then
    total.starting = total.starting + 1
    return
  end
  send(life, draw, store, draw(500), draw(3) == 1 and 2 or 3)
  life.is_stopped = draw(8) == 1
  if life.is_stopped then running:signal "TERM" end
end

local function cut(life, draw)
  local store = life.folder .. "/mount/data"
  local layer = assert(mount(life, draw))
  life.run, life.is_stopped = life.run + 1, false
  local running = start(life, store)
  play(life, draw, running, store)
  if life.is_stopped then life.said = running:finish() end
  local order = io.open(life.folder .. "/mount/.cut")
  if order then order:close() end
  life.cut = layer:finish()
  life.said = life.is_stopped and life.said or running:finish()
  total.cuts = total.cuts + 1
end

-- ---- what remains ----

local function is_settled(notes, held, number)
  return notes[number] ~= nil or held[number] ~= nil
end

local function look_for_lost(life, ledger, notes, held)
  local lost
  for _, number in ipairs(ledger.order) do
    if not is_settled(notes, held, number) and not life.forgotten[number] then
      lost = lost or number
      life.forgotten[number] = true
      total[life.sync == "commit" and "lost" or "undone"] = total[life.sync == "commit" and "lost" or "undone"] + 1
    end
  end
  return lost
end

-- A store that may forget forgets what came last, of this run only, and nothing once it was closed.
local function check_suffix(life, lost, held)
  if life.is_stopped and life.said:find "exit code 0$" then fail(life, "message %d is lost after a stop", lost) end
  if life.sync == "commit" then fail(life, "message %d was confirmed and is lost", lost) end
  if lost < life.next then fail(life, "message %d of an earlier run is lost", lost) end
  for number in pairs(held) do
    if number > lost then fail(life, "message %d is lost and %d behind it is there", lost, number) end
  end
end

local function check_settled(life, ledger, notes, held)
  if life.sync ~= "commit" then return end
  for number in pairs(ledger.handled) do
    if held[number] then fail(life, "message %d was confirmed as handled and is there again", number) end
    if notes[number].count > 1 and notes[number].last > life.settled[number] then
      fail(life, "message %d was confirmed as handled and handled again", number)
    end
  end
  for number in pairs(ledger.dead) do
    if held[number] ~= "dead" then fail(life, "message %d was confirmed as dead and is no dead letter", number) end
  end
end

-- In which run the sender heard that a message was handled.
local function note_settled(life, ledger)
  life.settled = life.settled or {}
  for number in pairs(ledger.handled) do life.settled[number] = life.settled[number] or life.run end
end

local function check(life)
  local ledger, notes = proof.ledger(life.ledger), proof.notes(life.folder .. "/notes")
  local there = #proof.read(life.below .. "/data.mdb") > 0
  local wrong = there and proof.wrong(life.below)
  if wrong then fail(life, "the store is damaged: %s", wrong) end
  local held = there and assert(proof.holds(life.below)) or {}
  note_settled(life, ledger)
  local lost = look_for_lost(life, ledger, notes, held)
  if lost then check_suffix(life, lost, held) end
  check_settled(life, ledger, notes, held)
  life.next = ledger.last + 1
  return ledger, notes, held
end

-- ---- the end of a store ----

local function is_drained(held)
  for number, state in pairs(held) do
    if state == "pending" and number % 16 ~= DEFERRED then return false end
  end
  return true
end

local function drain(life, draw)
  life.run, life.mode, life.cut = life.run + 1, "drain", nil
  local running = start(life, life.below)
  if not running.is_up then fail(life, "the node does not start on what remains: %s", running:finish()) end
  for _ = 1, 100 do
    send(life, draw, life.below, 1, 3)
    life.next = life.next + 1
    if is_drained(proof.holds(life.below)) then break end
  end
  running:signal "TERM"
  life.said = running:finish()
  local ledger, notes, held = check(life)
  if not is_drained(held) then fail(life, "messages are left that nobody handles") end
  return ledger, notes
end

local function count(ledger, notes)
  total.confirmed = total.confirmed + #ledger.order
  for number, noted in pairs(notes) do
    if noted.count > 1 then total.duplicates = total.duplicates + 1 end
    if not ledger.is_confirmed[number] then total.ahead = total.ahead + 1 end
  end
end

local function live(life, draw, first)
  for iteration = first, math.min(first + LIFE - 1, options.ITER) do
    life.iteration = iteration
    cut(life, draw)
    check(life)
  end
  count(drain(life, draw))
end

-- ---- all of it ----

local function remove(life)
  proof.run("umount -l %s/mount; rm -rf %s", life.folder, life.folder)
end

local function is_possible()
  local life = new_life(proof.generator(1))
  life.iteration = 0
  local layer, reason = mount(life, function() return 1 end)
  if layer then
    io.open(life.folder .. "/mount/.cut")
    layer:finish()
  end
  remove(life)
  return layer ~= nil, reason
end

local function is_caught()
  local draw = proof.generator(options.SEED)
  local life = new_life(draw)
  life.sync, life.lies, life.iteration = "commit", proof.run("readlink -f build/proof/faults.so"):match "%S+", 0
  local ok = pcall(function()
    for _ = 1, LIFE do
      cut(life, draw)
      check(life)
    end
  end)
  remove(life)
  for name in pairs(total) do total[name] = 0 end
  return not ok
end

local function lives()
  for first = 1, options.ITER, LIFE do
    local draw = proof.generator(options.SEED + first - 1)
    local life = new_life(draw)
    local ok, fault = pcall(live, life, draw, first)
    if not ok then
      life.running:signal "KILL"
      proof.run("umount -l %s/mount", life.folder)
      proof.say("power: FAILED %s\nsee %s", tostring(fault), life.folder)
      return false
    end
    remove(life)
  end
  return true
end

local function main()
  local possible, reason = is_possible()
  if not possible then
    proof.say("power: skipped, there is no FUSE here: %s", reason:match "[^\n]*")
    return 0
  end
  if not is_caught() then
    proof.say("power: FAILED SEED=%d: a node that does not flush is not caught", options.SEED)
    return 1
  end
  if not lives() then return 1 end
  proof.say("power: %d cuts (%d while starting), %d confirmed, %d lost, %d handled twice, %d handled unconfirmed; "
    .. "relaxed: %d undone, all of them last  SEED=%d", total.cuts, total.starting, total.confirmed, total.lost,
    total.duplicates, total.ahead, total.undone, options.SEED)
  return 0
end

return main()
