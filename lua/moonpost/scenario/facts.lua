--- What the checks of a scenario look at: everything its processes said.
local facts = {}

---@class moonpost.scenario.Facts
local Facts = {}
Facts.__index = Facts

--- None yet.
---@return moonpost.scenario.Facts
function facts.new()
  return setmetatable({ records = {} }, Facts)
end

--- They stand in the order in which they were made, whenever their pipes brought them.
---@param record table
function Facts:add(record)
  local index = #self.records
  while index > 0 and self.records[index].at > record.at do index = index - 1 end
  table.insert(self.records, index + 1, record)
end

local function fits(record, what)
  if type(what) == "string" then return record.text:find(what) ~= nil end
  for name, value in pairs(what) do
    if record.fields[name] ~= value then return false end
  end
  return true
end

--- The records of a process (nil: of all) whose text fits a Lua pattern, or whose fields are these.
---@param process string|nil
---@param what string|table<string, any>
---@return table[]
function Facts:all(process, what)
  local found = {}
  for _, record in ipairs(self.records) do
    if (not process or record.process == process) and fits(record, what) then found[#found + 1] = record end
  end
  return found
end

--- How many there are.
---@param process string|nil
---@param what string|table<string, any>
---@return integer
function Facts:count(process, what)
  return #self:all(process, what)
end

--- The messages that were spoken of: each id once, in order of appearance.
---@return string[]
function Facts:refs()
  local refs, seen = {}, {}
  for _, record in ipairs(self.records) do
    if record.ref and not seen[record.ref] then
      seen[record.ref] = true
      refs[#refs + 1] = record.ref
    end
  end
  return refs
end

return facts
