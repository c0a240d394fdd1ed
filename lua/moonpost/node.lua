--- `moonpost.node { ... }`: checks a node's settings and answers them in normal form.
local agent = require "moonpost.agent"
local hook = require "moonpost.hook"
local profile = require "moonpost.profile"
local retry = require "moonpost.retry"
local shape = require "moonpost.shape"
local show = require "moonpost.show"
local units = require "moonpost.units"

local node = {}

local LIST_MAX, AGENTS_MAX = 64, 4096
local metatable = { __name = "moonpost.node" }
local tables = setmetatable({}, { __mode = "k" })

--- "tcp://host:port" or "unix://path".
local function endpoint(value)
  if type(value) == "string" then
    local port = tonumber(value:match("^tcp://[^%s/]+:(%d+)$"))
    if port and port <= 65535 then return value end
    if port then return nil, ("%s: there is no port %.0f; ports end at 65535"):format(show(value), port) end
    if value:find("^unix://.") and not value:find("%c") then return value end
  end
  return nil, show(value) .. ' is not a door; write "tcp://127.0.0.1:7071" or "unix:///run/x.sock"'
end

--- A door, or the name of a node in a world.
local function destination(value)
  if type(value) == "string" and value ~= "" and not value:find("[%s%c]") and not value:find("://", 1, true) then
    return value
  end
  return endpoint(value)
end

-- Two of them later a link that says nothing is dead.
local HEARTBEAT_MAX = 86400

local function heartbeat(value)
  local seconds, reason = units.timeout(value)
  if seconds and seconds > HEARTBEAT_MAX then return nil, show(value) .. " is longer than a day" end
  return seconds, reason
end

local LINK = {
  to = { read = destination, required = true },
  first = { read = units.finite_duration, default = 1 },
  factor = { read = shape.number(1, 1000), default = 2 },
  cap = { read = units.finite_duration, default = 60 },
  jitter = { read = shape.number(0, 1), default = 0.1 },
  attempts = { read = shape.whole(1, math.huge), default = math.huge },
  stable_for = { read = units.finite_duration, default = 10 },
  heartbeat = { read = heartbeat, default = 15 },
  window = { read = shape.whole(1, 8192), default = 64 },
}

local function link(value)
  if type(value) ~= "table" then
    local to, reason = destination(value)
    if not to then return nil, reason end
    value = { to = to }
  end
  return shape.read(LINK, value)
end

local function file_or(is, what)
  return function(value)
    if is(value) or (type(value) == "string" and value ~= "") then return value end
    return nil, ("expected a file, a glob or %s, got %s"):format(what, show(value))
  end
end

-- A policy has the name of its file, so a value in this list could not be asked for.
local function policy(value)
  if type(value) == "string" and value:find("%.lua$") then return value end
  return nil, "expected a file or a glob that ends in .lua, got " .. show(value)
end

-- Room for a few commits and what settling needs.
local STORE_LEAST = 1024 ^ 2

local function store_max(value)
  local bytes, reason = units.size(value)
  if bytes and bytes < STORE_LEAST then return nil, show(value) .. ' is less than "1M"' end
  return bytes, reason
end

local STORE = {
  path = { read = shape.string(1024), default = "data" },
  sync = { read = shape.choice { commit = true, relaxed = true }, default = "commit" },
  max = { read = store_max, default = 8 * 1024 ^ 3 },
}

local function store(value)
  if value == "memory" then return value end
  if type(value) == "table" then return shape.read(STORE, value) end
  if type(value) ~= "string" then return nil, 'expected "memory" or { path = "data" }, got ' .. show(value) end
  return nil, ('%s: the store is "memory" or { path = %s }'):format(show(value), show(value))
end

local function split(value, names)
  local own, rest = {}, {}
  for key, item in pairs(value) do
    if names[key] then own[key] = item else rest[key] = item end
  end
  return own, rest
end

local SEND = {
  profile = { read = profile.read },
  await = { read = shape.choice { sent = true, stored = true, handled = true } },
}

-- The retry policy of senders, with `profile` and `await` beside its fields.
local function send(value)
  if type(value) ~= "table" or getmetatable(value) then return retry.read(value, "send") end
  local own, rest = split(value, SEND)
  local taken, reason, code = shape.read(SEND, own)
  if not taken then return nil, reason, code end
  local policy_table
  policy_table, reason, code = retry.read(rest, "send")
  if not policy_table then return nil, reason, code end
  policy_table.profile, policy_table.await = taken.profile, taken.await
  return policy_table
end

local function handle(value)
  return retry.read(value, "handle")
end

local function bounds(max, max_bytes)
  local fields = {
    max = { read = shape.whole(1, 2 ^ 53), default = max },
    max_bytes = { read = units.size, default = max_bytes },
  }
  return { read = shape.table(fields), default = shape.read(fields, {}) }
end

local LOG = {
  level = { read = shape.choice { debug = true, info = true, warn = true, error = true }, default = "info" },
  format = { read = shape.choice { text = true, json = true }, default = "text" },
  agents = { not_yet = true },
}

-- A size of at most so much.
local function at_most(limit, text)
  return function(value)
    local bytes, reason = units.size(value)
    if not bytes or (bytes >= 1 and bytes <= limit) then return bytes, reason end
    return nil, ("%s is not between 1 and %q"):format(show(value), text)
  end
end

local FLAG = { read = shape.boolean, default = false }

local FIELDS = {
  name = { read = shape.string(255) },
  listen = { read = shape.list(endpoint, LIST_MAX), default = {} },
  insecure = FLAG,
  links = { read = shape.list(link, LIST_MAX), default = {} },
  agents = { read = shape.list(file_or(agent.is, "an agent"), AGENTS_MAX) },
  hooks = { read = shape.list(file_or(hook.is, "a hook"), LIST_MAX) },
  policies = { read = shape.list(policy, LIST_MAX), default = { "policies/*.lua" } },
  store = { read = store, default = shape.read(STORE, {}) },
  send = { read = send },
  handle = { read = handle },
  outbox = bounds(100000, 256 * 1024 ^ 2),
  mailbox = bounds(10000000, 4 * 1024 ^ 3),
  body_max = { read = at_most(64 * 1024 ^ 2, "64M"), default = 1024 ^ 2 },
  state_max = { read = at_most(1024 ^ 2, "1M"), default = 64 * 1024 },
  grace = { read = units.finite_duration, default = 5 },
  watchdog = { read = units.timeout, default = 10 },
  log = { read = shape.table(LOG), default = shape.read(LOG, {}) },
  production = FLAG,
  strict = FLAG,
}
for name in ("profiles route keep topics http"):gmatch("%S+") do FIELDS[name] = { not_yet = true } end

local function on_loopback(door)
  local host = door:match("^tcp://(.*):%d+$")
  if not host then return true end
  return host == "localhost" or host == "[::1]" or host:find("^127%.%d+%.%d+%.%d+$") ~= nil
end

local function check_doors(settings)
  for index, door in ipairs(settings.listen) do
    if not settings.insecure and not on_loopback(door) then
      shape.refuse(("node.listen[%d]"):format(index), show(door) .. " is outside loopback; that needs insecure = true")
    end
  end
end

local function check_faults(settings)
  for index, value in ipairs(settings.production and settings.hooks or {}) do
    if hook.is(value) and value.fault then
      shape.refuse(("node.hooks[%d]"):format(index), "is a fault, and production = true")
    end
  end
end

--- Check settings. `agents` and `hooks` stay nil when they are not given.
---@param given table
---@return table settings
function node.new(given)
  local settings = shape.construct("node", FIELDS, given)
  settings.send = settings.send or retry.default("send")
  settings.handle = settings.handle or retry.default("handle")
  check_doors(settings)
  check_faults(settings)
  tables[settings] = given
  return setmetatable(settings, metatable)
end

--- The table that settings were made of.
---@param settings table
---@return table
function node.given(settings)
  return tables[settings]
end

--- Are these checked settings?
---@param value any
---@return boolean
function node.is(value)
  return getmetatable(value) == metatable
end

return node
