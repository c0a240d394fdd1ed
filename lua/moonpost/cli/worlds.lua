--- Runs a fuzz of a user's own agents: the other end of `moonpost sim`.
local fuzz = require "moonpost.test.fuzz"
local strict = require "moonpost.strict"
local test = require "moonpost.test"

local worlds = {}

local FAILED = 1
local EVERY = 0.2

-- A function of a world, or a table with options of test.fuzz and `run`.
local function read(file)
  local chunk, reason = loadfile(file, "t", strict.environment "spec")
  if not chunk then error(reason, 0) end
  local value = chunk()
  if type(value) == "function" then return {}, value end
  if type(value) ~= "table" or type(value.run) ~= "function" then
    error(file .. ": expected it to return a function of a world, or { run = function(world) ... end }", 0)
  end
  local options, run = {}, value.run
  for name, item in pairs(value) do options[name] = item end
  options.run = nil
  return options, run
end

local function bar(done, all, worth)
  local width = 30
  local filled = math.floor(width * done / all)
  local drawn = ("#"):rep(filled) .. ("."):rep(width - filled)
  if worth then io.stderr:write(("\r%s %d of %d worlds"):format(drawn, done, all)) end
end

local function over(began, minutes)
  return minutes and os.time() - began >= minutes * 60
end

--- Run so many seeds; answers the exit code.
---@param file string
---@param seeds string
---@param from string
---@param minutes string "" for no bound
---@param terminal string "yes": show a bar
---@return integer exit code
function worlds.main(file, seeds, from, minutes, terminal)
  local given, run = read(file)
  local count, first, bound = tonumber(seeds), tonumber(from), tonumber(minutes)
  local options, began, shown, last, ran = fuzz.read(given), os.time(), os.clock(), "", 0
  for seed = first, first + count - 1 do
    if over(began, bound) then break end
    local failure
    failure, last = fuzz.run(test.world, options, seed, run)
    ran = ran + 1
    if failure then
      if terminal == "yes" then io.stderr:write "\n" end
      print(failure)
      print(("again: moonpost sim %s --seeds 1 --from %d"):format(file, seed))
      return FAILED
    end
    if os.clock() - shown >= EVERY then
      bar(ran, count, terminal == "yes")
      shown = os.clock()
    end
  end
  bar(ran, count, terminal == "yes")
  if terminal == "yes" then io.stderr:write "\n" end
  print(("%d worlds, every promise kept; last trace %s"):format(ran, last))
  return 0
end

return worlds
