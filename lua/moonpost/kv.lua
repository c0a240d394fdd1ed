--- ctx.kv: any number of small records of an agent, in the commit of the delivery that writes them.
local errors = require "moonpost.errors"
local record = require "moonpost.record"
local runtime = require "moonpost.runtime"
local shape = require "moonpost.shape"
local units = require "moonpost.units"

---@class moonpost.Kv
local Kv = { __name = "moonpost.kv" }

local VALUE_MAX = 1024 * 1024
local LIST, LIST_MAX = 100, 1000
local KEY_MAX = 200

local read_key = shape.string(KEY_MAX)

local function check_key(method, key)
  local ok, reason = read_key(key)
  if not ok then errors.misuse(("ctx.kv:%s: key: %s"):format(method, reason)) end
end

local SET = { ttl = { read = units.timeout } }

local function any_key(value)
  if value == "" then return value end
  return read_key(value)
end

local LISTING = {
  prefix = { read = any_key, default = "" },
  after = { read = any_key, default = "" },
  limit = { read = shape.whole(1, LIST_MAX), default = LIST },
}

local function options_of(method, fields, given)
  local taken, reason = shape.read(fields, given or {})
  if not taken then errors.misuse(("ctx.kv:%s: options%s"):format(method, reason)) end
  return taken
end

-- What this delivery has done to a record: { text = } (false: removed) or { added = }.
local function own_of(self, key)
  local own = self.own[key]
  if not own then
    own = { added = 0 }
    self.own[key] = own
  end
  return own
end

local function number_in(key, text)
  local number = text and tonumber(text) or (text == nil or text == false) and 0 or nil
  if not number then
    errors.raise("BAD_VALUE", ("ctx.kv:add: %q holds no number"):format(key))
  end
  return number
end

-- What was read stays what it was: a delivery sees one state of each record.
local function read(self, key)
  local known = self.seen[key]
  if known == nil then
    known = runtime.state_read(self.ctx, "kv", key) or false
    self.seen[key] = known
  end
  return known
end

local function text_of(self, key)
  local own = self.own[key]
  if own and own.text ~= nil then return own.text end
  local text = read(self, key)
  if not own or own.added == 0 then return text end
  return record.encode(number_in(key, text) + own.added, "value")
end

--- The value of a record: a copy; nil when it is not there.
---@param key string
---@return any
function Kv:get(key)
  check_key("get", key)
  local text = text_of(self, key)
  return text and record.decode(text) or nil
end

--- Write a record. `ttl`: how long it is there.
---@param key string
---@param value any plain data, not nil
---@param options { ttl: moonpost.Duration|nil }|nil
function Kv:set(key, value, options)
  check_key("set", key)
  if value == nil then errors.misuse("ctx.kv:set: the value is nil; use ctx.kv:delete(key)") end
  local ttl = options_of("set", SET, options).ttl
  local text = record.encode(value, "value")
  if #text > VALUE_MAX then
    errors.raise("TOO_LARGE", ("ctx.kv: the value of %q has %d bytes, and at most %d are kept")
      :format(key, #text, VALUE_MAX))
  end
  local expires = ttl and ttl < math.huge and runtime.now() + ttl or 0
  runtime.state_set(self.ctx, "kv", key, text, expires)
  own_of(self, key).text = text
end

--- Remove a record; nothing happens when it is not there.
---@param key string
function Kv:delete(key)
  check_key("delete", key)
  runtime.state_set(self.ctx, "kv", key, nil)
  own_of(self, key).text = false
end

local function sum(key, before, number)
  local after = before + number
  if math.abs(after) < math.huge then return after end
  errors.raise("BAD_VALUE", ("ctx.kv: the sum in %q would be beyond all numbers: %g + %g"):format(key, before, number))
end

--- Add to a number; a missing record is 0. It never conflicts with others who add, and leaves the record its `ttl`.
---@param key string
---@param number number
function Kv:add(key, number)
  check_key("add", key)
  if type(number) ~= "number" or number ~= number or math.abs(number) == math.huge then
    errors.misuse("ctx.kv:add: expected a finite number, got " .. tostring(number))
  end
  local own = own_of(self, key)
  if own.text ~= nil then
    own.text = record.encode(sum(key, number_in(key, own.text), number), "value")
    runtime.state_set(self.ctx, "kv", key, own.text)
    return
  end
  sum(key, number_in(key, runtime.state_read(self.ctx, "kv", key, true)), own.added + number)
  own.added = own.added + number
  runtime.state_add(self.ctx, key, number)
end

-- ---- listing ----

local function own_text(own, key, text)
  if own.text ~= nil then return own.text end
  return record.encode(number_in(key, text) + own.added, "value")
end

-- A page of the records as they were, with what this delivery did to them; `last`: there is nothing behind it.
local function page(self, prefix, after, limit)
  local listed, texts = runtime.state_list(self.ctx, prefix, after, limit), {}
  local last = listed[#listed - 1]
  local complete = #listed / 2 < limit
  for index = 1, #listed, 2 do texts[listed[index]] = listed[index + 1] end
  for key, own in pairs(self.own) do
    local within = key > after and key:sub(1, #prefix) == prefix and (complete or key <= last)
    if within then texts[key] = own_text(own, key, texts[key]) or nil end
  end
  local keys = {}
  for key in pairs(texts) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys, texts, not complete and last or nil
end

--- Records by key, as they were when this was asked, with this delivery's own changes. `after` is the last key of the
--- page before.
---@param options { prefix: string|nil, after: string|nil, limit: integer|nil }|nil
---@return { key: string, value: any }[]
function Kv:list(options)
  local taken = options_of("list", LISTING, options)
  local items, after = {}, taken.after
  repeat
    local keys, texts, more = page(self, taken.prefix, after, taken.limit)
    for _, key in ipairs(keys) do
      if #items == taken.limit then return items end
      items[#items + 1] = { key = key, value = record.decode(texts[key]) }
    end
    after = more
  until not more or #items == taken.limit
  return items
end

function Kv.__index(_, name)
  local method = rawget(Kv, name)
  if method then return method end
  errors.misuse(("ctx.kv.%s: unknown; use get, set, delete, add or list"):format(tostring(name)))
end

function Kv.__newindex(_, name)
  errors.misuse(("ctx.kv.%s: cannot be set; use ctx.kv:set(%q, value)"):format(tostring(name), tostring(name)))
end

local kv = {}

--- The records of a delivery's agent.
---@param ctx moonpost.Ctx
---@return moonpost.Kv
function kv.of(ctx)
  local memo = runtime.state_memo(ctx)
  memo.kv = memo.kv or setmetatable({ ctx = ctx, own = {}, seen = {} }, Kv)
  return memo.kv
end

return kv
