--- `moonpost status`: a node, its agents, mailboxes and links, at a glance.
local ask = require "moonpost.cli.ask"
local moonpost = require "moonpost"
local queues = require "moonpost.cli.queues"
local tables = require "moonpost.cli.table"
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local COUNTS = { "sent", "stored", "handled", "retried", "duplicates", "requeued", "removed", "purged",
  "expired", "dropped", "lost", "damaged" }
local ALWAYS = { sent = true, stored = true, handled = true }

local LINKS = {
  { key = "name", head = "LINK", flexible = true },
  { key = "state", head = "STATE" },
  { key = "role", head = "ROLE", optional = true },
  { key = "address", head = "DIALLED AT", optional = true, spare = true },
  { key = "serves", head = "SERVES", optional = true, below = true },
  { key = "why", head = "WHY", optional = true, below = true },
}

local function store_text(store)
  if store.kind == "memory" then return "store memory (nothing survives its process)" end
  return ("store on disk, sync %s"):format(store.sync)
end

local function node_line(node)
  local starts = node.epoch > 1 and ("  started %s times"):format(words.count(node.epoch)) or ""
  return ("%s %s  up %s%s  %s"):format(node.role, term.styled("bold", node.name), words.age(node.started_at), starts,
    store_text(node.store))
end

local FULL = "the store is full: nothing new is accepted; handle or remove what is there, or raise its max"

local function counts_line(counts)
  local parts = {}
  for _, name in ipairs(COUNTS) do
    if counts[name] > 0 or ALWAYS[name] then parts[#parts + 1] = ("%s %s"):format(name, words.count(counts[name])) end
  end
  return "since its start: " .. table.concat(parts, ", ")
end

local function state_of(link)
  if link.up_at then return "up for " .. words.age(link.up_at) end
  local since = link.down_at and (" for %s"):format(words.age(link.down_at)) or ""
  local next = link.next_at and (", dial %d %s"):format(link.dials + 1, words.ahead(link.next_at)) or ""
  return link.state .. since .. next
end

local function link_rows(status)
  local rows, clients = {}, 0
  for _, link in ipairs(status.links) do
    if link.role == "client" and not link.addresses then
      clients = clients + 1
    else
      rows[#rows + 1] = {
        name = link.name,
        state = state_of(link),
        role = link.role,
        address = link.address ~= link.name and link.address or nil,
        serves = link.addresses and table.concat(link.addresses, " "),
        why = not link.up_at and link.why or nil,
      }
    end
  end
  return rows, clients
end

local function gap()
  term.out("")
end

local function show(status)
  term.out(node_line(status.node))
  term.out(term.styled("dim", counts_line(status.counts)))
  if status.node.store.full then term.out(term.styled("red", FULL)) end
  if #status.mailboxes + #status.outboxes > 0 then gap() end
  queues.print(status.mailboxes, status.outboxes, gap)
  local rows, clients = link_rows(status)
  if #rows > 0 then
    gap()
    tables.print(LINKS, rows)
  end
  local others = clients - 1 -- this command is one
  if others > 0 then term.out(("\nand %s"):format(words.of(others, "client"))) end
  for _, name in ipairs { "mailboxes", "outboxes", "links" } do
    local more = status.left_out[name]
    if more > 0 then term.note(("%s more %s are left out"):format(words.count(more), name)) end
  end
end

local function show_refusals(status)
  for _, refused in ipairs(status.refused) do
    term.note(("\nreload of %s refused %s, generation %d keeps running:\n  %s"):format(refused.address,
      words.ago(refused.at), refused.generation, refused.reason))
  end
end

local function hint(status)
  local dead = 0
  for _, list in ipairs { status.mailboxes, status.outboxes } do
    for _, queue in ipairs(list) do dead = dead + queue.dead end
  end
  if dead > 0 then term.note(("\n%s; see: moonpost dlq ls"):format(words.of(dead, "dead letter"))) end
end

return {
  name = "status",
  usage = "status",
  summary = "a node, its agents, mailboxes and links",
  details = [[
  waiting for a handler or a link; leased: in a handler's hands, or sent and not answered; deferred: to be
  tried again later; awaiting: stored at its owner and not handled yet; dead: see moonpost dlq.]],
  flags = { ask.NODE, ask.JSON },
  at_most = 0,
  examples = {
    { "moonpost status", "the node of this folder" },
    { "moonpost status --json", "everything, for programs" },
  },
  run = function(flags)
    return ask.run("status", flags, function(self)
      local status = self:get "status"
      if flags.json then
        term.out(moonpost.json.encode(status))
        return
      end
      show(status)
      show_refusals(status)
      hint(status)
    end)
  end,
}
