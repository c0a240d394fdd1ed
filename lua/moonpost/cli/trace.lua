--- `moonpost trace`: the life of one message, as far as the node knows it.
local ask = require "moonpost.cli.ask"
local facts = require "moonpost.cli.facts"
local json = require "moonpost.json"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local REFUSED = 4

-- ---- steps: facts that are remembered, and failures that are kept with the message ----

local function step_of(failure, place)
  local died = failure.attempt == 0
  return { at = failure.at, fact = died and "dead" or "failed", attempt = failure.attempt, code = failure.code,
    reason = failure.reason, address = place.address, kept = true }
end

local function key_of(step)
  local fact = (step.fact == "retrying" or step.fact == "timed_out") and "failed" or step.fact
  return ("%s %d %.3f"):format(fact, fact == "dead" and 0 or step.attempt or 0, step.at)
end

--- Both, by time; what is remembered says more than what is kept.
local function steps_of(trace)
  local steps, known = {}, {}
  for _, fact in ipairs(trace.facts) do
    steps[#steps + 1] = fact
    known[key_of(fact)] = true
    if fact.fact == "dead" then known[("failed %d %.3f"):format(fact.attempt or 0, fact.at)] = true end
  end
  for _, place in ipairs(trace.places) do
    for _, failure in ipairs(place.failures) do
      local step = step_of(failure, place)
      if not known[key_of(step)] then steps[#steps + 1] = step end
    end
  end
  for index, step in ipairs(steps) do step.order = index end
  table.sort(steps, function(left, right)
    if left.at ~= right.at then return left.at < right.at end
    return left.order < right.order
  end)
  return steps
end

-- ---- where it is ----

local function due_text(place)
  if not place.due_at then return "" end
  local left = place.due_at - require("moonpost").now()
  return left > 0 and (" in %s"):format(words.wait(left)) or " now"
end

local STATES = {
  mailbox = {
    waiting = function(place) return place.paused and "waits in its paused mailbox" or "waits for its handler" end,
    leased = function(place) return ("is in its handler's hands, attempt %d"):format(place.attempts) end,
    deferred = function(place) return "is delivered" .. (place.attempts > 0 and " again" or "") .. due_text(place) end,
    blocked = function() return "waits for the end of another message with the same key" end,
    dead = function() return "is a dead letter; see: moonpost dlq show %s" end,
  },
  outbox = {
    committing = function() return "is being stored, and then sent" end,
    waiting = function() return "waits in the outbox for a link" end,
    leased = function(place)
      return ("is on its way over %s, transmission %d"):format(place.link or "a link", place.transmissions)
    end,
    deferred = function(place) return "is sent again" .. due_text(place) end,
    awaiting = function() return "is stored by its owner, and not handled yet" end,
    dead = function() return "is a dead letter of this sender; see: moonpost dlq show %s" end,
  },
}

local function lane_text(place)
  if not place.number then return "" end
  return ("  number %d of its lane"):format(place.number)
end

local function place_line(place, id)
  local say = STATES[place.where][place.state]
  local text = say and say(place):format(id) or "is " .. place.state
  local expires = place.expires_at and ("  expires %s"):format(words.moment(place.expires_at)) or ""
  return ("%s  %s  %s%s%s"):format(term.styled("bold", "now"), place.address, text, lane_text(place), expires)
end

-- ---- what is not known ----

local ENDS = { handled = true, dead = true, expired = true, nacked = true, acked = true, dropped = true,
  removed = true, purged = true }

local function has_end(steps)
  for _, step in ipairs(steps) do
    if ENDS[step.fact] then return true end
  end
  return false
end

local function memory_text(trace)
  local remembered = trace.remembered
  if not remembered.since then
    return "node " .. trace.node .. " remembers all that happened since its start"
  end
  return ("node %s remembers its last %s facts, since %s; what was settled before is no longer known"):format(
    trace.node, words.count(remembered.facts), words.moment(remembered.since))
end

local function show_unknown(trace, steps)
  if #trace.places == 0 and not has_end(steps) and #steps > 0 then
    term.note("it is not here any more, and how it ended is not remembered")
  end
  if trace.unread > 0 and #trace.places == 0 then
    term.note(("%s wait in the store only and were not looked at; it may be among them"):format(
      words.of(trace.unread, "message")))
  end
  if trace.remembered.since then term.note(memory_text(trace)) end
end

local function show(trace)
  local steps = steps_of(trace)
  local address = (trace.places[1] or {}).address
  for _, step in ipairs(steps) do address = address or step.address end
  term.out(("%s  %s"):format(term.styled("bold", trace.id), address or ""))
  for _, step in ipairs(steps) do
    local elsewhere = step.address and step.address ~= address
    term.out("  " .. facts.line(step) .. (elsewhere and "  at " .. step.address or ""))
  end
  for _, place in ipairs(trace.places) do term.out("  " .. place_line(place, trace.id)) end
  show_unknown(trace, steps)
end

local function not_known(self, trace)
  local more = trace.unread > 0 and (", unless it is one of %s that wait in the store only"):format(
    words.of(trace.unread, "message")) or ""
  self:fail(("no message %s in a mailbox, an outbox or the dead letters%s\n%s"):format(trace.id, more,
    memory_text(trace)), REFUSED)
end

return {
  name = "trace",
  usage = "trace ID",
  summary = "the life of one message, as far as the node knows it",
  details = [[
  Where it is (mailbox, outbox, dead letters), the failures that are kept with it, and what the node still
  remembers of it: the latest facts about all messages are remembered, and not those before.]],
  flags = { ask.NODE, ask.JSON },
  at_least = 1,
  at_most = 1,
  examples = { { "moonpost trace 01JD8Q2V5N0000000000000000", "from stored to handled" } },
  run = function(flags)
    return ask.run("trace", flags, function(self)
      local trace = self:get("trace", { id = flags[1] })
      if flags.json then return term.out(json.encode(trace)) end
      if #trace.places == 0 and #trace.facts == 0 then not_known(self, trace) end
      show(trace)
    end)
  end,
}
