--- What can go wrong in a world: links, nodes, disks, clocks.
local errors = require "moonpost.errors"
local fault = require "moonpost.fault"
local hook = require "moonpost.hook"
local made = require "moonpost.test.made"
local nearest = require "moonpost.nearest"
local parameter = require "moonpost.test.parameter"
local plan = require "moonpost.test.plan"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"
local units = require "moonpost.units"
local worlds = require "moonpost.world"

local faults = {}

---@class moonpost.World
local World = {}

local INSIDE = { handler = true, hook = true, policy = true }

-- From inside of a node: the world is at work already.
local function come_to_rest(self)
  if not INSIDE[runtime.place()] then worlds.run(self.handle, 0) end
end

local function duration(value)
  local seconds, reason = units.finite_duration(value)
  if not seconds then errors.misuse("duration: " .. tostring(reason)) end
  return seconds
end

local CUT = {
  silent = { read = shape.boolean, default = false },
  one_way = { read = shape.boolean, default = false },
}

--- Links between two nodes die, and none can be made until `heal`. `silent`: nobody is told, what they say to each
--- other vanishes; `one_way`: what a says to b does, while b is heard.
---@param a string
---@param b string
---@param options { silent: boolean|nil, one_way: boolean|nil }|nil
function World:cut(a, b, options)
  options = shape.construct("cut", CUT, options or {})
  parameter.pair("world:cut", a, b)
  local how = options.one_way and "one_way" or options.silent and "silent" or "both"
  if not worlds.cut(self.handle, a, b, how) then parameter.no_pair(self, a, b) end
  come_to_rest(self)
end

---@param a string
---@param b string
function World:heal(a, b)
  parameter.pair("world:heal", a, b)
  if not worlds.heal(self.handle, a, b) then parameter.no_pair(self, a, b) end
  come_to_rest(self)
end

--- What two nodes say to each other takes so long from now on.
---@param a string
---@param b string
---@param time string|number duration
function World:delay(a, b, time)
  parameter.pair("world:delay", a, b)
  if not worlds.delay(self.handle, a, b, duration(time)) then parameter.no_pair(self, a, b) end
end

local RATE = { read = shape.number(0, 1), default = 0 }
local ROUGH = { lose = RATE, duplicate = RATE, reorder = RATE }

--- Messages and receipts between two nodes get lost, come twice, or come late, behind others: rates between 0 and 1,
--- until it is called again. Links do not notice.
---@param a string
---@param b string
---@param rates { lose: number|nil, duplicate: number|nil, reorder: number|nil }|nil
function World:rough(a, b, rates)
  rates = shape.construct("rough", ROUGH, rates or {})
  parameter.pair("world:rough", a, b)
  if not worlds.rough(self.handle, a, b, rates.lose, rates.duplicate, rates.reorder) then
    parameter.no_pair(self, a, b)
  end
end

--- The process of a node ends as by kill -9. What was not durable is gone; of the commit that its disk was at, all or
--- nothing is there. From one of its own handlers: it ends with this call.
---@param name string
function World:crash(name)
  made.of(self, name)
  if worlds.crash(self.handle, name) then error("the process of this node has ended", 0) end
  come_to_rest(self)
end

local function load_again(self, name, kept)
  for _, value in ipairs(kept.hooks) do worlds.hook(self.handle, name, value) end
  for _, what in ipairs(kept.agents) do worlds.load(self.handle, name, what, "spec") end
  for _, pair in ipairs(kept.reloads) do worlds.reload(self.handle, name, pair[1], pair[2]) end
end

--- Start a node again after a crash: its settings, hooks and agents are loaded anew, its store is read, and its epoch
--- is the next. A node with `store = "memory"` begins with nothing. Raises when its store cannot be used.
---@param name string
function World:restart(name)
  local kept = made.of(self, name)
  worlds.restart(self.handle, name, kept.settings)
  load_again(self, name, kept)
  come_to_rest(self)
end

--- Whether a node runs: it has not crashed, or was started again.
---@param name string
---@return boolean
function World:up(name)
  made.of(self, name)
  return worlds.up(self.handle, name)
end

--- A node stands still, as a process that is stopped, until `resume`.
---@param name string
function World:pause(name)
  made.of(self, name)
  worlds.stop(self.handle, name)
end

---@param name string
function World:resume(name)
  made.of(self, name)
  worlds.go_on(self.handle, name)
  come_to_rest(self)
end

local disk_state = shape.choice { ok = true, full = true, failing = true, lying = true }

local DISK = {
  commit = { read = units.finite_duration },
  fails_in = { read = shape.whole(1, 2 ^ 31 - 1) },
}

--- A node's disk is "full" (nothing new is accepted), "failing" (the next commit fails, which ends the process),
--- "lying" (it says that commits are done, and keeps none: promises break, and `check` says which) or "ok" again.
--- `commit`: a commit takes up to so long; `fails_in`: the so-many-th commit from now fails.
---@param name string
---@param state "ok"|"full"|"failing"|"lying"|nil
---@param options { commit: string|number|nil, fails_in: integer|nil }|nil
function World:disk(name, state, options)
  made.of(self, name)
  options = shape.construct("disk", DISK, options or {})
  local _, wrong = disk_state(state == nil and "ok" or state)
  if wrong then errors.misuse("world:disk: state: " .. wrong) end
  worlds.disk(self.handle, name, state, options.commit, options.fails_in)
end

--- One bit of a node's store changes, in a record of this kind (a letter, see `moonpost store check`) or of any.
---@param name string
---@param kind string|nil
---@return string|nil kind of the record; nil: there is none
function World:flip(name, kind)
  made.of(self, name)
  return worlds.flip(self.handle, name, kind)
end

--- Look at every record of a node's store, as `moonpost store check` does.
---@param name string
---@return integer findings
---@return string first what the first of them is
function World:store_check(name)
  made.of(self, name)
  return worlds.store_check(self.handle, name)
end

--- The wall clocks of all nodes say this moment now.
---@param moment string|number
function World:set_time(moment)
  made.first(self)
  local seconds, reason = units.moment(moment)
  if not seconds then errors.misuse("moment: " .. tostring(reason)) end
  worlds.set_time(self.handle, seconds)
  come_to_rest(self)
end

--- A sum of all that was said between the nodes so far, and of all facts: the same run has the same.
---@return string
function World:trace_hash()
  return worlds.trace(self.handle)
end

-- The link of a node to another; the fault is of the world, so that it outlasts both.
local function plan_cut(self, node, cut)
  if not (self.nodes or {})[cut.link] then
    errors.misuse(("fault.cut.link: no node %q here%s"):format(cut.link, nearest.hint(cut.link, self.nodes or {})))
  end
  local at = worlds.now(self.handle) + cut.at
  plan.add(self, at, function() self:cut(node, cut.link) end)
  plan.add(self, at + cut.lasts, function() self:heal(node, cut.link) end)
end

local function read_fault(value)
  if type(value) ~= "string" then return value end
  local ok, made_of_it = pcall(fault.parse, value)
  if not ok then errors.misuse("world:fault: " .. tostring(made_of_it)) end
  return made_of_it
end

--- Put a hook (a fault, for instance) into a node; a text is a fault as `moonpost run --fault` takes it.
---@param value moonpost.Hook|string what moonpost.hook or moonpost.fault makes
---@param options { node: string|nil }|nil
function World:fault(value, options)
  value = read_fault(value)
  if not hook.is(value) then errors.misuse("expected what moonpost.hook or moonpost.fault returns") end
  made.first(self)
  if value.cut then
    return plan_cut(self, options and options.node or self.first, value.cut)
  end
  worlds.hook(self.handle, options and options.node, value)
  local hooks = made.of(self, options and options.node).hooks
  hooks[#hooks + 1] = value
end

local COMMITS_MAX = 60 -- seconds

-- What is lost shows when nothing is on its way to a disk.
local function let_commits_end(world)
  local till = worlds.now(world.handle) + COMMITS_MAX
  while worlds.committing(world.handle) do
    local wait = plan.next(world)
    if not wait or worlds.now(world.handle) + wait > till then return end
    plan.pass(world, wait)
  end
end

--- Raises when a promise was broken so far: a confirmed message was lost, one that had come to an end was handed over
--- again, a receipt was not true, an attempt was not counted, a store has findings. Time passes until commits under way
--- have ended. What only a node that is down may have is not looked for.
function World:check()
  let_commits_end(self)
  local broken = worlds.check(self.handle)
  if broken then errors.misuse(broken) end
end

--- Give a world these methods.
---@param methods moonpost.World
function faults.add(methods)
  for name, method in pairs(World) do methods[name] = method end
end

return faults
