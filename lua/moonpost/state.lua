--- ctx.state: an agent's document. A handler works on a private copy; when it is acked the copy is compared with what
--- it came from, and written in the same commit if it differs.
local errors = require "moonpost.errors"
local outcome = require "moonpost.outcome"
local record = require "moonpost.record"
local runtime = require "moonpost.runtime"
local show = require "moonpost.show"

local state = {}

local memo_of, touched = runtime.state_memo, runtime.state_touched

---@class moonpost.Document
---@field key string
---@field text string|nil what it was when it was read; nil: it was not there
---@field value table|nil nil: it is to go
---@field old boolean another version wrote it, which is to be written anew

local function migrate(agent, text, from)
  local value = agent.migrate(record.decode(text), from)
  if type(value) == "table" then return value end
  errors.raise("BAD_VALUE", ("migrate(old, %d): expected the new state, a table, got %s"):format(from, show(value)))
end

-- A newer generation has taken its place while this one was at work, and will be handed the message.
local function newer(agent, from)
  local reason = "its state was written by version %d meanwhile, which version %d does not read"
  error(outcome.defer(reason:format(from, agent.version), { delay = 1 }), 0)
end

local function value_of(ctx, text, from)
  if not text then return {}, false end
  local agent = runtime.state_agent(ctx)
  if agent.understands[from] then return record.decode(text), false end
  if from > agent.version or not agent.migrate then newer(agent, from) end
  return migrate(agent, text, from), true
end

local function open(ctx)
  local memo = memo_of(ctx)
  if not memo.document then
    local key = runtime.state_key(ctx)
    local text, from = runtime.state_read(ctx, "state", key)
    local value, old = value_of(ctx, text, from)
    memo.document = { key = key, text = text, value = value, old = old }
  end
  return memo.document
end

--- The document; the same table each time.
---@param ctx moonpost.Ctx
---@return table
function state.get(ctx)
  local document = open(ctx)
  if document.value == nil then document.value = {} end
  return document.value
end

--- Put another table in its place; nil removes the record.
---@param ctx moonpost.Ctx
---@param value table|nil
function state.replace(ctx, value)
  if value ~= nil and type(value) ~= "table" then
    errors.misuse(("ctx.state: expected a table or nil, got a %s"):format(type(value)))
  end
  open(ctx).value = value
end

local function check_size(text)
  local most = runtime.state_max()
  if #text <= most then return end
  local reason = "ctx.state has %d bytes, and at most %d are kept (state_max); many records belong into ctx.kv"
  errors.raise("TOO_LARGE", reason:format(#text, most))
end

-- An empty document is as good as none.
local function text_of(document)
  if document.value == nil or (document.text == nil and next(document.value) == nil) then return nil end
  return record.encode(document.value, "ctx.state")
end

--- The text of a document that an earlier version wrote, as this one has it. Raises what `migrate` raises.
---@param agent moonpost.Agent
---@param text string
---@param from integer that version
---@return string
function state.migrated(agent, text, from)
  local new = record.encode(migrate(agent, text, from), "ctx.state")
  check_size(new)
  return new
end

--- The handler was acked: write what it changed. Raises what fails the delivery.
---@param ctx moonpost.Ctx
function state.finish(ctx)
  if not touched(ctx) then return end
  local document = memo_of(ctx).document
  if not document then return end
  local text = text_of(document)
  if text == document.text and not document.old then return end
  if text then check_size(text) end
  runtime.state_set(ctx, "state", document.key, text)
end

return state
