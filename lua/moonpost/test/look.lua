--- Looking back in a world: what became of one message, and what monitoring would see.
local errors = require "moonpost.errors"
local made = require "moonpost.test.made"
local nearest = require "moonpost.nearest"
local worlds = require "moonpost.world"

local look = {}

---@class moonpost.World
local World = {}

-- Facts after which a message is where it ends, and those after which it is on its way again.
local ENDS = { handled = true, dead = true, expired = true, purged = true, removed = true }
local ON_ITS_WAY = { stored = true, delivered = true, retrying = true, deferred = true, requeued = true }

local function last_of_note(steps)
  for index = #steps, 1, -1 do
    local fact = steps[index].fact
    if ENDS[fact] or ON_ITS_WAY[fact] then return fact end
  end
end

-- A mailbox knows more than the outbox of a sender, which awaits its owner.
local function pending_state(self, id)
  local state
  for _, item in ipairs(worlds.pending(self.handle)) do
    if item.id == id and (not state or state == "awaiting") then state = item.state end
  end
  return state
end

local function state_of(self, id, steps)
  local last = last_of_note(steps)
  if ENDS[last] then return last end
  return pending_state(self, id) or #steps > 0 and steps[#steps].fact or nil
end

local function attempts_in(steps)
  local attempts = 0
  for _, step in ipairs(steps) do
    if step.fact == "delivered" then attempts = math.max(attempts, step.attempt or 0) end
  end
  return attempts
end

--- What became of a message: its `state` ("handled", "dead", "expired"; or where it waits: "waiting", "leased",
--- "deferred", "awaiting"), its `attempts`, and its `steps`, which are its facts in order. Nil: nobody knows it.
---@param id string
---@return { state: string, attempts: integer, steps: table[] }|nil
function World:trace(id)
  made.first(self)
  if type(id) ~= "string" then errors.misuse("id: expected a string") end
  local steps = self:facts(id)
  local state = state_of(self, id, steps)
  return state and { state = state, attempts = attempts_in(steps), steps = steps } or nil
end

-- ---- metrics ----

local function is_of(sample, labels)
  for name, value in pairs(labels or {}) do
    if (sample.labels or {})[name] ~= value then return false end
  end
  return true
end

local function families_of(self, node)
  local answer, reason = self:call("$node", {}, { method = "metrics", from = node })
  if not answer then errors.misuse("world:metric: " .. tostring(reason)) end
  local families = {}
  for _, family in ipairs(answer.metrics) do families[family.name] = family.samples end
  return families
end

local function nodes_asked(self, node)
  if node then return { node } end
  local names = {}
  for name in pairs(self.nodes) do
    if self:up(name) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function sum(samples, labels)
  local total = 0
  for _, sample in ipairs(samples) do
    if is_of(sample, labels) then total = total + sample.value end
  end
  return total
end

--- A metric as `moonpost metrics` shows it: the sum over all nodes that are up, or of one, and over all samples that
--- have these labels.
---@param name string with or without "moonpost_"
---@param labels table<string, string>|nil
---@param options { node: string|nil }|nil
---@return number
function World:metric(name, labels, options)
  made.first(self)
  if type(name) ~= "string" then errors.misuse("name: expected a string") end
  local full, total = name:find("^moonpost_") and name or "moonpost_" .. name, 0
  for _, node in ipairs(nodes_asked(self, options and options.node)) do
    local families = families_of(self, node)
    if not families[full] then
      errors.misuse(("no metric %q%s"):format(full, nearest.hint(full, families)))
    end
    total = total + sum(families[full], labels)
  end
  return total
end

--- Give a world these methods.
---@param methods moonpost.World
function look.add(methods)
  for name, method in pairs(World) do methods[name] = method end
end

return look
