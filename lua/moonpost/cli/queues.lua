--- Mailboxes and outboxes as tables, for `status` and `queue ls`.
local tables = require "moonpost.cli.table"
local words = require "moonpost.cli.words"

local queues = {}

local function columns(head)
  return {
    { key = "address", head = head, flexible = true },
    { key = "waiting", head = "WAITING", right = true },
    { key = "leased", head = "LEASED", right = true },
    { key = "deferred", head = "DEFERRED", right = true },
    { key = "awaiting", head = "AWAITING", right = true, optional = true },
    { key = "dead", head = "DEAD", right = true },
    { key = "size", head = "SIZE", right = true, optional = true, spare = true },
    { key = "oldest", head = "OLDEST", right = true, optional = true, spare = true },
    { key = "generation", head = "GEN", right = true, optional = true, spare = true },
    { key = "state", head = "STATE", optional = true },
  }
end

local MAILBOX, OUTBOX = columns "MAILBOX", columns "OUTBOX"

local function state_of(queue)
  if queue.paused then return "paused " .. words.ago(queue.paused_at) end
  if queue.draining then return "draining for " .. words.age(queue.draining_at) end
  if not queue.mailbox then return nil end
  return queue.served and "up" or "no agent"
end

local function row_of(queue)
  local row = { address = queue.address, state = state_of(queue) }
  for _, key in ipairs { "waiting", "leased", "deferred", "awaiting", "dead" } do row[key] = words.count(queue[key]) end
  if (queue.generation or 1) > 1 then row.generation = words.count(queue.generation) end
  if queue.bytes > 0 then row.size = words.size(queue.bytes) end
  if queue.oldest_at then row.oldest = words.ago(queue.oldest_at) end
  return row
end

local function rows_of(list, mailbox)
  local rows = {}
  for index, queue in ipairs(list) do
    queue.mailbox = mailbox
    rows[index] = row_of(queue)
  end
  return rows
end

--- Print those that are there; answers whether any was.
---@param mailboxes table[]
---@param outboxes table[]
---@param between fun() called between two tables
---@return boolean
function queues.print(mailboxes, outboxes, between)
  if #mailboxes > 0 then tables.print(MAILBOX, rows_of(mailboxes, true)) end
  if #mailboxes > 0 and #outboxes > 0 then between() end
  if #outboxes > 0 then tables.print(OUTBOX, rows_of(outboxes, false)) end
  return #mailboxes + #outboxes > 0
end

return queues
