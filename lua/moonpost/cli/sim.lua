--- `moonpost sim`: a user's own agents in many worlds with faults.
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local USAGE, FAILED, BUG = 2, 1, 70
local SEEDS, ALL = 100, 2 ^ 31

local function number(flags, name, default)
  local value = flags[name]
  if value == nil then return default end
  if tonumber(value) and tonumber(value) >= 0 then return tonumber(value) end
  term.complain("sim", ("--%s: %q is not a number"):format(name, value))
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
  },
  at_least = 1,
  at_most = 1,
  examples = {
    { "moonpost sim sim/orders.lua --seeds 1000", "a thousand worlds" },
    { "moonpost sim sim/orders.lua --seeds 1 --from 42", "one again" },
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
    local answer = shell.spec { args = { "--sim", file, tostring(seeds), tostring(from), tostring(minutes), bar } }
    if answer.reason then term.complain("sim", answer.reason) end
    return answer.reason and BUG or answer.code
  end,
}
