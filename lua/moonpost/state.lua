--- ctx.state: an agent's document. A handler works on a private copy; when it is acked the copy is compared with what
--- it came from, and written in the same commit if it differs.
local errors = require "moonpost.errors"
local record = require "moonpost.record"
local runtime = require "moonpost.runtime"

local state = {}

local memo_of, touched = runtime.state_memo, runtime.state_touched

local DOCUMENT_MAX = 64 * 1024

---@class moonpost.Document
---@field key string
---@field text string|nil what it was when it was read; nil: it was not there
---@field value table|nil nil: it is to go

local function open(ctx)
  local memo = memo_of(ctx)
  if not memo.document then
    local key = runtime.state_key(ctx)
    local text = runtime.state_read(ctx, "state", key)
    memo.document = { key = key, text = text, value = text and record.decode(text) or {} }
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
  if #text <= DOCUMENT_MAX then return end
  errors.raise("TOO_LARGE", ("ctx.state has %d bytes, and at most %d are kept; many records belong into ctx.kv")
    :format(#text, DOCUMENT_MAX))
end

-- An empty document is as good as none.
local function text_of(document)
  if document.value == nil or (document.text == nil and next(document.value) == nil) then return nil end
  return record.encode(document.value, "ctx.state")
end

--- The handler was acked: write what it changed. Raises what fails the delivery.
---@param ctx moonpost.Ctx
function state.finish(ctx)
  if not touched(ctx) then return end
  local document = memo_of(ctx).document
  if not document then return end
  local text = text_of(document)
  if text == document.text then return end
  if text then check_size(text) end
  runtime.state_set(ctx, "state", document.key, text)
end

return state
