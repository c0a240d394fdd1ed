--- `moonpost dlq`: dead letters: which there are, why they died, and back with them, or away.
local ask = require "moonpost.cli.ask"
local body_of = require "moonpost.cli.body"
local confirm = require "moonpost.cli.confirm"
local edit = require "moonpost.cli.edit"
local json = require "moonpost.json"
local letter = require "moonpost.cli.letter"
local letters = require "moonpost.cli.letters"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local USAGE, REFUSED = 2, 4
local SHOWN = 100

-- ---- ls ----

local function list(self, flags)
  local filters, any = letters.filters(flags)
  local count = 0
  letters.pages(self, filters, flags.all and letters.PAGE_MAX or SHOWN, function(items, more)
    letters.print(items, flags.json)
    count = count + #items
    if more and not flags.all then
      term.note(("the oldest %d are shown; --all shows every one, --since 1h the newest"):format(count))
    end
    return flags.all
  end)
  if count == 0 and not flags.json then letters.note_none(any) end
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

-- ---- what requeue and rm share ----

-- Each is { method, done ("requeued"), ask ("Requeue"), counted (the answer's field) }.
local REQUEUE = { method = "dead.requeue", done = "requeued", ask = "Requeue", counted = "requeued" }
local REMOVE = { method = "dead.remove", done = "removed", ask = "Remove, for ever,", counted = "removed" }

local function target_text(flags)
  return flags.to and (" to %s"):format(flags.to) or ""
end

local function change_ids(self, flags, work, changes)
  local worst = 0
  for index = 2, #flags do
    local id = flags[index]
    local answer, reason, code = self:try(work.method, letters.with(changes, { id = id, agent = flags.agent,
      ahead = changes.rate and index - 2 or nil }))
    if answer then
      if not flags.json then term.out(("%s %s%s"):format(work.done, id, target_text(flags))) end
    else
      term.complain("dlq", code == "NOT_FOUND" and reason or ("%s: %s: %s"):format(id, code, reason))
      worst = REFUSED
    end
    if flags.json then
      local count = answer and answer[work.counted] or 0
      term.out(json.encode { id = id, [work.counted] = count, code = code, reason = reason })
    end
  end
  return worst
end

-- Page by page, so that no batch is too large.
local function change_all(self, filters, flags, work, changes)
  local count, expired, after = 0, 0, nil
  repeat
    local answer = self:get(work.method, letters.with(letters.with(filters, changes),
      { all = flags.all, after = after, ahead = changes.rate and count or nil }))
    count, expired, after = count + answer[work.counted], expired + (answer.expired or 0), answer.after
  until not after
  if flags.json then
    term.out(json.encode { [work.counted] = count, expired = work == REQUEUE and expired or nil })
  else
    local rate = changes.rate and (", %s"):format(changes.rate) or ""
    term.out(("%s %s%s%s"):format(work.done, words.of(count, "dead letter"), target_text(flags), rate))
  end
  if expired > 0 then term.note(("%s stayed: nobody wants it any more"):format(words.of(expired, "expired one"))) end
end

local function note_dry(count, work)
  term.note(("%s would be %s; nothing was changed"):format(words.of(count, "dead letter"), work.done))
end

local function dry(self, filters, flags, work)
  local count = 0
  letters.pages(self, filters, letters.PAGE_MAX, function(items)
    letters.print(items, flags.json)
    count = count + #items
    return true
  end)
  note_dry(count, work)
end

local function dry_ids(self, flags, work)
  for index = 2, #flags do
    letters.print({ self:get("dead.show", { id = flags[index], agent = flags.agent }) }, flags.json)
  end
  note_dry(#flags - 1, work)
end

local function change_chosen(self, flags, work, changes)
  local filters, any = letters.filters(flags)
  if not any and not flags.all then
    self:fail("which ones? ids, a filter such as --agent ADDR, or --all", USAGE)
  end
  filters["until"] = filters["until"] or os.time() + 1 -- not those that die again meanwhile
  if flags.dry then return dry(self, filters, flags, work) end
  local count, whose = letters.count(self, filters)
  if count == 0 then return letters.note_none(true) end
  local question = ("%s %s of %s?"):format(work.ask, words.of(count, "dead letter"), whose)
  if not confirm(self, question, flags, "--dry to see which") then return end
  return change_all(self, filters, flags, work, changes)
end

local function change(self, flags, work, changes)
  if #flags == 1 then return change_chosen(self, flags, work, changes) end
  if flags.dry then return dry_ids(self, flags, work) end
  return change_ids(self, flags, work, changes)
end

-- ---- requeue ----

local function check_flags(self, flags)
  if flags.body and flags.edit then self:fail("--body and --edit: one of them", USAGE) end
  if flags.edit and #flags ~= 2 then self:fail("--edit: of one letter: moonpost dlq requeue ID --edit", USAGE) end
end

--- What they get instead of their own, or an end.
local function changes_of(self, flags)
  local changes = { to = flags.to, rate = flags.rate }
  if not flags.body then return changes end
  local body, reason = body_of.read_strictly(flags.body, flags.text)
  if reason then self:fail("--body: " .. reason, USAGE) end
  changes.body = body
  return changes
end

--- The body as the user leaves it. However long that takes, the node is asked anew then.
local function edited(self, flags)
  local found = self:get("dead.show", { id = flags[2], agent = flags.agent })
  if found.body_left_out then
    self:fail(("--edit: %s; --body @FILE gives another"):format(found.body_left_out), REFUSED)
  end
  local body, reason, changed = edit(found.body)
  if reason then self:fail("--edit: " .. reason, REFUSED) end
  self:connect_again(flags)
  if not changed and not confirm(self, ("Nothing was changed. Requeue %s as it is?"):format(found.id), flags) then
    return nil
  end
  if not changed then body = nil end
  return body, true
end

local function requeue(self, flags)
  check_flags(self, flags)
  local changes = changes_of(self, flags)
  if flags.edit and not flags.dry then
    local body, go_on = edited(self, flags)
    if not go_on then return REFUSED end
    changes.body = body
  end
  return change(self, flags, REQUEUE, changes)
end

-- ---- rm ----

local function remove(self, flags)
  if #flags > 1 and not flags.dry then
    local question = ("Remove %s, for ever?"):format(words.of(#flags - 1, "dead letter"))
    if not confirm(self, question, flags, "--dry to see which") then return end
  end
  return change(self, flags, REMOVE, {})
end

-- ---- the command ----

local CHOOSING = { "ls", "requeue", "rm" }
local VERBS = { ls = list, show = show, requeue = requeue, rm = remove }

return {
  name = "dlq",
  usage = "dlq ls|show|requeue|rm [ID...]",
  verbs = {
    { name = "ls", summary = "which there are, the oldest first",
      details = "  The filters choose; a time that is a duration means so long ago.",
      examples = {
        { "moonpost dlq ls --agent mail@local --since 1h", "what died in the last hour" },
        { "moonpost dlq ls --reason timeout --json", "for programs" },
      } },
    { name = "show", usage = "ID...", summary = "the message, and each failure with its traceback",
      details = "  --agent says which, when several agents have dead letters of one id.",
      examples = { { "moonpost dlq show 01JD2YVK3V5Z2J1X8Q6K4T0M9F", "why it died" } } },
    { name = "requeue", usage = "[ID...]", summary = "another try: of IDs, of what filters choose, or of --all",
      examples = { { "moonpost dlq requeue --code REJECTED --dry", "which would go back" } } },
    { name = "rm", usage = "[ID...]", summary = "away for ever: IDs, what filters choose, or --all",
      examples = { { "moonpost dlq rm --until 30d", "what died more than 30 days ago" } } },
  },
  summary = "dead letters: why they died, another try, or away",
  details = "  A requeued message keeps its id and gets all its attempts anew.",
  flags = {
    { name = "agent", value = "ADDR", help = "of this address" },
    { name = "code", value = "CODE", verbs = CHOOSING, help = "that died of this code, or whose last attempt did" },
    { name = "reason", value = "TEXT", verbs = CHOOSING, help = "with this in the reason" },
    { name = "since", value = "TIME", verbs = CHOOSING, help = "that died since: 1h, or 2026-01-31T09:00:00Z" },
    { name = "until", value = "TIME", verbs = CHOOSING, help = "that died before" },
    { name = "all", verbs = CHOOSING, help = "every one" },
    { name = "to", value = "ADDR", verbs = { "requeue" }, help = "to another address" },
    { name = "body", value = "BODY", verbs = { "requeue" }, help = "with another body (JSON, text or @FILE)" },
    { name = "text", verbs = { "requeue" }, help = "the body is text, also when it looks like JSON" },
    { name = "edit", verbs = { "requeue" }, help = "edit the body of one letter first ($VISUAL, $EDITOR)" },
    { name = "rate", value = "RATE", verbs = { "requeue" },
      help = "10/s, 100/m: one after another, also over a restart" },
    { name = "dry", verbs = { "requeue", "rm" }, help = "only show which" },
    { name = "yes", verbs = { "requeue", "rm" }, help = "do not ask" },
    ask.NODE,
    { name = "json", help = "a JSON object a line" },
  },
  at_least = 1,
  examples = {
    { "moonpost dlq ls --agent mail@local --since 1h", "what died in the last hour" },
    { "moonpost dlq show 01JD2YVK3V5Z2J1X8Q6K4T0M9F", "why it died" },
    { "moonpost dlq requeue --all --rate 10/s", "all of them, not at once" },
  },
  run = function(flags) return ask.run("dlq", flags, VERBS[flags[1]]) end,
}
