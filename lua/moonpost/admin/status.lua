--- `$node` status: the node, its queues and links.
local common = require "moonpost.admin.common"
local inside = require "moonpost.inside"
local runtime = require "moonpost.runtime"

local REFUSED_SHOWN = 1000

local function with_addresses(links)
  local attached, count = inside.attached(common.ATTACHED_SHOWN)
  local by_link = {}
  for _, at in ipairs(attached) do
    by_link[at.link] = by_link[at.link] or {}
    table.insert(by_link[at.link], at.address)
  end
  for _, link in ipairs(links) do
    local addresses = by_link[link.name]
    if addresses then table.sort(addresses) end
    link.addresses = addresses
  end
  return links, count
end

local function by_address(left, right)
  return left.address < right.address
end

--- Mailboxes and outboxes, each by address; those that hold nothing and serve nobody are left out.
local function queues()
  local mailboxes = setmetatable({}, runtime.array_mt)
  local outboxes = setmetatable({}, runtime.array_mt)
  for _, queue in ipairs(inside.queues()) do
    local list = queue.kind == "mailbox" and mailboxes or outboxes
    queue.kind = nil
    if common.is_of_interest(queue) then list[#list + 1] = queue end
  end
  table.sort(mailboxes, by_address)
  table.sort(outboxes, by_address)
  return mailboxes, outboxes
end

--- Of agents whose latest reload was refused.
local function refusals()
  local found = setmetatable({}, runtime.array_mt)
  for _, generation in ipairs(inside.generations()) do
    if generation.refusal and generation.state == "current" and #found < REFUSED_SHOWN then
      found[#found + 1] = { address = generation.address, generation = generation.generation,
        at = generation.refused_at, reason = common.cut(generation.refusal) }
    end
  end
  return found
end

local function status(_, given)
  common.read("status", {}, given)
  local node = inside.node()
  node.now = runtime.now()
  node.version = require("moonpost").VERSION
  local mailboxes, outboxes = queues()
  local links, attached = with_addresses(inside.links())
  return {
    node = node,
    counts = inside.counts(),
    left_out = {
      mailboxes = common.shorten(mailboxes), outboxes = common.shorten(outboxes), links = common.shorten(links),
    },
    mailboxes = mailboxes,
    outboxes = outboxes,
    links = links,
    attached = attached,
    refused = refusals(),
  }
end

return { status = status }
