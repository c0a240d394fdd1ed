--- The process behind `moonpost example start`: it runs the nodes of a scenario and writes what they say,
--- one JSON object a line, to its standard output.
local json = require "moonpost.json"
local real = require "moonpost.scenario.real"
local runtime = require "moonpost.runtime"
local shell = require "moonpost.shell"

local function write(record)
  io.stdout:write(json.encode(record), "\n")
end

local function say(level, text, fields)
  write { process = "moonpost", at = runtime.now(), level = level, text = text, fields = fields }
end

local function own_pid()
  return tonumber(assert(shell.read_file("/proc/self/stat")):match("^%d+"))
end

local function any_ended(run)
  for _, child in pairs(run.children) do
    if child.ended and not child.killed then return child end
  end
end

local function serve_until_stopped(run)
  run.order:finish()
  say("info", "started", { scenario = "serving", pid = own_pid(), given = run.play.given })
  run:take_until(function() return any_ended(run) ~= nil end, math.huge)
  local lost = any_ended(run)
  if run.interrupted or not lost then return true end
  return nil, ("%s ended (%s)"):format(lost.name, lost.ended)
end

--- Run the nodes until SIGTERM.
---@param scenario table
---@param options { seed: string|nil }
---@return integer exit code
return function(scenario, options)
  local run = real.new(scenario, { verbose = true, seed = options.seed, patience = 0 }, write)
  say("info", "starting", { scenario = "starting", pid = own_pid() })
  local ok, reason = run:start_nodes()
  if ok then ok, reason = serve_until_stopped(run) end
  run:stop()
  if not ok then say("error", reason, { scenario = "failed" }) end
  return ok and 0 or 1
end
