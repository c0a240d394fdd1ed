--- `moonpost bench`: how fast this machine does it, with real processes.
local json = require "moonpost.json"
local term = require "moonpost.cli.term"
local shell = require "moonpost.shell"

local USAGE, FAILED, INTERRUPTED = 2, 1, 130
local BAR = 30

local NUMBERS = {
  { name = "count", default = 200000, least = 1, most = 10000000 },
  { name = "window", default = 1000, least = 1, most = 8192 },
  { name = "size", default = 128, least = 12, most = 1024 * 1024 },
  { name = "keys", default = 0, least = 1, most = 1000000 },
}
local LEVELS = {
  ["at-most-once"] = { sent = true, default = "sent" },
  ["at-least-once"] = { stored = true, handled = true, default = "stored" },
  ["exactly-once"] = { stored = true, handled = true, default = "handled" },
}
local PROFILES = { "at-most-once", "at-least-once", "exactly-once" }

-- ---- what is asked for ----

local function number(flags, wanted)
  local text = flags[wanted.name]
  if text == nil then return wanted.default end
  local value = text:find("^%d+$") and tonumber(text)
  if value and value >= wanted.least and value <= wanted.most then return value end
  return nil, ("--%s: %q is not a whole number from %d to %d"):format(wanted.name, text, wanted.least, wanted.most)
end

local function level(profile, word)
  local levels = LEVELS[profile]
  if word == nil then return levels.default end
  if word ~= "default" and levels[word] == true then return word end
  local known = profile == "at-most-once" and "sent" or "stored or handled"
  return nil, ("--await: %q is not %s, which is what %s has"):format(word, known, profile)
end

local function profile_of(flags)
  local name = flags.profile or "at-least-once"
  if LEVELS[name] then return name end
  return nil, ("--profile: %q is none of %s"):format(name, table.concat(PROFILES, ", "))
end

local function options_of(flags)
  local options = { verify = flags.verify, via_sentinel = flags.via_sentinel, store = flags.store,
    state = flags.state, dedup = flags.dedup, parked = flags.parked }
  for _, wanted in ipairs(NUMBERS) do
    local value, reason = number(flags, wanted)
    if not value then return nil, reason end
    options[wanted.name] = value
  end
  if options.parked and (options.keys < 2 or flags.await == "handled") then
    return nil, "--parked needs --keys, of which one is parked, and --await stored, since that one is not handled"
  end
  local profile, reason = profile_of(flags)
  if not profile then return nil, reason end
  options.profile = profile
  options.await, reason = level(profile, flags.await)
  return options.await and options, reason
end

local function with_profile(options, profile)
  local copy = {}
  for name, value in pairs(options) do copy[name] = value end
  copy.profile, copy.await = profile, LEVELS[profile].default
  return copy
end

--- The runs that were asked for: one, or one for each profile.
local function runs_of(flags)
  if flags.compare_profiles and (flags.profile or flags.await) then
    return nil, "--compare-profiles runs each profile with its own level; leave out --profile and --await"
  end
  local options, reason = options_of(flags)
  if not options then return nil, reason end
  if not flags.compare_profiles then return { options } end
  local runs = {}
  for index, profile in ipairs(PROFILES) do runs[index] = with_profile(options, profile) end
  return runs
end

-- ---- progress ----

local function nothing() end

local function show_bar(options)
  if not shell.isatty("stderr") then
    term.note(("sending %d messages, %s"):format(options.count, options.profile))
    return nothing
  end
  return function(answered)
    local share = answered / options.count
    local full = math.floor(share * BAR)
    io.stderr:write(("\r%s [%s%s] %3d %%"):format(options.profile, ("#"):rep(full), (" "):rep(BAR - full),
      math.floor(share * 100)))
    if answered >= options.count then io.stderr:write("\r\27[K") end
  end
end

-- ---- running ----

local function run_one(options)
  local figures = require "moonpost.bench.table"
  local stage = require("moonpost.bench.stage").new(options)
  local ok, reason = stage:start()
  local result
  if ok then result, reason = stage:measure(show_bar(options)) end
  stage:stop()
  if not result then return nil, reason end
  return figures.of(options, result)
end

local function is_good(row)
  return row.refused == 0 and (row.lost or 0) == 0
end

local function show(rows, options)
  for _, row in ipairs(rows) do
    if options.json then term.out(json.encode(row)) end
  end
  if options.json then return end
  term.out(("%d messages of %d bytes, %d in flight%s"):format(rows[1].count, rows[1].size, rows[1].window,
    rows[1].via_sentinel and ", by way of a sentinel" or ""))
  for index, line in ipairs(require("moonpost.bench.table").lines(rows)) do
    term.out(index == 1 and term.styled("bold", line) or line)
  end
end

local function run_all(runs, flags)
  local rows, good = {}, true
  for index, options in ipairs(runs) do
    local row, reason = run_one(options)
    if not row then
      term.complain("bench", reason)
      return reason == "interrupted" and INTERRUPTED or FAILED
    end
    rows[index], good = row, good and is_good(row)
  end
  show(rows, flags)
  return good and 0 or FAILED
end

local function run(flags)
  if flags[1] == "client" and flags[2] then return require("moonpost.bench.client")(flags[2]) end
  if flags[1] then
    term.complain("bench", ("%q is one argument too many; bench takes flags only"):format(flags[1]))
    return USAGE
  end
  local runs, reason = runs_of(flags)
  if not runs then
    term.complain("bench", reason)
    term.note("see: moonpost bench --help")
    return USAGE
  end
  return run_all(runs, flags)
end

return {
  name = "bench",
  usage = "bench",
  summary = "how fast this machine does it, with real processes",
  details = [[
  Until the last message is handled; p50 ... max are from a send to its receipt.]],
  flags = {
    { name = "count", value = "N", help = "how many messages: 200000" },
    { name = "window", value = "N", help = "how many may lack their receipt: 1000" },
    { name = "size", value = "BYTES", help = "of a body: 128" },
    { name = "profile", value = "PROFILE", help = "at-least-once, at-most-once or exactly-once" },
    { name = "await", value = "LEVEL", help = "stored, or handled; at most once only sent" },
    { name = "via-sentinel", help = "node and client are linked to a sentinel" },
    { name = "compare-profiles", help = "one run for each profile" },
    { name = "state", help = "each handler reads and writes ctx.state" },
    { name = "keys", value = "N", help = "the agent has order = \"key\", the messages N keys" },
    { name = "parked", help = "one of the keys waits for its next attempt all the time" },
    { name = "dedup", help = "the agent remembers each message by its id" },
    { name = "verify", help = "count what was lost or handled twice; lost: exit 1" },
    { name = "store", value = "STORE", help = "of the node, as for moonpost run" },
    { name = "json", help = "a JSON object for each run" },
  },
  at_most = 2,
  examples = {
    { "moonpost bench --compare-profiles --verify", "and whether all arrived" },
  },
  run = run,
}
