--- The processes of a proof: a sentinel, a receiver, a sender with an outbox on disk and one with an outbox in memory,
--- programs, and the relays that their links lead through.
local draw = require "proof.draw"
local posix = require "proof.posix"
local relay = require "proof.relay"

local stage = {}

local Stage = {}
Stage.__index = Stage

local NODES = "spec/proof/nodes/"
local RESPAWNS_MAX = 4 -- a supervisor gives up after five within a minute

--- The socket that a node's client connects to.
function Stage:socket(name) return self:path(name) .. "/data/moonpost.sock" end

--- Where everything is; nothing runs yet. `options`: executable (the path of moonpost) and seed.
function stage.new(options)
  local folder = posix.temporary_folder()
  local self = setmetatable({ folder = folder, executable = options.executable, pids = {}, respawns = {}, heard = {},
    orphans = {}, random = draw.new(options.seed) }, Stage)
  self.ledger = folder .. "/ledger"
  posix.write_file(self.ledger, "")
  assert(os.execute(("cd %s && mkdir '%s/hub' && cp -R receiver '%s/' && cp -R sender '%s/durable' && cp -R sender '%s/memory'")
    :format(NODES, folder, folder, folder, folder)) == 0)
  self.root = assert(io.popen "pwd"):read "*l"
  return self
end

function Stage:path(name) return self.folder .. "/" .. name end

-- Drawn anew at each start.
local CONCURRENCIES, WINDOWS = { 8, 16, 64, 512 }, { 2, 16, 64, 1024 }

-- Half of the nodes have a supervisor, drawn anew at each start; `respawns` counts how often that had to start its child.
local function start_node(self, name, words, env)
  local args = { self.executable, unpack(words) }
  self.respawns[name] = self.random:once_in(2) and 0 or nil
  if not self.respawns[name] then args[#args + 1] = "--no-respawn" end
  return posix.start { args = args, cwd = self:path(name == "sentinel" and "hub" or name), env = env,
    output = self:path(name .. ".log") }
end

local function node(self, name, relay_name, store)
  local env = {
    PROOF_LINK = "unix://" .. self:path(relay_name), PROOF_LEDGER = self.ledger, PROOF_NAME = name,
    PROOF_CONCURRENCY = tostring(self.random:one_of(CONCURRENCIES)),
    PROOF_WINDOW = tostring(self.random:one_of(WINDOWS)), MOONPOST_STORE = store, MOONPOST_LOG = "warn",
  }
  return start_node(self, name, { "run" }, env)
end

local STARTS = {
  near = function(self) return relay.start(self:path "near.sock", self:path "hub.sock") end,
  far = function(self) return relay.start(self:path "far.sock", self:path "hub.sock") end,
  sentinel = function(self)
    return start_node(self, "sentinel",
      { "sentinel", "--name", "sentinel", "--listen", "unix:" .. self:path "hub.sock" }, { MOONPOST_LOG = "warn" })
  end,
  receiver = function(self) return node(self, "receiver", "far.sock") end,
  durable = function(self) return node(self, "durable", "near.sock") end,
  memory = function(self) return node(self, "memory", "near.sock", "memory") end,
}

--- The names of what is always there, in the order in which it starts.
stage.NAMES = { "near", "far", "sentinel", "receiver", "durable", "memory" }

--- Start one of NAMES.
function Stage:start(name)
  assert(not self.pids[name], name)
  self.pids[name] = STARTS[name](self)
end

--- Start a program that sends `count` messages; it is there under its prefix.
function Stage:program(prefix, count, to, size)
  self.pids[prefix] = posix.start {
    args = { self.executable, "exec", NODES .. "program/send.lua", "unix://" .. self:path "near.sock", self.ledger, prefix,
      tostring(count), to, tostring(size) },
    env = { MOONPOST_LOG = "warn" }, output = self:path "program.log",
  }
end

--- A signal for the process that does the work: a supervisor's child, if it has one.
function Stage:signal(name, signal)
  local pid = self.pids[name]
  if pid then posix.signal(self.respawns[name] and posix.child_of(pid) or pid, signal) end
end

--- Whether the supervisor of this node would start it again if it crashed now.
function Stage:is_supervised(name)
  local respawns = self.respawns[name]
  return self.pids[name] ~= nil and respawns ~= nil and respawns < RESPAWNS_MAX and posix.child_of(self.pids[name]) ~= nil
end

--- Crash the child of a supervisor. Its next life begins when `meanwhile` has returned.
function Stage:crash_child(name, signal, meanwhile)
  local supervisor = self.pids[name]
  local child = posix.child_of(supervisor)
  posix.signal(supervisor, "STOP")
  posix.signal(child, signal)
  posix.signal(child, "CONT") -- it may be stopped, and only SIGKILL ends it then
  posix.await_death(child)
  self.respawns[name] = self.respawns[name] + 1
  meanwhile()
  posix.signal(supervisor, "CONT")
end

--- How often the supervisor of a node started it again since the last question.
function Stage:count_respawns(name)
  local file = io.open(self:path(name .. ".log"))
  if not file then return 0 end
  file:seek("set", self.heard[name] or 0)
  local text, count = file:read "*a", 0
  self.heard[name] = file:seek()
  file:close()
  for _ in text:gmatch "it is started again" do count = count + 1 end
  return count
end

--- End it without warning. A supervisor's child has to die with it.
function Stage:strike(name)
  local pid = self.pids[name]
  if not pid then return end
  self.orphans[name] = self.respawns[name] and posix.child_of(pid)
  posix.signal(pid, "KILL")
end

--- Wait until what was struck is gone.
function Stage:bury(name)
  local pid = self.pids[name]
  if not pid then return end
  posix.reap(pid)
  if self.orphans[name] then posix.await_death(self.orphans[name]) end
  self.pids[name], self.orphans[name] = nil, nil
end

--- Those that have ended by themselves: name to exit status. They are forgotten.
function Stage:ended()
  local found = {}
  for name, pid in pairs(self.pids) do
    local ended, status = posix.has_ended(pid)
    if ended then
      found[name], self.pids[name] = status, nil
    end
  end
  return found
end

--- What `moonpost store check` says of a store: whether it found anything wrong, and its counts.
function Stage:check(name)
  local pipe = assert(io.popen(("'%s' store check --json --store '%s/data' 2>&1"):format(self.executable, self:path(name))))
  local text = pipe:read "*a"
  pipe:close()
  local function count(what) return tonumber(text:match('"' .. what .. '":(%d+)')) end
  return { clean = count "found" == 0, said = text, messages = count "messages", dead = count "dead" }
end

-- What the command says, and its exit code.
local function remove_letters(self, name)
  local pipe = assert(io.popen(("'%s' dlq rm --all --yes --node 'unix:%s' 2>&1; echo exit $?")
    :format(self.executable, self:socket(name))))
  local text = pipe:read "*a"
  pipe:close()
  return text, tonumber(text:match "exit (%d+)\n$")
end

local NO_NODE, THERE_WITHIN = 3, 10

--- Remove the dead letters of a node, which may only be starting. Answers true, or nil and what `moonpost dlq rm` says.
function Stage:remove_letters(name)
  local deadline = posix.now() + THERE_WITHIN
  local said, code
  repeat
    said, code = remove_letters(self, name)
  until code ~= NO_NODE or posix.now() > deadline
  if code == 0 then return true end
  return nil, said
end

--- What a process has said.
function Stage:log(name)
  local file = io.open(self:path(name .. ".log"))
  if not file then return "" end
  local text = file:read "*a"
  file:close()
  return text
end

--- End everything; the folder goes unless `keep`.
function Stage:close(keep)
  local names = {}
  for name in pairs(self.pids) do names[#names + 1] = name end
  for _, name in ipairs(names) do self:strike(name) end
  for _, name in ipairs(names) do self:bury(name) end
  if not keep then os.execute(("rm -rf '%s'"):format(self.folder)) end
end

return stage
