--- `$node` metrics: what can be counted, by the names and units that monitoring expects.
local common = require "moonpost.admin.common"
local inside = require "moonpost.inside"
local runtime = require "moonpost.runtime"

-- ---- families ----

local function list()
  return setmetatable({}, runtime.array_mt)
end

local function family(into, name, kind, help)
  local made = { name = "moonpost_" .. name, type = kind, help = help, samples = list() }
  into[#into + 1] = made
  return function(value, labels)
    made.samples[#made.samples + 1] = { value = value, labels = labels }
  end
end

-- ---- the engine ----

local COUNTS = {
  { "sent", "messages_sent_total", "messages accepted for sending" },
  { "transmissions", "transmissions_total", "messages put on a link, resends too" },
  { "stored", "messages_stored_total", "messages that mailboxes accepted" },
  { "handled", "messages_handled_total", "messages whose handler was acked" },
  { "retried", "retries_total", "failed deliveries that are tried again" },
  { "duplicates", "messages_deduplicated_total", "duplicates recognised, and acknowledged again" },
  { "dead", "messages_dead_lettered_total", "messages that became dead letters" },
  { "requeued", "messages_requeued_total", "dead letters that went back" },
  { "removed", "messages_removed_total", "dead letters that were removed" },
  { "purged", "messages_purged_total", "messages that were purged from their mailbox" },
  { "expired", "messages_expired_total", "messages that nobody wanted any more" },
  { "dropped", "messages_dropped_total", "messages and frames dropped by hooks, or because they could not be read" },
  { "lost", "messages_lost_total", "at-most-once messages that are lost, by contract" },
  { "damaged", "records_damaged_total", "records of the store that could not be read" },
}

local function counts_into(into)
  local counts = inside.counts()
  for _, row in ipairs(COUNTS) do family(into, row[2], "counter", row[3])(counts[row[1]]) end
end

-- ---- queues ----

local QUEUES = {
  { "waiting", "queue_ready_messages", "messages that wait for a handler or a link" },
  { "leased", "queue_unacked_messages", "messages in a handler's hands, or sent and not answered" },
  { "deferred", "queue_deferred_messages", "messages that are tried again later" },
  { "awaiting", "queue_awaiting_messages", "messages that their owner has stored and not handled yet" },
  { "dead", "queue_dead_messages", "dead letters" },
  { "bytes", "queue_bytes", "bytes of all of these" },
}

local function fullest(left, right)
  local a, b = left.waiting + left.leased + left.dead, right.waiting + right.leased + right.dead
  if a ~= b then return a > b end
  return left.address .. left.kind < right.address .. right.kind
end

--- The fullest ones, each by itself: labels are not without end.
local function shown_queues()
  local shown = {}
  for _, queue in ipairs(inside.queues()) do
    if common.is_of_interest(queue) then shown[#shown + 1] = queue end
  end
  table.sort(shown, fullest)
  return shown, common.shorten(shown)
end

local function queues_into(into)
  local queues, left_out = shown_queues()
  local now = runtime.now()
  local function each(name, help, value_of)
    local add = family(into, name, "gauge", help)
    for _, queue in ipairs(queues) do add(value_of(queue), { queue = queue.address, kind = queue.kind }) end
  end
  for _, row in ipairs(QUEUES) do each(row[2], row[3], function(queue) return queue[row[1]] end) end
  each("queue_oldest_age_seconds", "how long the oldest waiting message has waited", function(queue)
    return queue.oldest_at and math.max(0, now - queue.oldest_at) or 0
  end)
  each("queue_paused", "1: it delivers nothing until it is resumed", function(queue) return queue.paused and 1 or 0 end)
  family(into, "queues_left_out", "gauge", "queues that are not shown above")(left_out)
end

-- ---- links ----

local function links_into(into)
  local up = family(into, "link_up", "gauge", "1: the link that this node dials is up")
  local unwritten = family(into, "link_unwritten_bytes", "gauge", "bytes that a dialled link has not taken yet")
  local accepted = {}
  for _, link in ipairs(inside.links()) do
    if link.address then
      up(link.state == "up" and 1 or 0, { link = link.address })
      unwritten(link.unwritten, { link = link.address })
    else
      local role = link.role or "unknown"
      accepted[role] = (accepted[role] or 0) + 1
    end
  end
  local add = family(into, "links_accepted", "gauge", "links that others dialled, by what they say they are")
  for _, role in ipairs { "client", "node", "sentinel", "unknown" } do add(accepted[role] or 0, { role = role }) end
  local _, attached = inside.attached(0)
  family(into, "addresses_attached", "gauge", "addresses served by nodes that are linked here")(attached)
end

-- ---- agents, store, node ----

local function agents_into(into)
  local info = family(into, "script_info", "gauge", "1: this generation of the agent is at work")
  local handled = family(into, "agent_handled_total", "counter", "deliveries of this generation that ended well")
  local failed = family(into, "agent_failed_total", "counter", "deliveries of this generation that failed")
  local generations = inside.generations()
  common.shorten(generations)
  for _, each in ipairs(generations) do
    local labels = { unit = each.address, version = tostring(each.generation) }
    info(1, { unit = each.address, version = tostring(each.generation), hash = each.hash, state = each.state })
    handled(each.handled, labels)
    failed(each.failed, labels)
  end
end

local function store_into(into, store)
  family(into, "store_used_bytes", "gauge", "what the store takes")(store.used)
  if store.max then family(into, "store_max_bytes", "gauge", "what the store may take")(store.max) end
  family(into, "store_full", "gauge", "1: nothing new is accepted")(store.full and 1 or 0)
end

local function node_into(into, node)
  family(into, "node_info", "gauge", "1: the node")(1, { name = node.name, role = node.role,
    version = require("moonpost").VERSION, store = node.store.kind })
  family(into, "node_start_time_seconds", "gauge", "when it was started, since 1970")(node.started_at)
  family(into, "node_epoch", "gauge", "which start of its store this is")(node.epoch)
end

local function metrics(_, given)
  common.read("metrics", {}, given)
  local into, node = list(), inside.node()
  node_into(into, node)
  counts_into(into)
  queues_into(into)
  links_into(into)
  agents_into(into)
  store_into(into, node.store)
  return { metrics = into }
end

return { metrics = metrics }
