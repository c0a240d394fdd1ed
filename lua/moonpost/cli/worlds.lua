--- Runs a fuzz of a user's own agents: the other end of `moonpost sim`.
local fuzz = require "moonpost.test.fuzz"
local progress = require "moonpost.cli.progress"
local runtime = require "moonpost.runtime"
local strict = require "moonpost.strict"
local test = require "moonpost.test"
local words = require "moonpost.cli.words"

local worlds = {}

local FAILED = 1
local EVERY = 0.2

local AGAIN = "again, with every envelope: moonpost sim %s --seeds 1 --from %d --envelopes"
local TOGETHER = "should that world be another (agents that are values share one Lua state): "
  .. "moonpost sim %s --seeds %d --from %d"

-- A function of a world, or a table with options of test.fuzz and `run`.
local function read(file)
  local chunk, reason = loadfile(file, "t", strict.environment "spec")
  if not chunk then error(reason, 0) end
  local value = chunk()
  if type(value) == "function" then return fuzz.read {}, value end
  if type(value) ~= "table" or type(value.run) ~= "function" then
    error(file .. ": expected it to return a function of a world, or { run = function(world) ... end }", 0)
  end
  local options, run = {}, value.run
  for name, item in pairs(value) do options[name] = item end
  options.run = nil
  return fuzz.read(options), run
end

local function over(began, minutes)
  return minutes and runtime.clock() - began >= minutes * 60
end

-- How far it is: in worlds, or in time when that ends it first.
local function share(run)
  local by_worlds = run.ran / run.count
  local by_time = run.minutes and (runtime.clock() - run.began) / (run.minutes * 60) or 0
  return math.min(1, math.max(by_worlds, by_time))
end

local function line(run)
  local took, part = runtime.clock() - run.began, share(run)
  local left = part > 0 and took > 1 and (", %s left"):format(words.duration(took / part - took)) or ""
  return ("%s  %s%s"):format(progress.bar(part), words.of(run.ran, "world"), left)
end

local function show(run)
  if not run.terminal or runtime.clock() - run.shown < EVERY then return end
  progress.show(line(run))
  run.shown = runtime.clock()
end

local function say(run, text)
  if run.terminal then progress.show(nil) end
  print(text)
end

-- How much faster than the clock of the wall the worlds' time went by.
local function speed(run)
  local took = math.max(runtime.clock() - run.began, 0.001)
  return ("%s of their time in %s: %s times as fast"):format(words.duration(run.virtual), words.wait(took),
    words.count(math.floor(run.virtual / took)))
end

local function run_seeds(run, options, from, body)
  local last = ""
  for seed = from, from + run.count - 1 do
    if over(run.began, run.minutes) then break end
    local failure, trace, lasted, sent = fuzz.run(test.world, options, seed, body, run.tell)
    run.ran, run.virtual, run.sent = run.ran + 1, run.virtual + lasted, run.sent or sent
    if failure then return failure, seed end
    last = trace
    show(run)
  end
  return nil, last
end

--- Run so many seeds; answers the exit code.
---@param file string
---@param seeds string
---@param from string
---@param minutes string "" for no bound
---@param terminal string "yes": show how far it is
---@param tells string "yes": print each envelope, each fact and each line of log
---@return integer exit code
function worlds.main(file, seeds, from, minutes, terminal, tells)
  local read_well, options, body = pcall(read, file)
  if not read_well then
    io.stderr:write("moonpost sim: ", tostring(options), "\n")
    return FAILED
  end
  local run = { count = tonumber(seeds), minutes = tonumber(minutes), terminal = terminal == "yes", ran = 0,
    virtual = 0, sent = false, began = runtime.clock(), shown = runtime.clock() }
  if tells == "yes" then run.tell = print end
  local failure, last = run_seeds(run, options, tonumber(from), body)
  if failure then
    say(run, failure)
    print(AGAIN:format(file, last))
    if run.ran > 1 then print(TOGETHER:format(file, run.ran, tonumber(from))) end
    return FAILED
  end
  say(run, ("%s, every promise kept; last trace %s"):format(words.of(run.ran, "world"), last))
  print(speed(run))
  if not run.sent then print("note: nothing was sent in any of them, so nothing was proven") end
  return 0
end

return worlds
