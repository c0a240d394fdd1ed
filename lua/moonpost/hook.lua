--- `moonpost.hook { ... }`: functions called on steps of an envelope's way, and on facts.
local body = require "moonpost.body"
local headers = require "moonpost.headers"
local shape = require "moonpost.shape"
local show = require "moonpost.show"

local hook = {}

---@class moonpost.Hook
---@field priority number lower ones first
---@field on_error "pass"|"drop"
---@field steps { receive: function|nil, forward: function|nil, store: function|nil }
---@field facts table<string, function>
---@field fault boolean|nil a fault: refused in production
local metatable = { __name = "moonpost.hook" }
local fate_metatable = { __name = "moonpost.fate" }
local drop_metatable = { __name = "moonpost.drop" }

local STEPS = { "receive", "forward", "store" }
local FACTS = {
  "stored", "delivered", "handled", "retrying", "deferred", "dead", "expired", "duplicate", "dropped",
  "acked", "nacked", "timed_out", "replied", "start", "stop", "link_up", "link_down", "link_failed",
}

local FIELDS = {
  priority = { read = shape.number(-2 ^ 31, 2 ^ 31), default = 1000 },
  on_error = { read = shape.choice { pass = true, drop = true }, default = "pass" },
  reload = { not_yet = true },
  reloaded = { not_yet = true },
  stale = { not_yet = true },
}
for _, name in ipairs(STEPS) do FIELDS[name] = { read = shape.func } end
for _, name in ipairs(FACTS) do FIELDS[name] = { read = shape.func } end

local function pick(taken, names)
  local picked = {}
  for _, name in ipairs(names) do picked[name] = taken[name] end
  return picked
end

--- Check a hook's declaration.
---@param given table
---@return moonpost.Hook
function hook.new(given)
  local taken = shape.construct("hook", FIELDS, given)
  return setmetatable({
    priority = taken.priority,
    on_error = taken.on_error,
    steps = pick(taken, STEPS),
    facts = pick(taken, FACTS),
  }, metatable)
end

--- Is this value a hook?
---@param value any
---@return boolean
function hook.is(value)
  return getmetatable(value) == metatable
end

--- What a step returns to drop an envelope.
---@param reason string
---@return { reason: string }
function hook.drop(reason)
  if type(reason) ~= "string" or reason == "" then
    shape.refuse("moonpost.drop", "reason: expected a text, got " .. show(reason))
  end
  return setmetatable({ reason = reason }, drop_metatable)
end

--- What a fault's step returns for an envelope that goes to a link: it is so late, is overtaken by the next one, comes
--- twice.
---@param fate { delay: number|nil, behind: boolean|nil, twice: boolean|nil }
function hook.fate(fate)
  return setmetatable(fate, fate_metatable)
end

local CHANGES = { headers = { read = headers.read }, body = {} }

--- What a step's answer means: "pass"; "drop" and a reason; "fate", a delay in seconds, whether the next one overtakes
--- it and whether it comes twice; or "alter", the new headers and the new body (bytes and encoding), each nil when it
--- stays. Raises for any other answer.
---@param answer any
---@return "pass"|"drop"|"alter"|"fate"
---@return string|table|number|nil
---@return string|boolean|nil bytes
---@return string|boolean|nil encoding
function hook.answer(answer)
  if answer == nil then return "pass" end
  if getmetatable(answer) == drop_metatable then return "drop", answer.reason end
  if getmetatable(answer) == fate_metatable then return "fate", answer.delay or 0, answer.behind, answer.twice end
  local changes = shape.construct("answer", CHANGES, answer)
  if changes.body == nil then return "alter", changes.headers end
  return "alter", changes.headers, body.encode(changes.body, "body")
end

return hook
