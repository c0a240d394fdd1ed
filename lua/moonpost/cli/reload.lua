--- `moonpost reload`: agents are loaded again while they run.
local ask = require "moonpost.cli.ask"
local json = require "moonpost.json"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local FAILED = 1

local function in_flight(item)
  if item.in_flight == 0 then return "" end
  return (", %s in flight %s on %d"):format(words.count(item.in_flight), item.in_flight == 1 and "ends" or "end",
    item.before)
end

local SAYS = {
  reloaded = function(item)
    return ("%s generation %d -> %d%s, in %d ms"):format(item.address, item.before, item.after, in_flight(item),
      item.took_ms)
  end,
  starting = function(item)
    return ("%s generation %d: on.start waits; it replaces %d when that has ended (see the node's log)")
      :format(item.address, item.after, item.before)
  end,
  checked = function(item) return ("%s would be reloaded; nothing was changed"):format(item.address) end,
  unchanged = function(item)
    return ("%s generation %d: its files have not changed"):format(item.address, item.before)
  end,
  new = function(item) return ("%s is new, from %s"):format(item.address, item.file) end,
}

local function refusal(item)
  if not item.address then return "REFUSED: " .. item.reason end
  return ("%s REFUSED, generation %d keeps running\n  %s"):format(item.address, item.before, item.reason)
end

local function show(item)
  if item.result == "refused" then return term.note(refusal(item)) end
  term.out(SAYS[item.result](item))
end

local function reload(self, flags, address)
  local answer = self:get("reload", { address = address, dry = flags.dry })
  for _, item in ipairs(answer.items) do
    if flags.json then term.out(json.encode(item)) else show(item) end
  end
  if answer.left_out > 0 then term.note(("%s more are left out"):format(words.count(answer.left_out))) end
  if #answer.items == 0 and not flags.json then term.note("no agents: there is nothing to reload") end
  return answer.refused > 0
end

local function all(self, flags)
  if #flags == 0 then return reload(self, flags) end
  local failed = false
  for _, address in ipairs(flags) do failed = reload(self, flags, address) or failed end
  return failed
end

return {
  name = "reload",
  usage = "reload [ADDR...]",
  summary = "load agents again while they run",
  details = [[
  Without ADDR: all agents whose files (their own, project modules, policies) have changed, and new ones.
  Handlers in flight end on the generation that began them, the next delivery runs on the new one. What does not
  load, or raises in on.start, is refused with file and line, and the one before goes on: exit code 1. --dry
  loads and checks all of them without on.start. Settings and hooks are read at the next start.]],
  flags = {
    ask.NODE, ask.JSON,
    { name = "dry", help = "load and check, change nothing" },
    { name = "to", value = "GEN", help = "", not_yet = true },
    { name = "reschedule", help = "", not_yet = true },
  },
  at_most = 64,
  examples = {
    { "moonpost reload", "what has changed" },
    { "moonpost reload mail@local", "this agent, changed or not" },
    { "moonpost reload --dry", "would it work?" },
  },
  run = function(flags)
    return ask.run("reload", flags, function(self) return all(self, flags) and FAILED or 0 end)
  end,
}
