--- A benchmark's processes: a node with one agent, perhaps a sentinel, and a client, in a temporary folder
--- that goes with this process, as they do.
local agent = require "moonpost.bench.agent"
local json = require "moonpost.json"
local process = require "moonpost.process"
local shell = require "moonpost.shell"

local stage = {}

local READY_WITHIN, STOPPED_WITHIN = 10, 3

local NODE = [[
return require("moonpost").node { agents = { "bench.lua" }, links = { %s } }
]]

---@class moonpost.bench.Stage
local Stage = {}
Stage.__index = Stage

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

--- Nothing runs yet.
---@param options table
---@return moonpost.bench.Stage
function stage.new(options)
  return setmetatable({ options = options, folder = assert(shell.temp()), children = {}, said = {} }, Stage)
end

-- What the environment says of nodes is not meant for these.
local function environment(self)
  return {
    MOONPOST_LOG = "info", MOONPOST_NAME = false, MOONPOST_NODE = false, MOONPOST_PROFILE = false,
    MOONPOST_SHOW_ENVELOPES = false, MOONPOST_BENCH_VERIFY = self.options.verify and "1" or "0",
    MOONPOST_BENCH_STATE = self.options.state and "1" or "0",
    MOONPOST_BENCH_KEYS = self.options.keys > 0 and "1" or "0",
    MOONPOST_BENCH_PARKED = self.options.parked and "1" or "0",
    MOONPOST_BENCH_DEDUP = self.options.dedup and "1" or "0",
    MOONPOST_BENCH_SYNCS = self.folder .. "/syncs",
  }
end

local function spawn(self, name, words)
  local args = { shell.exe() }
  for _, word in ipairs(words) do args[#args + 1] = word end
  local number = assert(process.spawn { args = args, cwd = self.folder, env = environment(self) })
  local child = { name = name, number = number }
  self.children[number] = child
  return child
end

--- The next event, with its child; nil and why when there is nothing to wait for any more.
local function next_event(self, limit)
  local event = process.wait(limit)
  local child = event.child and self.children[event.child]
  if event.type == "interrupt" then return nil, "interrupted" end
  if event.type == "timeout" then return nil, "timeout" end
  if event.type == "exit" then child.ended = true end
  if event.type == "line" and event.stream == "stderr" then child.said = event.line end
  return event, child
end

local function died(child)
  return ("the %s ended: %s"):format(child.name, child.said or "it said nothing")
end

-- What the pattern captures in a line of the child, or true.
local function wait_for(self, awaited, pattern)
  while true do
    local event, child = next_event(self, READY_WITHIN)
    if event == nil then return nil, child end
    if child.ended then return nil, died(child) end
    local found = event.type == "line" and child == awaited and event.line:match(pattern)
    if found then return found end
  end
end

local function start_sentinel(self)
  local child = spawn(self, "sentinel", { "sentinel", "--listen", "unix:" .. self.folder .. "/hub.sock" })
  return wait_for(self, child, "hub%.sock")
end

-- The sentinel serves data/ of the folder, so the node has a folder of its own: where its settings are.
local function start_node(self)
  local folder, hub = self.folder .. "/node", self.options.via_sentinel
  assert(os.execute(("mkdir '%s'"):format(folder)) == 0)
  write(folder .. "/bench.lua", agent)
  write(folder .. "/node.lua", NODE:format(hub and ("%q"):format("unix:" .. self.folder .. "/hub.sock") or ""))
  local words = { "run", "node/node.lua" }
  if self.options.store then words[3], words[4] = "--store", self.options.store end
  local child = spawn(self, "node", words)
  local door, reason = wait_for(self, child, hub and "attached bench@local" or "listening (unix:%S+)")
  if not hub then self.door = door end
  return door and true, reason
end

--- Start the nodes.
---@return true|nil
---@return string|nil reason
function Stage:start()
  write(self.folder .. "/syncs", ("\0"):rep(8))
  if self.options.via_sentinel then
    local ok, reason = start_sentinel(self)
    if not ok then return nil, reason end
  end
  return start_node(self)
end

local function link(self)
  if self.options.via_sentinel then return "unix:" .. self.folder .. "/data/moonpost.sock" end
  local path = self.door:match "^unix:(.*)$"
  return "unix:" .. (path:sub(1, 1) == "/" and path or self.folder .. "/" .. path)
end

--- Run the client to its end, telling how many messages were answered.
---@param show fun(answered: integer)
---@return table|nil result
---@return string|nil reason
function Stage:measure(show)
  local options = self.options
  local child = spawn(self, "client", { "bench", "client", json.encode {
    link = link(self), count = options.count, window = options.window, size = options.size,
    profile = options.profile, await = options.await, keys = options.keys, parked = options.parked,
  } })
  while true do
    local event, who = next_event(self)
    if event == nil then return nil, who end
    if who.ended then return nil, died(who) end
    local said = who == child and event.type == "line" and event.stream == "stdout" and json.decode(event.line)
    if said and said.progress then show(said.progress) end
    if said and said.failed then return nil, said.failed end
    if said and said.result then return said.result end
  end
end

local function all_ended(self)
  for _, child in pairs(self.children) do
    if not child.ended then return false end
  end
  return true
end

--- End what still runs.
function Stage:stop()
  for number, child in pairs(self.children) do
    if not child.ended then process.kill(number, "TERM") end
  end
  while not all_ended(self) do
    if next_event(self, STOPPED_WITHIN) == nil then break end -- then this process's end is theirs
  end
  shell.remove_tree(self.folder)
end

return stage
