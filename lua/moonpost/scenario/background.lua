--- Nodes of a scenario that stay up after their command has ended.
---
---   start --setsid--> serve: runs the nodes, writes what they say to FOLDER/.run/records
---   run   follows the records, and runs the programs against those nodes
---   stop  ends serve, and serve its nodes
local json = require "moonpost.json"
local process = require "moonpost.process"
local shell = require "moonpost.shell"

local background = {}

local STOPPED_WITHIN = 10
local DETACH = [[mkdir -p "$1" && : > "$1/records" &&
setsid -f "$0" example serve "$2" < /dev/null > "$1/records" 2>&1 && exec tail -n +1 -f "$1/records"]]

local function state(scenario)
  return scenario.folder .. "/.run"
end

local function records_file(scenario)
  return state(scenario) .. "/records"
end

--- The records so far; none when nothing was ever started.
---@param scenario table
---@return table[]
function background.records(scenario)
  local found = {}
  local text = shell.read_file(records_file(scenario)) or ""
  for line in text:gmatch("[^\n]+") do found[#found + 1] = background.decode(line) end
  return found
end

--- A line of the file of records; text of any other form is what a broken start said.
---@param line string
---@return table
function background.decode(line)
  local said = line:sub(1, 1) == "{" and json.decode(line)
  if type(said) == "table" and said.process and said.at then return said end
  return { process = "moonpost", at = 0, level = "error", text = line, fields = {} }
end

local function first(records, fact)
  for _, each in ipairs(records) do
    if each.fields.scenario == fact then return each end
  end
end

-- A process id may have been given to somebody else since.
local function is_ours(pid)
  local words = shell.read_file(("/proc/%d/cmdline"):format(pid))
  return words ~= nil and words:find("\0example\0serve\0", 1, true) ~= nil
end

local function server(scenario)
  local starting = first(background.records(scenario), "starting")
  return starting and is_ours(starting.fields.pid) and starting.fields.pid or nil
end

--- The process that serves this scenario and what it gives to programs; nil when it is not started.
---@param scenario table
---@return integer|nil pid
---@return table<string, string>|nil given
function background.serving(scenario)
  local ready = first(background.records(scenario), "serving")
  local pid = ready and server(scenario)
  if pid then return pid, ready.fields.given end
end

--- Words of a child that prints the records to come.
---@param scenario table
---@return string[]
function background.follow(scenario)
  return { "tail", "-n", "0", "-f", records_file(scenario) }
end

-- ---- start ----

local function await_start(child, show)
  while true do
    local event = process.wait()
    if event.type == "interrupt" then return nil, "interrupted" end
    if event.type == "exit" and event.child == child then return nil, "could not be started in the background" end
    if event.type == "line" and event.stream == "stderr" then return nil, event.line end
    if event.type == "line" then
      local said = background.decode(event.line)
      if said.level == "error" then return nil, said.text end
      show(said)
      if said.fields.scenario == "serving" then return true end
    end
  end
end

--- Start the nodes and show what they say until they are up.
---@param scenario table
---@param show fun(record: table)
---@return true|nil
---@return string|nil reason
function background.start(scenario, show)
  local child = assert(process.spawn {
    args = { "sh", "-c", DETACH, shell.exe(), state(scenario), scenario.folder },
  })
  local ok, reason = await_start(child, show)
  process.kill(child, "KILL")
  if not ok then background.stop(scenario) end
  return ok, reason
end

-- ---- stop ----

local function signal(pid, name)
  -- The shell's own kill: the program of that name is not on every machine.
  assert(process.spawn { args = { "sh", "-c", 'kill -s "$0" "$1"', name, tostring(pid) } })
end

-- Waits until a process has ended. Interrupts change nothing: it is ending already.
local function watch_end(pid)
  local child = assert(process.spawn { args = { "tail", "--pid=" .. pid, "-s", "0.02", "-f", "/dev/null" } })
  while true do
    local event = process.wait(STOPPED_WITHIN)
    if event.type == "timeout" then return false end
    if event.type == "exit" and event.child == child then return true end
  end
end

--- Stop what was started.
---@param scenario table
---@return boolean|nil true, or nil when nothing was running
---@return string|nil reason
function background.stop(scenario)
  local pid = server(scenario)
  if not pid then return nil, "not started" end
  signal(pid, "TERM")
  if watch_end(pid) then return true end
  signal(pid, "KILL")
  return watch_end(pid)
end

--- Remove what `start` and `run` left in the scenario's folder.
---@param scenario table
function background.clean(scenario)
  if shell.kind(state(scenario)) then assert(shell.remove_tree(state(scenario))) end
end

return background
