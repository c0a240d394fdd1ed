--- `moonpost queue peek`: messages as they wait.
local json = require "moonpost.json"
local tables = require "moonpost.cli.table"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local USAGE = 2
local SHOWN, PAGE_MAX = 20, 256

local COLUMNS = {
  { key = "id", head = "ID" },
  { key = "state", head = "STATE" },
  { key = "tries", head = "TRIES", right = true },
  { key = "age", head = "CAME", right = true },
  { key = "due", head = "DUE", right = true, optional = true },
  { key = "from", head = "FROM", spare = true },
  { key = "method", head = "METHOD", optional = true, spare = true },
  { key = "key", head = "KEY", optional = true, spare = true },
  { key = "failure", head = "FAILED", optional = true, below = true },
  { key = "body", head = "BODY", below = true },
}

local function body_text(item)
  if item.body_left_out then return ("(%s; %s)"):format(words.size(item.bytes), item.body_left_out) end
  if type(item.body) == "string" then return item.body end
  return json.encode(item.body)
end

local function row_of(item)
  return {
    id = item.id,
    state = item.state,
    tries = words.count(item.attempts),
    age = words.ago(item.first_at),
    due = item.due_at and words.ahead(item.due_at),
    from = item.from,
    method = item.method,
    key = item.key,
    failure = item.reason and ("%s: %s"):format(item.code, item.reason),
    body = body_text(item),
  }
end

local function number_of(self, flags, name, least)
  local text = flags[name]
  if not text then return nil end
  local number = tonumber(text)
  if number and number >= least and number % 1 == 0 then return number end
  return self:fail(("--%s: %q is not a whole number from %d"):format(name, text, least), USAGE)
end

local function collect(self, flags, limit, after)
  local items = {}
  repeat
    local page = self:get("peek", { address = flags[2], state = flags.state, after = after,
      limit = math.min(limit - #items, PAGE_MAX) })
    for _, item in ipairs(page.items) do items[#items + 1] = item end
    after = page.after
  until not after or #items >= limit
  return items, after
end

local function print_items(items, flags)
  if flags.json then
    for _, item in ipairs(items) do term.out(json.encode(item)) end
    return
  end
  local rows = {}
  for index, item in ipairs(items) do rows[index] = row_of(item) end
  if #rows > 0 then tables.print(COLUMNS, rows) end
end

return function(self, flags)
  local limit, after = number_of(self, flags, "limit", 1) or SHOWN, number_of(self, flags, "after", 0)
  local items, more = collect(self, flags, limit, after)
  print_items(items, flags)
  if more then
    term.note(("there are more: --limit N shows N, --after %d goes on"):format(more))
  elseif #items == 0 and not flags.json then
    term.note(("nothing %s in %s"):format(flags.state or "waits", flags[2]))
  end
end
