--- `moonpost queue`: mailboxes and outboxes: what they hold, what they take and what they hand over.
local ask = require "moonpost.cli.ask"
local hold = require "moonpost.cli.hold"
local json = require "moonpost.json"
local nearest = require "moonpost.nearest"
local peek = require "moonpost.cli.peek"
local purge = require "moonpost.cli.purge"
local queues = require "moonpost.cli.queues"
local term = require "moonpost.cli.term"

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

local VERBS = {
  ls = list, peek = peek, pause = hold.pause, drain = hold.drain, resume = hold.resume, purge = purge,
}

local function run(flags)
  local verb = flags[1]
  if verb ~= "ls" and not flags[2] then
    term.complain("queue", ("which one? moonpost queue %s ADDR"):format(verb))
    return USAGE
  end
  return ask.run("queue", flags, VERBS[verb])
end

return {
  name = "queue",
  usage = "queue ls|peek|pause|drain|resume|purge [ADDR]",
  verbs = { "ls", "peek", "pause", "drain", "resume", "purge" },
  summary = "mailboxes and outboxes: list them, look in, stop one, let it go on, empty it",
  details = [[
  peek shows messages as they wait, and changes nothing. A paused mailbox accepts and stores what comes, and hands
  nothing to its agent; handlers at work finish. One that is drained is the opposite: it takes nothing new (senders
  hear STOPPING and come again), and the command ends when what was there is handled. Both last over restarts, until
  resume. purge removes what waits or is deferred, not what is in hand and not dead letters; senders that wait for
  "handled" are told PURGED.]],
  flags = {
    { name = "state", value = "STATE", help = "peek: only waiting, deferred, leased, blocked or dead ones",
      choices = { "waiting", "deferred", "leased", "blocked", "parked", "dead", "awaiting" } },
    { name = "limit", value = "N", help = "peek: so many, 20 otherwise" },
    { name = "after", value = "N", help = "peek: go on there" },
    { name = "yes", help = "purge: do not ask" },
    ask.NODE,
    ask.JSON,
  },
  at_least = 1,
  at_most = 2,
  examples = {
    { "moonpost queue ls", "all that this node holds" },
    { "moonpost queue peek mail@local --limit 5", "the oldest 5 messages of one" },
    { "moonpost queue pause mail@local", "deliver nothing to this agent" },
    { "moonpost queue drain mail@local", "take nothing new, wait until it is empty" },
    { "moonpost queue resume mail@local", "and again" },
  },
  run = run,
}
