--- A scenario while it runs, real or virtual: who is up, what was said, and the addresses that the first
--- processes give to the others as environment variables.
local facts = require "moonpost.scenario.facts"

local play = {}

---@class moonpost.scenario.Play
---@field scenario table
---@field facts moonpost.scenario.Facts
---@field given table<string, string> environment of the processes to come
local Play = {}
Play.__index = Play

--- Records go to `show` in the order of `tell`.
---@param scenario table
---@param show fun(record: table)
---@return moonpost.scenario.Play
function play.new(scenario, show)
  local processes, up = {}, {}
  for _, process in ipairs(scenario.processes) do processes[process.name] = process end
  return setmetatable({
    scenario = scenario, facts = facts.new(), given = {}, show = show, told = {}, processes = processes, up = up,
  }, Play)
end

--- Look whether a record says that its process is up. Records of a process come in order.
---@param record table
function Play:hear(record)
  local process = self.processes[record.process]
  if not process or not process.ready or self.up[process.name] then return end
  local from, _, captured = record.text:find(process.ready)
  if not from then return end
  self.up[process.name], record.opening = true, true
  if process.gives and captured then self.given[process.gives] = captured end
end

-- Once for a message: it may come again because of it.
local function is_new(self, cue, record)
  local told = self.told[cue] or {}
  self.told[cue] = told
  if told[record.ref or ""] then return false end
  told[record.ref or ""] = true
  return true
end

--- What is to be done now that this was said.
---@param record table
---@return { kill: string|nil, replace: string|nil }[]
function Play:cued_by(record)
  local cues = {}
  for _, cue in ipairs(self.scenario.cues) do
    local fits = cue.process == record.process and record.text:find(cue.says)
    if fits and is_new(self, cue, record) then cues[#cues + 1] = cue end
  end
  return cues
end

--- Keep a record and show it.
---@param record table
function Play:tell(record)
  self.facts:add(record)
  self.show(record)
end

return play
