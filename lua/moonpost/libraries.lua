--- The standard libraries as scripts see them: clock, environment and random source are the node's own,
--- and what would hold up or end a node raises.
local coroutines = require "moonpost.coroutines"
local errors = require "moonpost.errors"
local runtime = require "moonpost.runtime"

local libraries = {}

local GUARDED = { agent = "an agent", hook = "a hook", policy = "a policy", settings = "settings" }

local INSTEAD = {
  ["os.exit"] = "return or raise an outcome; a node ends from outside",
  ["os.execute"] = "it would hold up the node; send a message to a program (moonpost exec)",
  ["io.popen"] = "it would hold up the node; send a message to a program (moonpost exec)",
  ["io.read"] = "a node has no terminal; take it from the message, from a file (io.open) or from os.getenv",
  ["math.randomseed"] = "math.random is the node's own; in specs MOONPOST_SEED sets its seed",
  ["debug.sethook"] = "the node's guard uses the hook; see `budget`",
}

local function copy(library)
  local copied = {}
  for name, value in pairs(library) do copied[name] = value end
  return copied
end

local function pick(library, names)
  local picked = {}
  for name in names:gmatch("%S+") do picked[name] = library[name] end
  return picked
end

local real_date, real_time = os.date, os.time

--- As os.date, by the clock of the node.
---@param format string|nil
---@param moment number|nil
---@return string|table
function libraries.date(format, moment)
  return real_date(format or "%c", moment or math.floor(runtime.now()))
end

--- As os.time, by the clock of the node.
---@param fields table|nil
---@return integer
function libraries.time(fields)
  if fields ~= nil then return real_time(fields) end
  return math.floor(runtime.now())
end

local function random(low, high)
  if low == nil then return runtime.random() end
  if high == nil then low, high = 1, low end
  if low > high then errors.at_caller("math.random: the interval is empty") end
  return math.floor(low) + math.floor(runtime.random() * (math.floor(high) - math.floor(low) + 1))
end

--- The libraries for a kind of script.
---@param kind string
---@return table<string, table>
function libraries.new(kind)
  local set = {
    bit = bit,
    coroutine = coroutines,
    debug = GUARDED[kind] and pick(debug, "traceback getinfo getlocal getupvalue") or copy(debug),
    io = copy(io),
    math = copy(math),
    os = copy(os),
    string = copy(string),
    table = copy(table),
  }
  set.coroutine = copy(coroutines)
  set.coroutine.pcall, set.coroutine.xpcall = nil, nil
  set.math.random = random
  set.os.clock, set.os.date, set.os.time = runtime.clock, libraries.date, libraries.time
  set.os.getenv = runtime.getenv or os.getenv
  set.string.dump = nil
  if GUARDED[kind] then libraries.guard(set, GUARDED[kind]) end
  return set
end

--- Replace what a node cannot allow by functions that say what to use.
---@param set table<string, table>
---@param place string such as "an agent"
function libraries.guard(set, place)
  for name, instead in pairs(INSTEAD) do
    local library, member = name:match("^(%w+)%.(%w+)$")
    set[library][member] = function()
      errors.at_caller(("%s: not in %s: %s"):format(name, place, instead))
    end
  end
  set.os.setlocale = nil
end

return libraries
