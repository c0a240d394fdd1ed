--- `$node` agents, links, store: parts of what status tells, each by itself.
local common = require "moonpost.admin.common"
local inside = require "moonpost.inside"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"

local function by_name(field)
  return function(left, right) return left[field] < right[field] end
end

-- Pages go on after a name, not a number: what comes and goes meanwhile does not move it.
local PAGE = { limit = common.PAGES.limit, after = { read = shape.string(255) } }

local function page(items, taken, field)
  table.sort(items, by_name(field))
  local shown = setmetatable({}, runtime.array_mt)
  for _, item in ipairs(items) do
    if not taken.after or item[field] > taken.after then
      if #shown == taken.limit then return { items = shown, after = shown[#shown][field] } end
      shown[#shown + 1] = item
    end
  end
  return { items = shown }
end

local function agents(_, given)
  local taken, served = common.read("agents", PAGE, given), {}
  for _, queue in ipairs(inside.queues()) do
    if queue.served then
      queue.kind, queue.served = nil, nil
      served[#served + 1] = queue
    end
  end
  return page(served, taken, "address")
end

local function links(_, given)
  local taken = common.read("links", PAGE, given)
  return page(inside.links(), taken, "name")
end

local STORE = { what = { read = shape.choice { stat = true, check = false, compact = false, backup = false },
  default = "stat" } }

local function store(_, given)
  common.read("store", STORE, given)
  local stat = inside.node().store
  local counts = inside.counts()
  stat.damaged = counts.damaged
  return stat
end

return { agents = agents, links = links, store = store }
