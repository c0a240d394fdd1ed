--- A scenario in a world: the same settings, agents, hooks and programs in one process and in virtual time.
local facts = require "moonpost.scenario.facts"
local play = require "moonpost.scenario.play"
local record = require "moonpost.scenario.record"
local stage = require "moonpost.scenario.stage"
local test = require "moonpost.test"
local worlds = require "moonpost.world"

local virtual = {}

-- Nothing is on a sentinel's disk, so what its end means to others is that their links to it die.
local function kill(self, world, name)
  local now = worlds.now(world.handle)
  self:tell(record.of_scenario(name, now, "KILLED", { fact = "killed" }))
  for _, node in ipairs(worlds.names(world.handle)) do
    if node ~= name and worlds.cut(world.handle, name, node) then worlds.heal(world.handle, name, node) end
  end
end

-- A client's node is called after its program: "client-92e265ec".
local function speaker(self, node)
  if self.processes[node] then return node end
  local program = node:match("^(.*)%-%x+$")
  return self.processes[program] and program or node
end

local function listen(self, world)
  for _, line in ipairs(world:log()) do
    local said = record.of_world(speaker(self, line.node), line)
    self:hear(said)
    self:tell(said)
    for _, cue in ipairs(self:cued_by(said)) do kill(self, world, cue.kill) end
  end
end

local function start_node(self, world, cast, folder)
  if cast.socket then self.given[cast.socket] = cast.name end
  world:node(cast.name, folder .. "/" .. cast.run)
  listen(self, world)
  for name, value in pairs(self.given) do worlds.setenv(world.handle, name, value) end
  if self.up[cast.name] then return true end
  return nil, ("%s is not ready: it never said %q"):format(cast.name, cast.ready)
end

local function run_program(self, world, cast, folder)
  local root, file = (folder .. "/" .. cast.exec):match("^(.*)/([^/]+)$")
  local code, reason = world:exec(root .. "/" .. file, {
    name = cast.name, root = root, each = function() listen(self, world) end,
  })
  if code == 0 then return true end
  return nil, ("%s ended with exit code %d%s"):format(cast.name, code, reason ~= "" and ": " .. reason or "")
end

local function run_all(self, world, kind, folder, run)
  for _, cast in ipairs(self.scenario.processes) do
    if cast[kind] then
      local ok, reason = run(self, world, cast, folder)
      if not ok then return nil, reason end
    end
  end
  return true
end

local function run(self, world, folder, began)
  local ok, reason = run_all(self, world, "run", folder, start_node)
  if not ok then return nil, reason end
  began(worlds.now(world.handle))
  return run_all(self, world, "exec", folder, run_program)
end

--- Run a scenario; answers what was said, and nil and a reason when it came to no end. `began` is told when
--- the programs start.
---@param scenario table
---@param options { verbose: boolean|nil, seed: string|nil }
---@param show fun(record: table)
---@param began fun(at: number)
---@return moonpost.scenario.Facts
---@return true|nil
---@return string|nil reason
function virtual.run(scenario, options, show, began)
  if scenario.only_real then
    return facts.new(), nil, ("UNSUPPORTED in virtual time: %s; run it without --virtual"):format(scenario.only_real)
  end
  local world = test.world { seed = options.seed and tonumber(options.seed) or nil }
  world.show = options.verbose
  local self, folder = play.new(scenario, show), stage.open(scenario)
  self.given.DEMO_FOLDER = folder
  local ran, ok, reason = pcall(run, self, world, folder, began)
  if not ran then
    listen(self, world)
    ok, reason = nil, tostring(ok)
  end
  world:close()
  return self.facts, ok, reason
end

return virtual
