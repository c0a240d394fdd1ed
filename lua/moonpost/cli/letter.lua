--- One dead letter, for people: what it was, and what it went through.
local json = require "moonpost.json"
local sorted_pairs = require "moonpost.sorted_pairs"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local letter = {}

local ENDS = { mailbox = "could not be handled here", outbox = "could not be sent from here" }

local function body_text(item)
  if item.body_left_out then return ("(%s; %s)"):format(words.size(item.bytes), item.body_left_out) end
  if type(item.body) == "string" then return item.body end
  return json.encode(item.body)
end

local function headers_text(headers)
  local parts = {}
  for name, value in sorted_pairs(headers or {}) do parts[#parts + 1] = ("%s=%s"):format(name, value) end
  return #parts > 0 and table.concat(parts, "  ") or nil
end

local function facts_of(item)
  local end_text = item.where == "outbox" and item.code == "IN_DOUBT" and "sent, but nobody knows what became of it"
    or ENDS[item.where]
  return {
    { "died", ("%s ago (%s)"):format(words.age(item.last_at), words.moment(item.last_at)) },
    { "of", ("%s: %s"):format(item.code, item.reason) },
    { "where", end_text },
    { "attempts", ("%s  first %s  last %s"):format(words.count(item.attempts), words.time(item.first_at),
      words.time(item.last_at)) },
    { "from", ("%s  %s"):format(item.from, item.profile) },
    { "requeued", item.requeues > 0 and words.of(item.requeues, "time") or nil },
    { "expires", item.expires_at and words.moment(item.expires_at) or nil },
    { "method", item.method },
    { "key", item.key },
    { "headers", headers_text(item.headers) },
    { "body", body_text(item) },
  }
end

-- Calls of the library, which tell a script's author nothing.
local function is_ours(line)
  return line:find "^moonpost%." or line:find "^%[C%]: in function 'xpcall'" or line == "stack traceback:"
end

local function print_traceback(traceback)
  for line in traceback:gmatch "[^\n]+" do
    line = line:gsub("^%s+", "")
    if not is_ours(line) then term.out(term.styled("dim", "     " .. line)) end
  end
end

local function print_failure(failure, before)
  term.out(("  %d  %s  %s"):format(failure.attempt, words.time(failure.at),
    term.styled("red", ("%s: %s"):format(failure.code, failure.error))))
  if not failure.traceback then return end
  if before and before.traceback == failure.traceback then
    term.out(term.styled("dim", "     there as before"))
  else
    print_traceback(failure.traceback)
  end
end

--- Print it.
---@param item table as dead.show answers it
function letter.print(item)
  local rows = {}
  for _, fact in ipairs(facts_of(item)) do
    if fact[2] ~= nil then rows[#rows + 1] = fact end
  end
  term.out(("%s  %s"):format(term.styled("bold", item.id), item.address))
  term.out(term.columns(rows))
  if #item.failures > 0 then term.out("") end
  for index, failure in ipairs(item.failures) do print_failure(failure, item.failures[index - 1]) end
end

return letter
