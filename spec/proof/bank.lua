--- Money goes to and fro between two nodes that are killed at any moment: the sum of all accounts stays what it was, and
--- no transfer is taken or given twice. Run by `make bank`; with POWER=1 the power of their disks is cut instead
--- (powerfs.c): what a store had not flushed is gone, all of it or some.
local draw = require "proof.draw"
local posix = require "proof.posix"

local bank = {}

local NODES = "spec/proof/nodes/bank/"
local SUM = 100 * 100
local CHECK_EVERY = 25 -- kills
local KILLED = { { "east" }, { "west" }, { "east", "west" }, { "client" }, { "east", "client" } }

local MODES = { "all", "random", "torn", "one" } -- see powerfs.c
local READY_WITHIN = 10

local Run = {}
Run.__index = Run

local function new_run(options)
  local folder = posix.temporary_folder()
  local root = assert(io.popen "pwd"):read "*l"
  for _, town in ipairs { "east", "west" } do
    assert(os.execute(("mkdir '%s/%s' && cd '%s/%s' && mkdir mount below && cp '%s/%s'*.lua ."):format(folder, town, folder,
      town, root, NODES)) == 0)
  end
  return setmetatable({ folder = folder, root = root, executable = options.executable, random = draw.new(options.seed),
    power = os.getenv "POWER" == "1", layers = {}, lost = 0, pids = {}, clients = 0, kills = 0, checks = 0, taken = 0, faults = {} }, Run)
end

function Run:fault(what) self.faults[#self.faults + 1] = what end

function Run:link() return "unix://" .. self.folder .. "/bank.sock" end

function Run:start(name)
  if name == "client" then
    self.clients = self.clients + 1
    self.pids.client = posix.start { args = { self.executable, "exec", self.root .. "/" .. NODES .. "transfer.lua", self:link(),
      "t" .. self.clients, tostring(self.random:upto(1000000)) }, env = { MOONPOST_LOG = "error" },
      output = self.folder .. "/client.log" }
    return
  end
  if self.power then self:mount(name) end
  self.pids[name] = posix.start { args = { self.executable, "run", "--no-respawn" }, cwd = self.folder .. "/" .. name,
    env = { MOONPOST_LOG = "warn", BANK_TOWN = name, BANK_LINK = self:link(), MOONPOST_STORE = self:store(name, true) },
    output = self.folder .. "/" .. name .. ".log" }
end

-- Where a town's store is: for its node, or for who looks when no node is there.
function Run:store(town, for_node)
  local place = not self.power and "" or for_node and "mount/" or "below/"
  return ("%s/%s/%sdata"):format(self.folder, town, place)
end

-- What the disk of a town says.
function Run:disk(town)
  local file = io.open(("%s/%s.disk"):format(self.folder, town))
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text
end

function Run:mount(town)
  local folder, log = self.folder .. "/" .. town, self.folder .. "/" .. town .. ".disk"
  os.remove(log)
  self.layers[town] = posix.start { args = { self.root .. "/build/proof/powerfs", folder .. "/below", folder .. "/mount",
    self.random:one_of(MODES), tostring(self.random:upto(1000000)), "0" }, env = {}, output = log }
  local deadline = posix.now() + READY_WITHIN
  repeat posix.poll({}, 0.002) until self:disk(town) ~= "" or posix.now() > deadline
  assert(self:disk(town):find "^ready", "there is no disk for " .. town .. ": " .. self:disk(town))
end

-- The power of a disk goes: who wrote last is killed with it, and what was not flushed is forgotten.
function Run:cut(town)
  local layer = self.layers[town]
  if not layer then return end
  local order = io.open(("%s/%s/mount/.cut"):format(self.folder, town))
  if order then order:close() end
  posix.reap(layer)
  self.layers[town] = nil
  self.lost = self.lost + (tonumber(self:disk(town):match "(%d+) of %d+ pages lost") or 0)
end

function Run:kill(names)
  for _, name in ipairs(names) do
    self:cut(name)
    posix.signal(self.pids[name], "KILL")
  end
  for _, name in ipairs(names) do
    posix.reap(self.pids[name])
    self.pids[name] = nil
    if name ~= "client" then self.kills = self.kills + 1 end
  end
end

local function read_all(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

-- Nothing new comes meanwhile.
function Run:check()
  self:kill { "client" }
  local said = read_all(("MOONPOST_LOG=error timeout 120 '%s' exec %scount.lua '%s' 2>&1"):format(self.executable, NODES, self:link()))
  local sum, taken = said:match "sum (%d+) taken (%d+)"
  self.checks, self.taken = self.checks + 1, tonumber(taken) or self.taken
  if tonumber(sum) ~= SUM then self:fault(("after %d kills: %s"):format(self.kills, said)) end
  for line in said:gmatch "[^\n]+" do
    if not line:find "^sum " then self:fault(line) end
  end
  for _, town in ipairs { "east", "west" } do
    local checked = read_all(("'%s' store check --json --store '%s' 2>&1"):format(self.executable,
      self:store(town)))
    if checked:match '"found":(%d+)' ~= "0" then self:fault(town .. ": " .. checked) end
    if checked:match '"dead":(%d+)' ~= "0" then self:fault(town .. " has dead letters: " .. checked) end
  end
  self:start "client"
end

function Run:look_for_ended()
  for name, pid in pairs(self.pids) do
    local ended, status = posix.has_ended(pid)
    if ended then
      self.pids[name] = nil
      self:fault(("%s ended by itself with status %d"):format(name, status))
    end
  end
end

local function one_kill(run)
  posix.poll({}, (20 + run.random:upto(120)) / 1000)
  run:look_for_ended()
  if #run.faults > 0 then return end
  local names = run.random:one_of(KILLED)
  run:kill(names)
  for _, name in ipairs(names) do run:start(name) end
end

local function report(run, seconds)
  for _, row in ipairs { { run.power and "power cuts" or "nodes killed", run.kills }, { "seconds", ("%.1f"):format(seconds) },
    { "pages that were lost", run.lost }, { "transfers taken and given", run.taken },
    { "looks at all accounts", run.checks }, { "broken promises", #run.faults } } do
    print(("%-28s %s"):format(row[1], row[2]))
  end
  for index = 1, math.min(20, #run.faults) do print(run.faults[index]) end
end

--- `options.rounds` kills of nodes from `options.seed` on, for at most `options.seconds`.
---@return integer exit code
function bank.run(options)
  posix.die_when_interrupted()
  print(("seed %d"):format(options.seed))
  local run, began, checked = new_run(options), posix.now(), 0
  for _, name in ipairs { "east", "west", "client" } do run:start(name) end
  while #run.faults == 0 and run.kills < options.rounds and posix.now() - began < options.seconds do
    one_kill(run)
    if #run.faults == 0 and run.kills - checked >= CHECK_EVERY then
      checked = run.kills
      run:check()
    end
  end
  if #run.faults == 0 then run:check() end
  if run.power and run.kills >= 20 and run.lost == 0 then run:fault "no cut has cost a page: nothing was shown" end
  report(run, posix.now() - began)
  local broken = #run.faults > 0
  for _, town in ipairs { "east", "west" } do run:cut(town) end
  for _, pid in pairs(run.pids) do
    posix.signal(pid, "KILL")
    posix.reap(pid)
  end
  if broken then print("everything is in " .. run.folder) else os.execute(("rm -rf '%s'"):format(run.folder)) end
  return broken and 1 or 0
end

return bank
