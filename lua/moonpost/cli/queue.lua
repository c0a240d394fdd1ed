--- `moonpost queue`: mailboxes and outboxes; stop one from delivering, and let it go on.
local ask = require "moonpost.cli.ask"
local errors = require "moonpost.errors"
local json = require "moonpost.json"
local nearest = require "moonpost.nearest"
local queues = require "moonpost.cli.queues"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local USAGE, REFUSED = 2, 4

local function only(list, address)
  local kept = {}
  for _, queue in ipairs(list) do
    if not address or queue.address == address then kept[#kept + 1] = queue end
  end
  return kept
end

local function names_of(status)
  local names = {}
  for _, list in ipairs { status.mailboxes, status.outboxes } do
    for _, queue in ipairs(list) do names[queue.address] = true end
  end
  return names
end

local function print_json(mailboxes, outboxes)
  for _, list in ipairs { mailboxes, outboxes } do
    for _, queue in ipairs(list) do
      queue.kind = list == mailboxes and "mailbox" or "outbox"
      term.out(json.encode(queue))
    end
  end
end

local function list(self, flags)
  local address = flags[2]
  local status = self:get "status"
  local mailboxes, outboxes = only(status.mailboxes, address), only(status.outboxes, address)
  if address and #mailboxes + #outboxes == 0 then
    self:fail(("no mailbox or outbox %q here%s"):format(address, nearest.hint(address, names_of(status))), REFUSED)
  end
  if flags.json then return print_json(mailboxes, outboxes) end
  local any = queues.print(mailboxes, outboxes, function() term.out("") end)
  if not any then term.note("no mailboxes: this node serves no agent and holds no message") end
end

local SAYS = {
  pause = { "paused", "was paused already", "; it stores what comes, until: moonpost queue resume %s" },
  resume = { "resumed", "was not paused", "" },
}

local function set(verb)
  return function(self, flags)
    if not flags[2] then self:fail(("which one? moonpost queue %s ADDR"):format(verb), USAGE) end
    local answer = self:get(verb, { address = flags[2] })
    if flags.json then return term.out(json.encode(answer)) end
    local done, already, more = unpack(SAYS[verb])
    if not answer.changed then return term.out(("%s %s"):format(answer.address, already)) end
    local waiting = answer.waiting > 0 and (", %s waiting"):format(words.count(answer.waiting)) or ""
    term.out(("%s %s%s%s"):format(done, answer.address, waiting, more:format(answer.address)))
  end
end

local VERBS = { ls = list, pause = set "pause", resume = set "resume" }
local LATER = { peek = true, drain = true, purge = true }

local function refuse(verb)
  if LATER[verb] then
    term.complain("queue", ("UNSUPPORTED: %s: %s"):format(verb, errors.NOT_YET))
  else
    term.complain("queue", ("%q is none of ls, pause, resume%s"):format(verb, nearest.hint(verb, VERBS)))
  end
  return USAGE
end

return {
  name = "queue",
  usage = "queue ls|pause|resume [ADDR]",
  verbs = { "ls", "pause", "resume" },
  later_verbs = { "peek", "drain", "purge" },
  summary = "mailboxes and outboxes: list them, stop one, let it go on",
  details = [[
  A paused mailbox accepts and stores what comes, and hands nothing to its agent, also after a restart; handlers
  at work finish. Senders that wait for "handled" wait.]],
  flags = { ask.NODE, ask.JSON },
  at_least = 1,
  at_most = 2,
  examples = {
    { "moonpost queue ls", "all that this node holds" },
    { "moonpost queue pause mail@local", "deliver nothing to this agent" },
    { "moonpost queue resume mail@local", "and again" },
  },
  run = function(flags)
    local work = VERBS[flags[1]]
    if not work then return refuse(flags[1]) end
    return ask.run("queue", flags, work)
  end,
}
