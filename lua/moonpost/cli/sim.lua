--- `moonpost sim`: a user's own agents in many worlds with faults.
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local USAGE, FAILED, BUG = 2, 1, 70
local SEEDS, ALL = 100, 2 ^ 31

-- What each number has to be, and whether it is.
local NUMBERS = {
  seeds = { "a whole number from 1", function(value) return value >= 1 and value % 1 == 0 end },
  from = { "a whole number from 0", function(value) return value >= 0 and value % 1 == 0 end },
  minutes = { "a number above 0", function(value) return value > 0 end },
}

local function number(flags, name, default)
  local given = flags[name]
  if given == nil then return default end
  local value, wanted = tonumber(given), NUMBERS[name]
  if value and wanted[2](value) then return value end
  term.complain("sim", ("--%s: %q is not %s"):format(name, given, wanted[1]))
end

return {
  name = "sim",
  usage = "sim FILE",
  summary = "your agents in many worlds, each under another storm of faults",
  details = [[
  FILE returns a function of a world, which adds nodes, loads agents and sends (see require "moonpost.test"), or a
  table { run = that function, faults = { "drop", "crash", ... }, lasts = "30s" }. After it the storm ends, all must
  come to its end, no promise may be broken, and what it returned is called. A failure prints its seed and the
  shortest list of faults found.]],
  flags = {
    { name = "seeds", value = "N", help = "how many worlds (100, or what --minutes allow)" },
    { name = "from", value = "S", help = "the first seed (1)" },
    { name = "minutes", value = "M", help = "no new world after so long" },
    { name = "envelopes", help = "print each envelope, fact and line of log" },
  },
  at_least = 1,
  at_most = 1,
  examples = {
    { "moonpost sim sim/orders.lua --seeds 1000", "a thousand worlds" },
    { "moonpost sim sim/orders.lua --seeds 1 --from 42 --envelopes", "one again, and all it said" },
  },
  run = function(flags)
    local file = flags[1]
    local seeds = number(flags, "seeds", flags.minutes and ALL or SEEDS)
    local from, minutes = number(flags, "from", 1), number(flags, "minutes", "")
    if not (seeds and from and minutes) then return USAGE end
    if shell.kind(file) ~= "file" then
      term.complain("sim", file .. ": no such file")
      return FAILED
    end
    local bar = shell.isatty "stderr" and "yes" or "no"
    local answer = shell.spec { args = { "--sim", file, tostring(seeds), tostring(from), tostring(minutes), bar,
      flags.envelopes and "yes" or "no" } }
    if answer.reason then term.complain("sim", answer.reason) end
    return answer.reason and BUG or answer.code
  end,
}
