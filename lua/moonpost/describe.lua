--- What a file of a project returned, as plain data in JSON: for commands that look at files without a node.
local agent = require "moonpost.agent"
local dedup = require "moonpost.dedup"
local json = require "moonpost.json"
local moonpost = require "moonpost"
local node = require "moonpost.node"
local project = require "moonpost.project"
local retry = require "moonpost.retry"

local describe = {}

local ASKED_MAX = 20

-- JSON has no infinity.
local function number(value)
  return value == math.huge and "inf" or value
end

local POLICY = { "attempts", "first", "factor", "step", "cap", "jitter", "deadline" }

--- A function decides by itself: what it answers to one failure after the other.
local function ask(policy)
  local waits, elapsed, reason = {}, 0, nil
  for attempt = 1, ASKED_MAX do
    local delay, why = policy { attempt = attempt, error = "failed", code = "HANDLER_ERROR", elapsed = elapsed,
      address = "agent@local" }
    if delay == nil then
      reason = why or "gives up"
      break
    end
    waits[attempt] = moonpost.seconds(delay)
    elapsed = elapsed + waits[attempt]
  end
  return { kind = "function", waits = moonpost.array(waits), reason = reason }
end

local function policy_of(policy)
  if policy == nil then return nil end
  if type(policy) == "function" then return ask(policy) end
  local plain = { kind = "table", final = policy.final ~= nil, delays = policy.delays }
  for _, name in ipairs(POLICY) do plain[name] = number(policy[name]) end
  return plain
end

local function describe_agent(value)
  if not agent.is(value) then
    error(("a %s is not an agent; end the file with return moonpost.agent { ... }"):format(type(value)), 0)
  end
  return {
    address = value.address,
    has_handler = value.has_handler,
    starts = value.on_start ~= nil,
    profile = value.profile,
    dedup = value.dedup.kind,
    retry = type(value.retry) == "table" and policy_of(value.retry) or nil,
    concurrency = value.concurrency,
    timeout = number(value.timeout),
    budget = number(value.budget),
    memory = number(value.memory),
  }
end

-- Which keys were given, as "store.path" and "links[2].first".
local function add_keys(keys, given, path)
  for key, value in pairs(given) do
    local dot = path ~= "" and "." or ""
    local name = type(key) == "number" and ("%s[%d]"):format(path, key) or path .. dot .. tostring(key)
    keys[name] = true
    if type(value) == "table" then add_keys(keys, value, name) end
  end
  return keys
end

local function files_of(list)
  if list == nil then return nil end
  local files = {}
  for index, entry in ipairs(list) do files[index] = type(entry) == "string" and entry or false end
  return moonpost.array(files)
end

-- Agents that are values in the settings.
local function agents_in(list)
  local found = {}
  for _, entry in ipairs(list or {}) do
    if agent.is(entry) then found[#found + 1] = describe_agent(entry) end
  end
  return moonpost.array(found)
end

local function links_of(settings)
  local links = {}
  for index, link in ipairs(settings.links) do
    local plain = {}
    for name, value in pairs(link) do plain[name] = number(value) end
    links[index] = plain
  end
  return moonpost.array(links)
end

local PLAIN = { "name", "insecure", "store", "outbox", "mailbox", "body_max", "state_max", "log", "production",
  "strict", "grace", "watchdog" }

local function describe_settings(value)
  local plain = { given = add_keys({}, node.given(value), "") }
  for _, name in ipairs(PLAIN) do plain[name] = number(value[name]) end
  plain.listen = moonpost.array(value.listen)
  plain.policies = value.policies
  plain.agents, plain.hooks = files_of(value.agents), files_of(value.hooks)
  plain.values = agents_in(value.agents)
  plain.links = links_of(value)
  plain.send, plain.handle = policy_of(value.send), policy_of(value.handle)
  if type(value.send) == "table" then plain.profile, plain.await = value.send.profile, value.send.await end
  return plain
end

--- A policy file can be either kind; what is said is of the retry policy.
local function describe_policy(path)
  local chunk, reason = project.load(path, "policy")
  if not chunk then error(reason, 0) end
  local value = chunk()
  if value == nil then error(path .. ": it returns nothing; end it with a return", 0) end
  local policy, wrong = retry.read(value, "handle")
  if policy then return policy_of(policy) end
  if dedup.read(value) then return { kind = "dedup" } end
  error(path .. (wrong:find("^[.%[]") and ": retry" or ": ") .. wrong, 0)
end

local DESCRIBE = { agent = describe_agent, settings = describe_settings, policy = describe_policy }

--- C calls this with a value that a file returned; of a policy, with its path.
---@param what "agent"|"settings"|"policy"
---@param value any
---@return string text a JSON object
function describe.main(what, value)
  return json.encode(DESCRIBE[what](value))
end

return describe
