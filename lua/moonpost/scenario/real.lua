--- A scenario as processes on loopback. Nothing waits for time to pass: a process is ready when its log
--- says so, and the run is over when its programs have ended.
local order = require "moonpost.scenario.order"
local play = require "moonpost.scenario.play"
local process = require "moonpost.process"
local record = require "moonpost.scenario.record"
local runtime = require "moonpost.runtime"
local shell = require "moonpost.shell"
local stage = require "moonpost.scenario.stage"

local real = {}

---@class moonpost.scenario.Real
---@field play moonpost.scenario.Play
---@field interrupted boolean
local Real = {}
Real.__index = Real

local READY_WITHIN, STOPPED_WITHIN = 10, 3
local PATIENCE = 0.03

-- A node's folder without what only a running process has, once its process stands still.
local COPY = [[while ! grep -q "^State:.T" "/proc/$(cat "$0/data/moonpost.pid")/status"; do :; done
cp -R "$0" "$1" && cd "$1/data" && rm -f moonpost.sock moonpost.pid lock.mdb]]

--- Nothing runs yet. `show` gets the records in the order in which they were made.
---@param scenario table
---@param options { verbose: boolean|nil, seed: string|nil, patience: number|nil }
---@param show fun(record: table)
---@return moonpost.scenario.Real
function real.new(scenario, options, show)
  local self = setmetatable({
    scenario = scenario, options = options, children = {}, by_name = {}, interrupted = false,
    copies = {}, zombies = {},
  }, Real)
  self.play = play.new(scenario, show)
  self.order = order.new(options.patience or PATIENCE, function(each) self.play:tell(each) end)
  return self
end

-- ---- processes ----

-- An address that an earlier process has found stays its own when it is started again.
local function environment(self, cast)
  local env = {
    MOONPOST_LOG = "info,json",
    MOONPOST_SHOW_ENVELOPES = self.options.verbose and "1" or false,
    MOONPOST_NAME = false,
    MOONPOST_NODE = false,
    MOONPOST_SEED = self.options.seed,
  }
  for name, value in pairs(cast.env) do env[name] = value end
  for name, value in pairs(self.play.given) do env[name] = value end
  for name, value in pairs(cast.ports) do env[name] = self.play.given[name] or value end
  return env
end

--- Start any program; `read` makes a record (or nil) of a line event.
---@param name string
---@param spawn table as process.spawn takes it
---@param read fun(event: table): table|nil
---@return table child
function Real:spawn(name, spawn, read)
  local number = assert(process.spawn(spawn))
  local child = { name = name, number = number, read = read }
  self.children[number], self.by_name[name] = child, child
  return child
end

local function open_stage(self)
  self.folder = stage.open(self.scenario)
  self.play.given.DEMO_FOLDER = self.play.given.DEMO_FOLDER or self.folder
end

local function start(self, cast)
  if not self.folder then open_stage(self) end
  local folder, file = (self.folder .. "/" .. (cast.run or cast.exec)):match("^(.*)/([^/]+)$")
  folder = folder .. (self.copies[cast.name] or "")
  if cast.socket then self.play.given[cast.socket] = "unix://" .. folder .. "/data/moonpost.sock" end
  -- What a scenario kills stays dead until it is started again, so nodes run without a supervisor.
  local args = cast.run and { shell.exe(), "run", "--no-respawn", file } or { shell.exe(), "exec", file }
  local child
  child = self:spawn(cast.name, {
    args = args,
    env = environment(self, cast),
    cwd = folder,
  }, function(event) return record.of_child(child.name, event.stream, event.line) end)
  child.folder = folder
  return child
end

-- ---- one event after the other ----

-- Nodes that another process runs are killed by that one.
local function kill(self, name)
  local child = self.by_name[name]
  if not child or child.ended or child.killed then return end
  child.killed = true
  self.order:add(record.of_scenario(name, runtime.now(), "KILLED", { fact = "killed" }))
  process.kill(child.number, "KILL")
end

-- A node that hangs is taken for dead, and another one is started with a copy of its store. When that one is up, the
-- first goes on and knows of nothing: a zombie.
local function replace(self, name)
  local child = self.by_name[name]
  if not child or child.ended or child.killed or self.zombies[name] then return end
  process.kill(child.number, "STOP")
  self.order:add(record.of_scenario(name, runtime.now(), "HANGS, and is replaced", { fact = "replaced" }))
  child.name, self.zombies[name], self.copies[name] = "zombie", child, ".copy"
  self.play.up[name] = nil
  self:spawn("copy", { args = { "sh", "-c", COPY, child.folder, child.folder .. ".copy" } },
    function(event) return record.of_child("copy", event.stream, event.line) end).of = name
end

local function rise(self, name)
  local zombie = self.zombies[name]
  if not zombie or zombie.risen or not self.play.up[name] then return end
  zombie.risen = true
  self.order:add(record.of_scenario("zombie", runtime.now(), "GOES ON", { fact = "risen" }))
  process.kill(zombie.number, "CONT")
end

local function take_line(self, event)
  local child = self.children[event.child]
  local said = child.read(event)
  if not said then return end
  self.play:hear(said)
  self.order:add(said)
  if self.stopping then return end
  for _, cue in ipairs(self.play:cued_by(said)) do
    if cue.kill then kill(self, cue.kill) else replace(self, cue.replace) end
  end
  rise(self, said.process)
end

local function take_exit(self, event)
  local child = self.children[event.child]
  child.ended = event.signal and "signal " .. event.signal or "exit code " .. event.code
  child.well = event.code == 0
  if child.of and child.well and not self.stopping then start(self, self.play.processes[child.of]) end
  if child.killed and not self.stopping then start(self, self.play.processes[child.name]) end
end

local function take(self, timeout)
  local wait = math.min(timeout, self.order:wait())
  local event = process.wait(wait < math.huge and wait or nil)
  if event.type == "line" then take_line(self, event) end
  if event.type == "exit" then take_exit(self, event) end
  if event.type == "interrupt" then self.interrupted = true end
  self.order:settle()
  return event.type
end

--- Take events until `done` answers true; false when it was interrupted or `limit` seconds have passed.
---@param done fun(): boolean
---@param limit number
---@return boolean
function Real:take_until(done, limit)
  local deadline = runtime.clock() + limit
  while not done() do
    local left = deadline - runtime.clock()
    if self.interrupted or left <= 0 then return false end
    take(self, left)
  end
  return true
end

-- ---- nodes and programs ----

local function start_node(self, cast)
  local child = start(self, cast)
  local function done() return self.play.up[cast.name] or child.ended end
  local in_time = self:take_until(done, READY_WITHIN)
  if self.play.up[cast.name] and not child.ended then return true end
  if self.interrupted then return nil, "interrupted" end
  if in_time then return nil, ("%s ended (%s) before it was ready"):format(cast.name, child.ended) end
  return nil, ("%s is not ready after %d s: it never said %q"):format(cast.name, READY_WITHIN, cast.ready)
end

--- Start the nodes, each when the one before is ready.
---@return true|nil
---@return string|nil reason
function Real:start_nodes()
  for _, cast in ipairs(self.scenario.processes) do
    if cast.run then
      local ok, reason = start_node(self, cast)
      if not ok then return nil, reason end
    end
  end
  return true
end

local function lost_node(self)
  for _, cast in ipairs(self.scenario.processes) do
    local child = cast.run and self.by_name[cast.name]
    local lost = child and child.ended and not child.killed
    if lost then return ("%s ended (%s) during the run"):format(cast.name, child.ended) end
  end
end

local function run_program(self, cast)
  local limit = self.scenario.duration * 5 + 10
  local child = start(self, cast)
  local in_time = self:take_until(function() return child.ended or lost_node(self) end, limit)
  if self.interrupted then return nil, "interrupted" end
  if not in_time then return nil, ("%s has not ended after %d s"):format(cast.name, limit) end
  if not child.ended then return nil, lost_node(self) end
  if not child.well then return nil, ("%s ended with %s"):format(cast.name, child.ended) end
  return true
end

--- Run the programs, one after the other.
---@return true|nil
---@return string|nil reason
function Real:run_programs()
  for _, cast in ipairs(self.scenario.processes) do
    if cast.exec then
      local ok, reason = run_program(self, cast)
      if not ok then return nil, reason end
    end
  end
  return true
end

-- ---- the end ----

local function signal_all(self, name)
  for number, child in pairs(self.children) do
    if not child.ended then process.kill(number, name) end
  end
end

local function all_ended(self)
  for _, child in pairs(self.children) do
    if not child.ended then return false end
  end
  return true
end

--- End what still runs and show what it said last. A second interrupt does not wait.
function Real:stop()
  local interrupted = self.interrupted
  self.interrupted, self.stopping = false, true
  local function done() return all_ended(self) end
  signal_all(self, "TERM")
  if not self:take_until(done, STOPPED_WITHIN) then
    signal_all(self, "KILL")
    self.interrupted = false
    self:take_until(done, STOPPED_WITHIN)
  end
  self.order:finish()
  self.interrupted = interrupted
end

real.run_programs = Real.run_programs

return real
