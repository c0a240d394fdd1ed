--- Storms: faults drawn from a seed, which come and go while a world runs. A storm is a list, so that a shorter one
--- can be tried; what a fault hits is a number until the world is there to choose from.
local plan = require "moonpost.test.plan"
local worlds = require "moonpost.world"

local storm = {}

---@class moonpost.test.Fault
---@field at number when it begins, in seconds since the world began
---@field lasts number
---@field kind string
---@field what integer which node or pair of nodes it hits, counted around
---@field amount number between 0 and 1: how strong it is

-- A generator of our own, so that a seed names a storm whatever else draws numbers (Park and Miller, 1988).
function storm.generator(seed)
  local state = seed % 2147483646 + 1
  local function draw(limit)
    state = state * 48271 % 2147483647
    return state % limit + 1
  end
  for _ = 1, 3 do draw(1) end
  return draw
end

--- Seconds since a world began.
---@param world moonpost.World
---@return number
function storm.now(world)
  return (worlds.now(world.handle))
end

--- How many deliveries there were in a world.
---@param world moonpost.World
---@return integer
function storm.deliveries(world)
  return worlds.delivered(world.handle)
end

--- Whether a message was handled, durably: the fact may have been undone by a crash.
---@param world moonpost.World
---@param id string
---@return boolean
function storm.handled(world, id)
  return worlds.handled(world.handle, id)
end

--- Do something when so many seconds have passed since a world began.
---@param world moonpost.World
---@param at number
---@param act fun()
function storm.plan(world, at, act)
  plan.add(world, at, act)
end

---@return string[]
local function nodes_of(world)
  local names = {}
  for name in pairs(world.nodes or {}) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Pairs of nodes between which there may be a link: those that settings name, or all.
local function pairs_of(world)
  local found, names = {}, nodes_of(world)
  for _, name in ipairs(names) do
    local settings = world.nodes[name].settings
    for _, link in ipairs(type(settings) == "table" and settings.links or {}) do
      if world.nodes[link.to] then found[#found + 1] = { name, link.to } end
    end
  end
  if #found > 0 then return found end
  for a = 1, #names do
    for b = a + 1, #names do found[#found + 1] = { names[a], names[b] } end
  end
  return found
end

local function one_of(list, number) return list[(number - 1) % math.max(1, #list) + 1] end

-- ---- kinds: each answers how it ends, or nil when there is nothing to hit ----

local on_pair, on_node = {}, {}

local function rough(field)
  return function(world, pair, fault)
    world:rough(pair[1], pair[2], { [field] = 0.1 + 0.5 * fault.amount })
    return function() world:rough(pair[1], pair[2]) end
  end
end
on_pair.drop, on_pair.duplicate, on_pair.reorder = rough "lose", rough "duplicate", rough "reorder"

local function cut(options)
  return function(world, pair)
    world:cut(pair[1], pair[2], options)
    return function() world:heal(pair[1], pair[2]) end
  end
end
on_pair.cut, on_pair.cut_silently, on_pair.cut_one_way = cut(nil), cut { silent = true }, cut { one_way = true }

function on_pair.delay(world, pair, fault)
  world:delay(pair[1], pair[2], 2 * fault.amount)
  return function() world:delay(pair[1], pair[2], 0) end
end

--- Start a node that is down; its disk may fail at that, once.
---@param world moonpost.World
---@param node string
function storm.start(world, node)
  if world:up(node) then return end
  if not pcall(world.restart, world, node) then world:restart(node) end
end

local start = storm.start

function on_node.crash(world, node)
  if world:up(node) then world:crash(node) end
  return function() start(world, node) end
end

function on_node.pause(world, node)
  if world:up(node) then world:pause(node) end
  return function()
    if world:up(node) then world:resume(node) end
  end
end

function on_node.disk_full(world, node)
  world:disk(node, "full")
  return function() world:disk(node, "ok") end
end

function on_node.disk_fails(world, node, fault)
  world:disk(node, nil, { fails_in = 1 + math.floor(5 * fault.amount) })
  return function() start(world, node) end
end

function on_node.disk_slow(world, node, fault)
  world:disk(node, nil, { commit = math.floor(1000 * fault.amount) / 1000 })
  return function() world:disk(node, nil, { commit = 0 }) end
end

function on_node.reload(world, node)
  if not world:up(node) then return nil end
  for _, what in ipairs(world.nodes[node].agents) do
    if type(what) == "table" then world:reload(what.address, what, { node = node }) end
  end
  worlds.reload_files(world.handle, node)
  worlds.run(world.handle, 0)
  return function() end
end

-- Half a day forth or back, for all nodes.
function on_node.clock(world, _, fault)
  local _, wall = worlds.now(world.handle)
  world:set_time(wall + math.floor(43200 * (2 * fault.amount - 1)))
  return function() end
end

--- All kinds of faults under which promises hold.
storm.KINDS = {}
for kind in pairs(on_pair) do storm.KINDS[#storm.KINDS + 1] = kind end
for kind in pairs(on_node) do storm.KINDS[#storm.KINDS + 1] = kind end
table.sort(storm.KINDS)

-- A bit of the store flips while the node is down: it may lose what the record was about, but is never wrong.
function on_node.bit_flip(world, node)
  if world:up(node) then world:crash(node) end
  world:flip(node)
  return function() start(world, node) end
end

--- Draw a storm.
---@param draw fun(limit: integer): integer
---@param kinds string[]
---@param lasts number seconds in which faults begin
---@param most integer how many
---@return moonpost.test.Fault[]
function storm.draw(draw, kinds, lasts, most)
  local faults = {}
  for index = 1, draw(most + 1) - 1 do
    faults[index] = {
      at = draw(math.ceil(lasts * 1000)) / 1000,
      lasts = draw(4) == 1 and draw(60) or draw(8000) / 1000,
      kind = kinds[draw(#kinds)],
      what = draw(1000),
      amount = draw(1000) / 1000,
    }
  end
  table.sort(faults, function(a, b) return a.at < b.at end)
  return faults
end

local function begin(world, fault)
  local hit, act
  if on_pair[fault.kind] then
    hit, act = one_of(pairs_of(world), fault.what), on_pair[fault.kind]
  else
    hit, act = one_of(nodes_of(world), fault.what), on_node[fault.kind]
  end
  if not hit then return end
  fault.hit = type(hit) == "table" and table.concat(hit, " and ") or hit
  local over = act(world, hit, fault)
  if over then plan.add(world, fault.at + fault.lasts, over) end
end

--- Let a storm come over a world, from now on as its time passes.
---@param world moonpost.World
---@param faults moonpost.test.Fault[]
function storm.over(world, faults)
  for _, fault in ipairs(faults) do
    plan.add(world, fault.at, function() begin(world, fault) end)
  end
end

--- The storm is over: links are whole, disks work, nodes run.
---@param world moonpost.World
function storm.calm(world)
  world.plan = nil
  for _, name in ipairs(nodes_of(world)) do
    world:disk(name, "ok", { commit = 0 })
    start(world, name)
    if world:up(name) then world:resume(name) end
  end
  for _, pair in ipairs(pairs_of(world)) do
    world:heal(pair[1], pair[2])
    world:delay(pair[1], pair[2], 0)
    world:rough(pair[1], pair[2])
  end
end

--- A storm in words.
---@param faults moonpost.test.Fault[]
---@return string
function storm.tell(faults)
  local lines = {}
  for index, fault in ipairs(faults) do
    lines[index] = ("  %9.3f s  %-12s %s, for %.3f s, strength %.3f")
      :format(fault.at, fault.kind, fault.hit or "nobody", fault.lasts, fault.amount)
  end
  return #lines > 0 and table.concat(lines, "\n") or "  no fault is needed"
end

local function without(faults, first, last)
  local kept = {}
  for index, fault in ipairs(faults) do
    if index < first or index > last then kept[#kept + 1] = fault end
  end
  return kept
end

-- Leave out runs of so many faults, as long as it still fails.
local function leave_out(faults, size, fails)
  local first = 1
  while first <= #faults do
    local fewer = without(faults, first, first + size - 1)
    if fails(fewer) then faults = fewer else first = first + size end
  end
  return faults
end

--- The shortest storm found with which something still fails.
---@param faults moonpost.test.Fault[]
---@param fails fun(faults: moonpost.test.Fault[]): boolean
---@return moonpost.test.Fault[]
function storm.shrink(faults, fails)
  local size = #faults
  while size >= 1 do
    faults = leave_out(faults, size, fails)
    size = math.floor(size / 2)
  end
  return faults
end

return storm
