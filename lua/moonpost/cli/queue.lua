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
  verbs = {
    { name = "ls", usage = "[ADDR]", summary = "mailboxes and outboxes, and how much is in each",
      examples = { { "moonpost queue ls mail@local --json", "one, for programs" } } },
    { name = "peek", usage = "ADDR", summary = "messages as they wait; changes nothing",
      examples = {
        { "moonpost queue peek mail@local --limit 5", "the oldest 5" },
        { "moonpost queue peek mail@local --state deferred", "those to be tried later" },
      } },
    { name = "pause", usage = "ADDR", summary = "take and store what comes, hand over nothing",
      details = "  Handlers at work finish. It lasts over restarts, until resume.",
      examples = { { "moonpost queue pause mail@local", "while the mail server is away" } } },
    { name = "drain", usage = "ADDR", summary = "take nothing new, hand over what is there",
      details = [[
  Senders hear STOPPING and come again. The command ends when what was there is handled. It lasts over restarts, until
  resume.]],
      examples = { { "moonpost queue drain mail@local", "before its agent moves elsewhere" } } },
    { name = "resume", usage = "ADDR", summary = "both again",
      examples = { { "moonpost queue resume mail@local", "after pause or drain" } } },
    { name = "purge", usage = "ADDR", summary = "away with what waits, for ever",
      details = [[
  What waits and what is deferred; not what is in hand, and not dead letters. Senders that wait for "handled" are told
  PURGED.]],
      examples = { { "moonpost queue purge mail@local --yes", "without a question" } } },
  },
  summary = "mailboxes and outboxes: look in, stop one, go on, empty it",
  flags = {
    { name = "state", value = "STATE", verbs = { "peek" },
      help = "only waiting, deferred, leased, blocked or dead ones",
      choices = { "waiting", "deferred", "leased", "blocked", "parked", "dead", "awaiting" } },
    { name = "limit", value = "N", verbs = { "peek" }, help = "so many, 20 otherwise" },
    { name = "after", value = "N", verbs = { "peek" }, help = "go on there" },
    { name = "yes", verbs = { "purge" }, help = "do not ask" },
    ask.NODE,
    ask.JSON,
  },
  at_least = 1,
  at_most = 2,
  examples = {
    { "moonpost queue ls", "all that this node holds" },
    { "moonpost queue peek mail@local --limit 5", "the oldest 5 messages of one" },
    { "moonpost queue pause mail@local", "deliver nothing to this agent" },
  },
  run = run,
}
