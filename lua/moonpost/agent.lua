--- `moonpost.agent { ... }`: checks an agent's declaration and answers it in normal form.
local address = require "moonpost.address"
local dedup = require "moonpost.dedup"
local nearest = require "moonpost.nearest"
local outcome = require "moonpost.outcome"
local profile = require "moonpost.profile"
local retry = require "moonpost.retry"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

local agent = {}

---@class moonpost.Agent
---@field address string
---@field handle fun(ctx: moonpost.Ctx, msg: moonpost.Msg, method: string|false|nil): any, any, any
---@field handler_of fun(method: string|false|nil): function|nil the script's own function for messages with this method
---@field on_start fun(ctx: moonpost.Ctx, why: string)|nil
---@field on_stop fun(ctx: moonpost.Ctx)|nil
---@field on_dead fun(ctx: moonpost.Ctx, dead: moonpost.DeadLetter)|nil
---@field batch { size: integer, within: number, handle: function }|nil
---@field key (fun(msg: moonpost.Msg): string)|nil
---@field order "none"|"key"|"strict"
---@field concurrency integer
---@field timeout number seconds
---@field budget number seconds
---@field memory number bytes that its own state may hold
---@field profile string
---@field retry moonpost.RetryPolicy|function|nil nil: the settings' `handle`
---@field dedup moonpost.Dedup
---@field version integer
---@field reads integer[] versions of state that it understands unchanged
---@field understands table<integer, true> these, and its own
---@field migrate (fun(old: table, from: integer): table)|nil
---@field has_handler boolean
local metatable = { __name = "moonpost.agent" }

local ON = {
  message = { read = shape.func },
  start = { read = shape.func },
  stop = { read = shape.func },
  dead = { read = shape.func },
}

-- What is not `on` is meant as a method.
local function on(value)
  for name, handler in pairs(type(value) == "table" and value or {}) do
    if not ON[name] and type(name) == "string" and type(handler) == "function" and not nearest.find(name, ON) then
      return nil, (".%s: unknown key; messages with the method %s go to methods = { %s = ... }")
        :format(name, show(name), name)
    end
  end
  return shape.read(ON, value)
end

local method_name = shape.string(128)

local function methods(value)
  if type(value) ~= "table" then return nil, "expected a table, got " .. show(value) end
  local taken = {}
  for name, handler in pairs(value) do
    local text, reason = method_name(name)
    if not text then return nil, ("[%s]: a method's name: %s"):format(show(name), reason) end
    if type(handler) ~= "function" then
      return nil, ("[%s]: expected a function, got %s"):format(show(name), show(handler))
    end
    taken[text] = handler
  end
  return taken
end

-- The library alone is a part of this.
local MEMORY_LEAST = 1024 ^ 2

local function memory(value)
  if value == math.huge then return value end
  local bytes, reason = units.size(value)
  if bytes and bytes < MEMORY_LEAST then return nil, show(value) .. ' is less than "1M"' end
  return bytes, reason
end

local BATCH = {
  size = { read = shape.whole(1, 1000), default = 100 },
  within = { read = units.finite_duration, default = 0.2 },
  handle = { read = shape.func, required = true },
}

local function batch(value)
  return shape.read(BATCH, value)
end

local version = shape.whole(1, 2 ^ 31)

local function understood(taken)
  local versions = { [taken.version] = true }
  for _, read in ipairs(taken.reads) do versions[read] = true end
  return versions
end

local FIELDS = {
  address = { read = address.read, required = true },
  on = { read = on, default = {} },
  methods = { read = methods, default = {} },
  key = { read = shape.func },
  batch = { read = batch },
  order = { read = shape.choice { none = true, key = true, strict = true }, default = "none" },
  concurrency = { read = shape.whole(1, 1024), default = 8 },
  timeout = { read = units.timeout, default = 30 },
  budget = { read = units.timeout, default = 0.2 },
  memory = { read = memory, default = 64 * 1024 ^ 2 },
  profile = { read = profile.read, default = "at-least-once" },
  retry = { read = function(value) return retry.read(value, "handle") end },
  dedup = { read = dedup.read, default = { kind = "none" } },
  version = { read = version, default = 1 },
  reads = { read = shape.list(version, 64), default = {} },
  migrate = { read = shape.func },
}
for name in ("events schedules schema use check group jit"):gmatch("%S+") do
  FIELDS[name] = { not_yet = true }
end

local function no_method(own, name, known)
  if name == nil then
    return outcome.reject(own .. " takes only messages with a method", { code = "NO_METHOD" })
  end
  local text = ("%s has no method %s%s"):format(own, show(name), nearest.hint(name, known))
  return outcome.reject(text, { code = "NO_METHOD" })
end

local function public(all)
  local names = {}
  for name in pairs(all) do
    if name:sub(1, 1) ~= "_" then names[name] = true end
  end
  return names
end

local function private_method(own, name)
  local text = ("the method %s of %s answers only the agent itself: its name begins with _"):format(show(name), own)
  return outcome.reject(text, { code = "NO_METHOD" })
end

--- The one function that every message goes to. A method whose name starts with "_" answers only the
--- agent itself.
local function dispatcher(own, message, by_method)
  local shown = public(by_method)
  return function(ctx, msg, name)
    if name == nil then name = msg.method end
    if not name then
      if message then return message(ctx, msg) end
      return no_method(own, nil, shown)
    end
    local method = by_method[name]
    if method and (shown[name] or msg.from == own) then return method(ctx, msg) end
    return method and private_method(own, name) or no_method(own, name, shown)
  end
end

local function check_batch(taken)
  if not taken.batch then return end
  if taken.on.message then
    shape.refuse("agent.batch", "it is called instead of on.message; the agent has both")
  end
  if taken.order == "key" then
    shape.refuse("agent.batch", 'not with order = "key": the messages of a batch have many keys, and state has one')
  end
end

--- Check a declaration.
---@param given table
---@return moonpost.Agent
function agent.new(given)
  local taken = shape.construct("agent", FIELDS, given)
  check_batch(taken)
  return setmetatable({
    address = taken.address,
    handle = dispatcher(taken.address, taken.on.message, taken.methods),
    handler_of = function(method)
      if method then return taken.methods[method] end
      return taken.on.message
    end,
    on_start = taken.on.start,
    on_stop = taken.on.stop,
    on_dead = taken.on.dead,
    key = taken.key,
    order = taken.order,
    concurrency = taken.order == "strict" and 1 or taken.concurrency,
    timeout = taken.timeout,
    budget = taken.budget,
    memory = taken.memory,
    profile = taken.profile,
    retry = taken.retry,
    dedup = taken.dedup,
    batch = taken.batch,
    version = taken.version,
    reads = taken.reads,
    understands = understood(taken),
    migrate = taken.migrate,
    has_handler = taken.on.message ~= nil or taken.batch ~= nil or next(taken.methods) ~= nil,
  }, metatable)
end

--- Is this value an agent's declaration?
---@param value any
---@return boolean
function agent.is(value)
  return getmetatable(value) == metatable
end

return agent
