--- Dead letters chosen by what they have in common, and printed as a table.
local json = require "moonpost.json"
local tables = require "moonpost.cli.table"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local letters = {}

--- Of a page, at most.
letters.PAGE_MAX = 1000

local FILTERS = { "agent", "code", "reason", "since", "until" }
local MOMENTS = { since = true, ["until"] = true }

local COLUMNS = {
  { key = "id", head = "ID" },
  { key = "age", head = "DIED", right = true },
  { key = "address", head = "ADDRESS", flexible = true },
  { key = "code", head = "CODE", optional = true },
  { key = "tries", head = "TRIES", right = true },
  { key = "reason", head = "REASON", below = true },
}

--- The filters of a command line, and whether there is any.
---@param flags table
---@return table filters
---@return boolean any
function letters.filters(flags)
  local filters, any = {}, false
  for _, name in ipairs(FILTERS) do
    local value = flags[name]
    filters[name] = value and MOMENTS[name] and tonumber(value) or value
    any = any or value ~= nil
  end
  return filters, any
end

--- All fields of two tables.
---@param filters table
---@param more table
---@return table
function letters.with(filters, more)
  local all = {}
  for name, value in pairs(filters) do all[name] = value end
  for name, value in pairs(more) do all[name] = value end
  return all
end

--- Call `each` with page after page, while it answers true.
---@param self moonpost.cli.Ask
---@param filters table
---@param limit integer
---@param each fun(items: table[], more: boolean): boolean|nil
function letters.pages(self, filters, limit, each)
  local after
  repeat
    local page = self:get("dead.list", letters.with(filters, { limit = limit, after = after }))
    after = page.after
  until not each(page.items, after ~= nil) or not after
end

--- How many there are, and of whom.
---@param self moonpost.cli.Ask
---@param filters table
---@return integer count
---@return string whose
function letters.count(self, filters)
  local count, addresses, kinds = 0, {}, 0
  letters.pages(self, filters, letters.PAGE_MAX, function(items)
    count = count + #items
    for _, item in ipairs(items) do
      if not addresses[item.address] then addresses[item.address], kinds = true, kinds + 1 end
    end
    return true
  end)
  return count, kinds == 1 and next(addresses) or ("%s addresses"):format(words.count(kinds))
end

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

--- Print some of them.
---@param items table[]
---@param as_json boolean|nil
function letters.print(items, as_json)
  if as_json then
    for _, item in ipairs(items) do term.out(json.encode(item)) end
    return
  end
  local rows = {}
  for index, item in ipairs(items) do rows[index] = row_of(item) end
  if #rows > 0 then tables.print(COLUMNS, rows) end
end

--- That there is none.
---@param any boolean whether there are filters
function letters.note_none(any)
  term.note(any and "no dead letter matches" or "no dead letters")
end

return letters
