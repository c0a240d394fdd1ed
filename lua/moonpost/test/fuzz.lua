--- Fuzzing: a user's own agents in many worlds, each under another storm of faults. A failure names its seed and the
--- shortest list of faults found with which it still fails.
local closed = require "moonpost.closed"
local errors = require "moonpost.errors"
local notes = require "moonpost.test.notes"
local shape = require "moonpost.shape"
local seed_of_environment = require "moonpost.test.seed"
local show = require "moonpost.show"
local sorted_pairs = require "moonpost.sorted_pairs"
local storm = require "moonpost.test.storm"
local transcript = require "moonpost.test.transcript"
local units = require "moonpost.units"

local fuzz = {}

local KNOWN = {}
for _, kind in ipairs(storm.KINDS) do KNOWN[kind] = true end

-- { "drop", "crash" } or { drop = true, crash = true }.
local function kinds(value)
  if type(value) ~= "table" then return nil, "expected a list of kinds, got " .. show(value) end
  local found = {}
  for key, item in sorted_pairs(value) do
    local kind = type(key) == "number" and item or key
    if not KNOWN[kind] then
      return nil, ("%s is no kind of fault; there are %s"):format(show(kind), table.concat(storm.KINDS, ", "))
    end
    if item then found[#found + 1] = kind end
  end
  return found
end

local FIELDS = {
  runs = { read = shape.whole(1, 2 ^ 31), default = 100 },
  seed = { read = shape.whole(0, 2 ^ 31) },
  faults = { read = kinds, default = storm.KINDS },
  lasts = { read = units.finite_duration, default = 30 },
  most = { read = shape.whole(0, 1000), default = 12 },
}

local function play(world, faults, body)
  storm.over(world, faults)
  local at_end = body(world)
  storm.calm(world)
  world:settle()
  world:check()
  if type(at_end) == "function" then at_end(world) end
end

local OF_NODES = closed.words "start stop link_up link_down link_failed"

-- What waits for somebody that is not there was sent all the same.
local function was_anything_sent(world)
  if storm.deliveries(world) > 0 then return true end
  for _, fact in ipairs(world:facts()) do
    if not OF_NODES[fact.fact] then return true end
  end
  return false
end

-- Why a world failed, or nil; its trace, how long it lasted, what explains the failure, and whether anything was sent.
local function fails(make, seed, faults, body, tell)
  local world = make { seed = seed }
  world.show = tell ~= nil
  local ok, reason = pcall(play, world, faults, body)
  if tell then tell(transcript.of(world)) end
  local trace, lasted = world:trace_hash(), storm.now(world)
  local lines, sent = ok and {} or notes.of(world), was_anything_sent(world)
  world:close()
  return not ok and tostring(reason) or nil, trace, lasted, lines, sent
end

-- Two failures are the same but for names, ids and times.
local function essence(reason)
  return (reason:gsub("at [%d.]+ s: ", ""):gsub("%w*%d%w*", "N"))
end

--- Draw the storm of a seed.
---@param options table as fuzz.read gives it
---@param seed integer
---@return moonpost.test.Fault[]
function fuzz.storm(options, seed)
  if #options.faults == 0 then return {} end
  return storm.draw(storm.generator(seed), options.faults, options.lasts, options.most)
end

--- One world: nil or what went wrong in words; its trace, how many seconds of its own time it lasted, and whether
--- anything was sent in it.
---@param make fun(options: table): moonpost.World
---@param options table
---@param seed integer
---@param body fun(world: moonpost.World)
---@param tell fun(lines: string)|nil is given all that happened in it, each envelope
---@return string|nil failure
---@return string trace
---@return number seconds
---@return boolean sent
function fuzz.run(make, options, seed, body, tell)
  local faults = fuzz.storm(options, seed)
  local reason, trace, lasted, lines, sent = fails(make, seed, faults, body, tell)
  if not reason then return nil, trace, lasted, sent end
  local wanted = essence(reason)
  local shortest = storm.shrink(faults, function(fewer)
    local other = fails(make, seed, fewer, body)
    return other ~= nil and essence(other) == wanted
  end)
  local told = storm.tell(shortest)
  if #lines > 0 then reason = reason .. "\n  " .. table.concat(lines, "\n  ") end
  local text = ("seed %d: %s\n%d of its %d faults are needed:\n%s"):format(seed, reason, #shortest, #faults, told)
  return text, trace, lasted, sent
end

--- Read the options of a fuzz.
---@param given table|nil
---@return table
function fuzz.read(given)
  local options = shape.construct("fuzz", FIELDS, given or {})
  options.seed = options.seed or seed_of_environment()
  return options
end

-- What runs one of its worlds again.
local function again(options, seed)
  local parts = { ("seed = %d, runs = 1"):format(seed) }
  if options.faults ~= storm.KINDS then
    local names = {}
    for index, kind in ipairs(options.faults) do names[index] = show(kind) end
    parts[#parts + 1] = ("faults = { %s }"):format(table.concat(names, ", "))
  end
  for _, name in ipairs { "lasts", "most" } do
    if options[name] ~= FIELDS[name].default then parts[#parts + 1] = ("%s = %g"):format(name, options[name]) end
  end
  return ("again: test.fuzz({ %s }, the same function)"):format(table.concat(parts, ", "))
end

--- Run a function in many worlds.
---@param make fun(options: table): moonpost.World
---@param given table|nil
---@param body fun(world: moonpost.World)
function fuzz.fuzz(make, given, body)
  if type(given) == "function" then
    errors.misuse("test.fuzz: the options come first: test.fuzz({ runs = 100 }, function(world) ... end)")
  end
  if type(body) ~= "function" then errors.misuse("test.fuzz: expected a function, got " .. show(body)) end
  local options = fuzz.read(given)
  for seed = options.seed, options.seed + options.runs - 1 do
    local failure = fuzz.run(make, options, seed, body)
    if failure then error(failure .. "\n" .. again(options, seed), 0) end
  end
end

return fuzz
