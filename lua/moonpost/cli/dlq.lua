--- `moonpost dlq`: dead letters: which there are, why they died, and back with them.
local ask = require "moonpost.cli.ask"
local body_of = require "moonpost.cli.body"
local errors = require "moonpost.errors"
local json = require "moonpost.json"
local letter = require "moonpost.cli.letter"
local nearest = require "moonpost.nearest"
local shell = require "moonpost.shell"
local tables = require "moonpost.cli.table"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local USAGE, REFUSED = 2, 4
local PAGE_MAX = 1000
local SHOWN = 100

local COLUMNS = {
  { key = "id", head = "ID" },
  { key = "age", head = "DIED", right = true },
  { key = "address", head = "ADDRESS" },
  { key = "code", head = "CODE", optional = true },
  { key = "tries", head = "TRIES", right = true },
  { key = "reason", head = "REASON", flexible = true },
}

-- ---- which ones ----

local FILTERS = { "agent", "code", "reason", "since", "until" }

local function filters_of(flags)
  local filters, any = {}, false
  for _, name in ipairs(FILTERS) do
    local value = flags[name]
    filters[name] = value and (tonumber(value) or value)
    any = any or value ~= nil
  end
  for _, name in ipairs { "agent", "code", "reason" } do filters[name] = flags[name] end
  return filters, any
end

local function with(filters, more)
  local all = {}
  for name, value in pairs(filters) do all[name] = value end
  for name, value in pairs(more) do all[name] = value end
  return all
end

--- Call `each` with page after page, while it answers true.
local function pages(self, filters, limit, each)
  local after
  repeat
    local page = self:get("dead.list", with(filters, { limit = limit, after = after }))
    after = page.after
  until not each(page.items, after ~= nil) or not after
end

-- ---- ls ----

local function row_of(item)
  return {
    id = item.id,
    age = words.age(item.last_at),
    address = item.address .. (item.where == "outbox" and " (out)" or ""),
    code = item.code ~= "DEAD" and item.code or nil,
    tries = words.count(item.attempts),
    reason = item.reason,
  }
end

local function print_page(items, flags)
  if flags.json then
    for _, item in ipairs(items) do term.out(json.encode(item)) end
    return
  end
  local rows = {}
  for index, item in ipairs(items) do rows[index] = row_of(item) end
  tables.print(COLUMNS, rows)
end

local function none_text(any)
  return any and "no dead letter matches" or "no dead letters"
end

local function list(self, flags)
  local filters, any = filters_of(flags)
  local count = 0
  pages(self, filters, flags.all and PAGE_MAX or SHOWN, function(items, more)
    if #items > 0 then print_page(items, flags) end
    count = count + #items
    if more and not flags.all then
      term.note(("the oldest %d are shown; --all shows every one, --since 1h the newest"):format(count))
    end
    return flags.all
  end)
  if count == 0 and not flags.json then term.note(none_text(any)) end
end

-- ---- show ----

local function show(self, flags)
  if #flags < 2 then self:fail("which one? moonpost dlq show ID", USAGE) end
  for index = 2, #flags do
    local found = self:get("dead.show", { id = flags[index], agent = flags.agent })
    if index > 2 and not flags.json then term.out("") end
    if flags.json then term.out(json.encode(found)) else letter.print(found) end
  end
end

-- ---- requeue ----

--- What they get instead of their own, or an end.
local function changes_of(self, flags)
  local changes = { to = flags.to }
  if not flags.body then return changes end
  local body, reason = body_of.read(flags.body, flags.text)
  if reason then self:fail(reason, USAGE) end
  changes.body = body
  return changes
end

local function said(count, flags)
  local to = flags.to and (" to %s"):format(flags.to) or ""
  return ("requeued %s%s"):format(words.of(count, "dead letter"), to)
end

local function requeue_ids(self, flags, changes)
  local worst = 0
  for index = 2, #flags do
    local id = flags[index]
    local answer, reason, code = self:try("dead.requeue", with(changes, { id = id, agent = flags.agent }))
    if answer then
      if not flags.json then term.out(("requeued %s%s"):format(id, flags.to and " to " .. flags.to or "")) end
    else
      term.complain("dlq", code == "NOT_FOUND" and reason or ("%s: %s: %s"):format(id, code, reason))
      worst = REFUSED
    end
    if flags.json then
      term.out(json.encode { id = id, requeued = answer and answer.requeued or 0, code = code, reason = reason })
    end
  end
  return worst
end

--- What is about to go back: how many, of how many addresses.
local function count_of(self, filters)
  local count, addresses, kinds = 0, {}, 0
  pages(self, filters, PAGE_MAX, function(items)
    count = count + #items
    for _, item in ipairs(items) do
      if not addresses[item.address] then addresses[item.address], kinds = true, kinds + 1 end
    end
    return true
  end)
  return count, kinds == 1 and next(addresses) or ("%s addresses"):format(words.count(kinds))
end

local function agrees(self, question)
  if not (shell.isatty "stdin" and shell.isatty "stderr") then
    self:fail(question .. " Say --yes (or --dry to see which).", USAGE)
  end
  io.stderr:write(question, " [y/N] ")
  local answer = shell.read_line()
  if answer and answer:lower():find "^y" then return true end
  term.note("nothing was changed")
  return false
end

local function requeue_all(self, filters, flags, changes)
  local count, expired, after = 0, 0, nil
  repeat
    local answer = self:get("dead.requeue", with(with(filters, changes), { all = flags.all, after = after }))
    count, expired, after = count + answer.requeued, expired + answer.expired, answer.after
  until not after
  if flags.json then
    term.out(json.encode { requeued = count, expired = expired })
  else
    term.out(said(count, flags))
  end
  if expired > 0 then term.note(("%s stayed: nobody wants it any more"):format(words.of(expired, "expired one"))) end
end

local function dry(self, filters, flags)
  local count = 0
  pages(self, filters, PAGE_MAX, function(items)
    if #items > 0 then print_page(items, flags) end
    count = count + #items
    return true
  end)
  term.note(("%s would be requeued; nothing was changed"):format(words.of(count, "dead letter")))
end

local function requeue_chosen(self, flags, changes)
  local filters = filters_of(flags)
  filters["until"] = filters["until"] or os.time() + 1 -- not those that die again meanwhile
  if flags.dry then return dry(self, filters, flags) end
  local count, whose = count_of(self, filters)
  if count == 0 then return term.note(none_text(true)) end
  local question = ("Requeue %s of %s?"):format(words.of(count, "dead letter"), whose)
  if not flags.yes and not agrees(self, question) then return end
  return requeue_all(self, filters, flags, changes)
end

local function dry_ids(self, flags)
  for index = 2, #flags do
    print_page({ self:get("dead.show", { id = flags[index], agent = flags.agent }) }, flags)
  end
  term.note(("%s would be requeued; nothing was changed"):format(words.of(#flags - 1, "dead letter")))
end

local function requeue(self, flags)
  local _, filtered = filters_of(flags)
  local changes = changes_of(self, flags)
  if #flags > 1 then
    if flags.dry then return dry_ids(self, flags) end
    return requeue_ids(self, flags, changes)
  end
  if not filtered and not flags.all then
    self:fail("which ones? ids, a filter such as --agent ADDR, or --all", USAGE)
  end
  return requeue_chosen(self, flags, changes)
end

-- ---- the command ----

local VERBS = { ls = list, show = show, requeue = requeue }
local LATER = { rm = true }

local function refuse(verb)
  if LATER[verb] then
    term.complain("dlq", ("UNSUPPORTED: %s: %s"):format(verb, errors.NOT_YET))
  else
    term.complain("dlq", ("%q is none of ls, show, requeue%s"):format(verb, nearest.hint(verb, VERBS)))
  end
  return USAGE
end

return {
  name = "dlq",
  usage = "dlq ls|show|requeue [ID...]",
  verbs = { "ls", "show", "requeue" },
  later_verbs = { "rm" },
  summary = "dead letters: which there are, why they died, and back with them",
  details = [[
  A requeued message keeps its id and gets all its attempts anew. The filters choose what ls lists and, without
  IDs, what requeue takes; durations mean so long ago.]],
  flags = {
    { name = "agent", value = "ADDR", help = "of this address" },
    { name = "code", value = "CODE", help = "that died of this code" },
    { name = "reason", value = "TEXT", help = "with this in the reason" },
    { name = "since", value = "TIME", help = "that died since: 1h, or 2026-01-31T09:00:00Z" },
    { name = "until", value = "TIME", help = "that died before" },
    { name = "all", help = "ls: every one; requeue: all there are" },
    { name = "to", value = "ADDR", help = "requeue: to another address" },
    { name = "body", value = "BODY", help = "requeue: with another body (JSON, text or @FILE)" },
    { name = "text", help = "requeue: the body is text, also when it looks like JSON" },
    { name = "dry", help = "requeue: only show which" },
    { name = "yes", help = "requeue by filter: do not ask" },
    { name = "edit", help = "", not_yet = true },
    { name = "rate", value = "RATE", help = "", not_yet = true },
    ask.NODE,
    { name = "json", help = "a JSON object a line" },
  },
  at_least = 1,
  examples = {
    { "moonpost dlq ls --agent mail@local --since 1h", "what died in the last hour" },
    { "moonpost dlq show 01JD2YVK3V5Z2J1X8Q6K4T0M9F", "the message, and each failure with its traceback" },
    { "moonpost dlq requeue --code REJECTED --dry", "which would go back" },
  },
  run = function(flags)
    local work = VERBS[flags[1]]
    if not work then return refuse(flags[1]) end
    return ask.run("dlq", flags, work)
  end,
}
