--- What a process of a scenario said: one line, in one form for real and virtual runs.
---
---     { process = "agent", at = seconds, level = "info", text = "received #1 …", id = …, ref = …,
---       fields = { fact = "dropped", … } }
local json = require "moonpost.json"
local runtime = require "moonpost.runtime"

local record = {}

local OURS = { ts = true, level = true, node = true, agent = true, generation = true, id = true, text = true }
local LAST_OF_MILLISECOND = 0.000999

local moments = {} -- of whole seconds: lines of one second share all but their fraction

-- Days since 1970 of a date of the Gregorian calendar.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local leaps = math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
  return year * 365 + leaps + math.floor((153 * (month - 3) + 2) / 5) + day - 1 - 719468
end

-- "2026-01-01T00:00:01.002345Z" in seconds since 1970.
local function moment(text)
  local whole, fraction = text:match("^(%d+%-%d+%-%d+T%d+:%d+:%d+)(%.%d+)Z$")
  if not whole then return nil end
  if not moments[whole] then
    local year, month, day, hour, minute, second = whole:match("(%d+)%-(%d+)%-(%d+)T(%d+):(%d+):(%d+)")
    moments[whole] = days(tonumber(year), tonumber(month), tonumber(day)) * 86400 + hour * 3600 + minute * 60 + second
  end
  return moments[whole] + tonumber(fraction)
end

-- The message it speaks of.
local function reference(text, id, fields)
  if type(fields.ref) == "string" then return fields.ref end
  return id or text:match("%f[%w]ref=(%w+)")
end

local function build(process, at, level, text, id, fields)
  return {
    process = process, at = at, level = level, text = text, id = id, fields = fields,
    ref = reference(text, id, fields),
  }
end

-- A line of a program is as late as its milliseconds allow: it has no time of its own.
local function plain(process, stream, line)
  local at = math.floor(runtime.now() * 1000) / 1000 + LAST_OF_MILLISECOND
  return build(process, at, stream == "stderr" and "error" or "info", line, nil, {})
end

--- A line of a child: an object of its log, or text of its own.
---@param process string
---@param stream "stdout"|"stderr"
---@param line string
---@return table
function record.of_child(process, stream, line)
  local said = line:sub(1, 1) == "{" and json.decode(line) or nil
  local at = said and type(said.ts) == "string" and moment(said.ts)
  if not at then return plain(process, stream, line) end
  local fields = {}
  for name, value in pairs(said) do
    if not OURS[name] then fields[name] = value end
  end
  return build(process, at, said.level, said.text, said.id, fields)
end

--- What the scenario itself did to a process.
---@param process string
---@param at number epoch seconds
---@param text string
---@param fields table
---@return table
function record.of_scenario(process, at, text, fields)
  return build(process, at, "warn", text, nil, fields)
end

--- A line of a world's log.
---@param process string
---@param line table as World:log answers it
---@return table
function record.of_world(process, line)
  local fields = line.fields ~= "" and json.decode(line.fields) or {}
  return build(process, line.at, line.level, line.text, line.id ~= "" and line.id or nil, fields)
end

return record
