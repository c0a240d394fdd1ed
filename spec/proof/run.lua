--- A proof that runs: its processes, what the driver sends, and waiting until all of it has come to an end.
local guest = require "proof.guest"
local kept = require "proof.kept"
local ledger = require "proof.ledger"
local posix = require "proof.posix"
local stage = require "proof.stage"

local run = {}

---@class proof.Run
local Run = {}
Run.__index = Run

local DRAINED_WITHIN, CONNECTED_WITHIN, LOOK_AGAIN, UNHEARD_AFTER = 60, 10, 0.01, 0.15
local HANDLED = 3
local TARGETS = { o = "once@proof", p = "plain@proof" }
local LARGE, FLOOD, FLOOD_ONCE_IN = 100 * 1024, 12, 80

-- What a message asks its handler to do: a program's messages never end as dead letters.
local function plans_of(plans)
  return function(id)
    local parent, number = id:match "^(.*)%.(%d+)$"
    local letters = parent and plans[parent]
    return letters and letters:sub(tonumber(number), tonumber(number)) or "o"
  end
end

--- Start all processes. `options`: executable, seed, rounds.
---@return proof.Run
function run.new(options)
  local self = setmetatable({ seed = options.seed, rounds = options.rounds, plans = {}, guests = {}, programs = {},
    found = {}, in_doubt = 0, unheard = 0, stage = stage.new(options) }, Run)
  self.ledger = ledger.new(plans_of(self.plans))
  self.watch, self.file = posix.watch(self.stage.ledger), assert(io.open(self.stage.ledger))
  self.note = posix.append_to(self.stage.ledger)
  for _, name in ipairs(stage.NAMES) do self.stage:start(name) end
  return self
end

-- ---- what is sent ----

--- Mostly small messages; how large, and how many at most. Now and then more than a mailbox holds in memory.
local function size_of(random, flood)
  if random:once_in(6) then return LARGE, flood and 60 or 6 end
  return 128, flood and 900 or 40
end

--- Triggers for a sender: each makes its agent send some messages in one commit, of these plans. Unless it is `certain`
--- nothing is promised by the sender's receipts.
function Run:feed(round, name, random, plans, certain)
  local target, flood = random:one_of { "o", "p" }, random:once_in(FLOOD_ONCE_IN)
  for n = 1, flood and FLOOD or random:upto(5) do
    local size, most = size_of(random, flood)
    local letters = {}
    for at = 1, flood and most or random:upto(most) do letters[at] = random:one_of(plans) end
    local id = ("%s%s%s%d"):format(target, round, name, n)
    self.plans[id] = table.concat(letters)
    if certain then self.ledger:feeds(id, #letters) end
    self.guests[name]:send(id, "feed@" .. name, ("%s %s %d"):format(TARGETS[target], self.plans[id], size), HANDLED)
  end
end

--- One or two programs that send one message after the other.
function Run:start_programs(round, random)
  for n = 1, random:upto(2) do
    local target = random:one_of { "o", "p" }
    local size = size_of(random)
    local prefix = ("%s%dprogram%d"):format(target, round, n)
    self.programs[prefix] = true
    self.stage:program(prefix, size == LARGE and 10 or 20 + random:upto(30), TARGETS[target], size)
  end
end

local function hear(self, certain)
  return function(level, code, id)
    if not level then
      self.note(("nack %s %d"):format(id, code))
    elseif certain then
      self.note((level == HANDLED and "handled " or "stored ") .. id)
    end
  end
end

--- Be a client of this node, which may only be starting.
function Run:connect(name, certain)
  local deadline = posix.now() + CONNECTED_WITHIN
  local made
  repeat
    made = guest.connect(self.stage:socket(name), "driver" .. name, hear(self, certain))
    if not made then posix.poll({}, 0.002) end
  until made or posix.now() > deadline
  assert(made, "nobody listens at " .. self.stage:socket(name))
  self.guests[name] = made
end

function Run:disconnect()
  for name, each in pairs(self.guests) do
    each:close()
    self.guests[name] = nil
  end
end

-- ---- what happens meanwhile ----

function Run:read_ledger()
  posix.read(self.watch)
  self.file:seek("cur", 0)
  self.ledger:take(self.file:read "*a" or "")
end

local function look_for_ended(self)
  for name, status in pairs(self.stage:ended()) do
    if self.programs[name] then
      self.programs[name] = nil
      if status ~= 0 then self.ledger:violation(name, "a program failed: " .. self.stage:log "program") end
    else
      self.ledger:violation(name, ("ended by itself with status %d: %s"):format(status, self.stage:log(name):sub(-400)))
    end
  end
end

local function serve(self, seconds)
  local files, order = { { self.watch, posix.READ } }, {}
  for _, each in pairs(self.guests) do
    if not each.gone then
      files[#files + 1] = each:file()
      order[#files] = each
    end
  end
  for index in pairs(posix.poll(files, seconds)) do
    if order[index] then order[index]:turn() end
  end
  self:read_ledger()
  look_for_ended(self)
end

function Run:is_broken() return #self.ledger.violations > 0 end

--- Let it go on for so many seconds, or until `done` answers true.
function Run:go_on(seconds, done)
  local till = posix.now() + seconds
  repeat
    local left = till - posix.now()
    serve(self, done and math.min(left, LOOK_AGAIN) or left)
    if done and done() then return true end
  until posix.now() >= till or self:is_broken()
  return false
end

-- ---- the end of it ----

local function stores_are_empty(self)
  for _, name in ipairs { "receiver", "durable" } do
    local found = self.stage:check(name)
    self.found[name] = found
    if not found.clean then
      self.ledger:violation(name, "store check: " .. found.said)
      return true
    end
    if found.messages ~= found.dead then return false end
  end
  return true
end

-- A receipt can get lost with a process or a link; who awaits `handled` asks after a while, as PROTOCOL.md says. All has
-- come to its end by now, so a program that is silent only waits for that: mostly it is ended, to be quick.
local function end_waiting(self)
  if self.patient then return false end
  self.idle_since = self.idle_since or posix.now()
  if posix.now() - self.idle_since < UNHEARD_AFTER then return false end
  for prefix in pairs(self.programs) do
    self.stage:strike(prefix)
    self.stage:bury(prefix)
    self.programs[prefix] = nil
    self.unheard = self.unheard + 1
  end
  return true
end

-- All of a store has to be read for it, so only when it is wanted.
local function look_for_letters(self)
  local missing = self.ledger:almost_dead()
  if #missing == 0 or #missing < #self.ledger:unfinished() or not stores_are_empty(self) then return end
  local there = {}
  for _, id in ipairs(kept.ids(self.stage:path "receiver/data")) do there[id] = true end
  for _, id in ipairs(missing) do
    if there[id] then self.ledger:is_letter(id) end
  end
end

local function is_drained(self)
  look_for_letters(self)
  if #self.ledger:unfinished() > 0 or not stores_are_empty(self) then return false end
  self:read_ledger() -- what was noted before the stores were looked at
  if #self.ledger:unfinished() > 0 then return false end
  if self.lines ~= self.ledger.lines then self.idle_since = nil end
  self.lines = self.ledger.lines
  return next(self.programs) == nil or end_waiting(self)
end

local function say_stuck(self)
  for prefix in pairs(self.programs) do self.ledger:violation(prefix, "this program does not end") end
  for _, id in ipairs(self.ledger:unfinished()) do
    self.ledger:violation(id, "was confirmed and has not come to an end")
  end
  for name, found in pairs(self.found) do
    if found.messages ~= found.dead then
      self.ledger:violation(name, ("%d messages stay in this store, %d of them dead"):format(found.messages, found.dead))
    end
  end
end

--- Wait until everything has come to an end and look at all stores; when `patient`, programs have to end too.
function Run:drain(patient)
  self.found, self.idle_since, self.patient = {}, nil, patient
  local drained = self:go_on(DRAINED_WITHIN, function() return is_drained(self) end)
  if not drained and not self:is_broken() then say_stuck(self) end
  self:disconnect()
  if self:is_broken() then return end
  self.ledger:settle()
  self.in_doubt = self.found.durable.dead
end

-- ---- saying it ----

--- A line that says how far it is, on a terminal.
function Run:progress(what, number)
  if not posix.is_terminal() then return end
  local counts = self.ledger.counts
  io.stderr:write(("\r%s %d of %d: %d messages, %d confirmed, %d handled, %d broken promises\27[K"):format(what, number,
    self.rounds, counts.messages, counts.confirmed, counts.handled, #self.ledger.violations))
end

--- The figures, and with broken promises each of them; ends all processes.
---@return integer exit code
function Run:finish(rows, replay)
  if posix.is_terminal() then io.stderr:write "\r\27[K" end
  for _, row in ipairs(rows) do print(("%-28s %s"):format(row[1], row[2])) end
  for index, text in ipairs(self.ledger.violations) do
    if index <= 20 then print(text) end
  end
  local broken = self:is_broken()
  if broken then print(("%s; everything is in %s"):format(replay, self.stage.folder)) end
  self.stage:close(broken)
  return broken and 1 or 0
end

return run
