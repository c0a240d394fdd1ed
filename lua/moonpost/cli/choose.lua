--- `moonpost choose`: which profile, by three questions.
local json = require "moonpost.json"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local USAGE = 2

-- Asked in this order, until one answer decides. `yes` and `no` name what is chosen; nil: ask on.
local QUESTIONS = {
  { flag = "may-lose", text = "May a message be lost now and then?", yes = "at-most-once" },
  { flag = "idempotent", text = "Does it do no harm when a message is handled twice?", yes = "at-least-once" },
  { flag = "outside", text = "Does the handler change things outside (a database, a mail, a payment)?",
    yes = "dedup", no = "exactly-once" },
}

local ADVICE = {
  ["at-most-once"] = {
    profile = "at-most-once",
    why = "nothing is stored and nothing is sent again: the fastest, for what the next message replaces anyway",
    config = 'send = { profile = "at-most-once" }   -- node.lua; or { profile = "at-most-once" } of one send',
    fits = "metrics, positions, presence",
  },
  ["at-least-once"] = {
    profile = "at-least-once",
    why = "stored before it is confirmed, sent again until then; what comes twice does no harm here",
    config = "-- nothing to set: this is the default",
    fits = "most work: caches, indexes, anything that sets a value",
  },
  dedup = {
    profile = "at-least-once",
    why = "what a handler does outside cannot be in the commit, so it may be done and its message come again after a "
      .. "crash: give the outside ctx:id_for(…) as its idempotency key, and let the agent recognise resends",
    config = 'dedup = { ttl = "24h" }   -- the agent; messages with one id are the same',
    fits = "mails, payments, calls of other services",
  },
  ["exactly-once"] = {
    profile = "exactly-once",
    why = "all that the handler does is in the commit (ctx.state, ctx.kv, ctx:send): resends are recognised by their "
      .. "number",
    config = 'profile = "exactly-once"   -- the agent, and { profile = "exactly-once" } of its senders',
    fits = "accounts, counters, stock, steps of a process between agents",
  },
}

local function read_answer(text)
  local word = text and text:lower():match "^%s*(%a+)%s*$"
  if word == "y" or word == "yes" then return true end
  if word == "n" or word == "no" then return false end
  return nil
end

local function ask(question)
  while true do
    io.stderr:write(question.text, " [y/n] ")
    local line = io.stdin:read "*l"
    if line == nil then return nil end
    local answer = read_answer(line)
    if answer ~= nil then return answer end
    term.note "please answer y or n"
  end
end

local function answer_to(question, options)
  local given = options[(question.flag:gsub("-", "_"))]
  if given ~= nil then
    local answer = read_answer(given)
    if answer == nil then return nil, ("--%s: %q is neither yes nor no"):format(question.flag, given) end
    return answer
  end
  if not shell.isatty "stdin" then
    return nil, ("nobody can be asked here; say --%s yes or --%s no"):format(question.flag, question.flag)
  end
  local answer = ask(question)
  if answer == nil then return nil, "no answer" end
  return answer
end

local function decide(options)
  for _, question in ipairs(QUESTIONS) do
    local answer, reason = answer_to(question, options)
    if answer == nil then return nil, reason end
    local chosen = question[answer and "yes" or "no"]
    if chosen then return ADVICE[chosen] end
  end
end

local function run(options)
  local advice, reason = decide(options)
  if not advice then
    term.complain("choose", reason)
    return USAGE
  end
  if options.json then
    term.out(json.encode(advice))
    return 0
  end
  term.out(term.styled("bold", advice.profile))
  term.out("  because  " .. advice.why)
  term.out("  set      " .. advice.config)
  term.out("  fits     " .. advice.fits)
  term.note "\nmore: docs/guarantees.md; what it costs here: moonpost bench --compare-profiles"
  return 0
end

local YES_NO = { "yes", "no" }

return {
  name = "choose",
  usage = "choose",
  summary = "which profile: three questions, and what to set",
  details = "  Asks on a terminal; elsewhere the flags answer. The first answer that decides ends it.",
  flags = {
    { name = "may-lose", value = "yes|no", help = "a message may be lost now and then", choices = YES_NO },
    { name = "idempotent", value = "yes|no", help = "handling a message twice does no harm", choices = YES_NO },
    { name = "outside", value = "yes|no", help = "the handler changes things outside", choices = YES_NO },
    { name = "json", help = "one JSON object" },
  },
  at_most = 0,
  examples = {
    { "moonpost choose", "asks" },
    { "moonpost choose --may-lose no --idempotent no --outside yes", "for a script" },
  },
  run = run,
}
