--- An agent of 300 lines that is loaded again a thousand times while it handles thousands of messages a second: none is
--- lost, none handled twice, each generation is seen at work, and memory stays what it was. Run by `make reloads`.
local guest = require "proof.guest"
local posix = require "proof.posix"

local reloads = {}

local NODES = "spec/proof/nodes/"
local LINES = 300
local RATE, TICK = 5000, 0.002 -- messages a second; how often some are sent
local WARM_S = 1 -- what counts as the start of memory
local AGAIN_AFTER = 0.01 -- between two reloads, at least
local ANSWERED_WITHIN, UP_WITHIN = 10, 10
local HANDLED = 3
local GROWTH_MAX = 1.1

-- ---- the node ----

local AGENT = [[
local moonpost = require "moonpost"
local note = require "note"

local work = {}

%s
return moonpost.agent { address = "work@reloads", concurrency = 512, on = { message = function(_, msg)
  note("done " .. msg.id .. " %d")
  return work[#msg.id %% #work + 1](msg.body)
end } }
]]

local FILLER = [[
-- One of many things that this agent can do.
work[%d] = function(body)
  local text = {}
  for word in body:gmatch "%%S+" do text[#text + 1] = word:upper() end
  return table.concat(text, "%d")
end
]]

local function source(generation)
  local parts = {}
  for number = 1, math.floor((LINES - 10) / 7) do parts[number] = FILLER:format(number, number) .. "\n" end
  return AGENT:format(table.concat(parts), generation)
end

-- As editors do it: a new file takes the place of the old one.
local function write_agent(folder, generation)
  local path = folder .. "/node/agents/work.lua"
  posix.write_file(path .. ".new", source(generation))
  assert(os.rename(path .. ".new", path))
end

local function memory_of(pid)
  local file = assert(io.open(("/proc/%d/status"):format(pid)))
  local kilobytes = tonumber(file:read("*a"):match "VmRSS:%s+(%d+)")
  file:close()
  return kilobytes
end

-- ---- what is seen ----

local Run = {}
Run.__index = Run

local function new_run(options)
  local folder = posix.temporary_folder()
  assert(os.execute(([[
mkdir -p '%s/node/agents' '%s/node/lua' && cp %sreloads/node.lua '%s/node/' && cp %sreceiver/lua/note.lua '%s/node/lua/'
]]):format(folder, folder, NODES, folder, NODES, folder)) == 0)
  local self = setmetatable({ folder = folder, sent = 0, handled = 0, done = {}, generation = 1, seen = 0, faults = {},
    rest = "" }, Run)
  write_agent(folder, 1)
  local ledger = folder .. "/ledger"
  posix.write_file(ledger, "")
  self.ledger = assert(io.open(ledger))
  self.pid = posix.start { args = { options.executable, "run", "--no-respawn" }, cwd = folder .. "/node",
    env = { PROOF_LEDGER = ledger, MOONPOST_LOG = "warn" }, output = folder .. "/log" }
  return self
end

function Run:fault(what) self.faults[#self.faults + 1] = what end

function Run:connect()
  local deadline = posix.now() + UP_WITHIN
  repeat
    self.guest = guest.connect(self.folder .. "/node/data/moonpost.sock", "driver", function(level, code, id)
      if not level then return self:fault(("%s was refused with code %d"):format(id, code)) end
      if level == HANDLED then self.handled = self.handled + 1 end
    end)
    if not self.guest then posix.poll({}, 0.002) end
  until self.guest or posix.now() > deadline
  assert(self.guest, "the node does not listen")
end

-- Lines "done ID GENERATION".
function Run:read_ledger()
  self.ledger:seek "cur"
  local text = self.rest .. (self.ledger:read "*a" or "")
  local last = 1
  for id, generation, after in text:gmatch "done (%S+) (%d+)\n()" do
    self.done[id] = (self.done[id] or 0) + 1
    if self.done[id] > 1 then self:fault(id .. " was handled twice") end
    self.seen = math.max(self.seen, tonumber(generation))
    last = after
  end
  self.rest = text:sub(last)
end

local function send_due(run)
  local due = math.floor((posix.now() - run.began) * RATE)
  while run.sent < due do
    run.sent = run.sent + 1
    run.guest:send("m" .. run.sent, "work@reloads", "some words to be handled", HANDLED)
  end
end

local function turn(run)
  posix.poll({ run.guest:file() }, TICK)
  run.guest:turn()
  run:read_ledger()
  if run.guest.gone or posix.has_ended(run.pid) then run:fault "the node has ended" end
end

-- The next one begins when the one before was seen at work.
local function reload_when_due(run)
  local now = posix.now()
  if run.seen < run.generation or now < run.next then return end
  run.generation = run.generation + 1
  write_agent(run.folder, run.generation)
  posix.signal(run.pid, "HUP")
  run.next = now + AGAIN_AFTER
end

local function go_through(run, options)
  run.began = posix.now()
  run.next = run.began + WARM_S
  repeat
    send_due(run)
    turn(run)
    run.before = run.before or (posix.now() - run.began > WARM_S * 0.9 and memory_of(run.pid))
    reload_when_due(run)
  until #run.faults > 0 or run.seen > options.rounds or posix.now() - run.began > options.seconds
  run.seconds = posix.now() - run.began
end

local function wait_for_answers(run)
  local deadline = posix.now() + ANSWERED_WITHIN
  while run.handled < run.sent and #run.faults == 0 and posix.now() < deadline do turn(run) end
  if run.handled < run.sent then run:fault(("%d messages have no receipt"):format(run.sent - run.handled)) end
end

local function check(run)
  run.after = memory_of(run.pid)
  for number = 1, run.sent do
    if not run.done["m" .. number] then run:fault(("m%d was never handled"):format(number)) end
  end
  if run.after > run.before * GROWTH_MAX then
    run:fault(("memory grew from %d to %d KiB"):format(run.before, run.after))
  end
end

local function report(run)
  local rows = {
    { "reloads, each seen at work", run.seen - 1 }, { "seconds", ("%.1f"):format(run.seconds) },
    { "messages", run.sent }, { "a second", ("%.0f"):format(run.sent / run.seconds) },
    { "memory before, after (KiB)", ("%d, %d"):format(run.before, run.after) }, { "broken promises", #run.faults },
  }
  for _, row in ipairs(rows) do print(("%-28s %s"):format(row[1], row[2])) end
  for index = 1, math.min(20, #run.faults) do print(run.faults[index]) end
end

--- `options.rounds` reloads, for at most `options.seconds`.
---@return integer exit code
function reloads.run(options)
  posix.die_when_interrupted()
  local run = new_run(options)
  run:connect()
  go_through(run, options)
  wait_for_answers(run)
  check(run)
  report(run)
  posix.signal(run.pid, "KILL")
  posix.reap(run.pid)
  local broken = #run.faults > 0
  if broken then print("everything is in " .. run.folder) else os.execute(("rm -rf '%s'"):format(run.folder)) end
  return broken and 1 or 0
end

return reloads
