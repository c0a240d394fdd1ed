--- A run of a scenario's programs against nodes that `moonpost example start` left behind.
local background = require "moonpost.scenario.background"
local real = require "moonpost.scenario.real"
local verdict = require "moonpost.scenario.verdict"

local guest = {}

local CAUGHT_UP_WITHIN = 1
local PATIENCE = 0.1 -- more than between processes: half of the records take a way round

-- The nodes' records come by way of a file; the verdict waits until they are all there.
local function catch_up(run)
  local scenario = run.scenario
  run:take_until(function() return verdict.of(scenario, run.play.facts).ok end, CAUGHT_UP_WITHIN)
end

local function follow(run)
  run:spawn("moonpost", { args = background.follow(run.scenario) }, function(event)
    return event.stream == "stdout" and background.decode(event.line) or nil
  end)
end

--- A run like real.new, whose nodes are up already.
---@param scenario table
---@param options table
---@param show fun(record: table)
---@param given table<string, string>
---@return moonpost.scenario.Real
function guest.new(scenario, options, show, given)
  local run = real.new(scenario, { verbose = options.verbose, seed = options.seed, patience = PATIENCE }, show)
  for name, value in pairs(given) do run.play.given[name] = value end
  function run.start_nodes() return follow(run) or true end
  function run.run_programs(self)
    local ok, reason = real.run_programs(self)
    if ok then catch_up(self) end
    return ok, reason
  end
  return run
end

return guest
