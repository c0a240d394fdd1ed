--- Verbs of a delivery's ctx. Its facts come from the runtime, which looks here for all other names and
--- uses this table's own metatable for names that are not there.
local closed = require "moonpost.closed"
local errors = require "moonpost.errors"
local nearest = require "moonpost.nearest"
local receipt = require "moonpost.receipt"
local runtime = require "moonpost.runtime"
local send_table = require "moonpost.send"
local shape = require "moonpost.shape"
local units = require "moonpost.units"
local wait = require "moonpost.wait"

local ctx = {}

local ctx_send, ctx_field = runtime.ctx_send, runtime.ctx_field
local normalise, plain = send_table.normalise, send_table.plain

-- Outside of the commit: it leaves at once, whatever becomes of the delivery.
local function send_now(self, message)
  ctx_field(self, "address") -- raises GONE after the delivery
  return receipt.new(wait.now("send_now", message))
end

--- Send a message when this delivery commits; or, `immediate`, at once.
---@param self moonpost.Ctx
---@param to string
---@param body any plain data
---@param options table|nil
---@return string|moonpost.Receipt id or, `immediate`, the receipt; then it raises the code of a nack
function ctx.send(self, to, body, options)
  if options == nil then return ctx_send(self, plain(to, body)) end
  local message = normalise(to, body, options, "ctx:send")
  return message.immediate and send_now(self, message) or ctx_send(self, message)
end

--- Ask and wait for the result. Raises the receipt's code, or TIMEOUT.
---@param self moonpost.Ctx
---@param to string
---@param body any plain data
---@param options table|nil
---@return any result
function ctx.call(self, to, body, options)
  local message = send_table.call(to, body, options, "ctx:call")
  ctx_field(self, "address") -- raises GONE after the delivery
  local answer = receipt.new(wait.now("call", message))
  local result, reason, code = receipt.result(answer)
  if code then error(errors.new { code = code, reason = reason, ref = answer.ref }, 0) end
  return result
end

local read_id = shape.string(128)

--- Take back, when this delivery commits, a message of this agent that nobody was handed yet: a timer, say. What it has
--- sent in this delivery under this id is not sent; what it sends afterwards is. Nothing happens when there is none.
---@param self moonpost.Ctx
---@param id string
function ctx.cancel(self, id)
  local ok, reason = read_id(id)
  if not ok then errors.misuse("ctx:cancel: id: " .. reason) end
  runtime.ctx_cancel(self, id)
end

local LABEL_MAX = 64

local read_label = shape.string(LABEL_MAX)

--- An id that follows from the message's, the same at every attempt: for the outside world, which can tell by it
--- what it has done already. An id that would be longer than 128 bytes has a hash in its middle.
---@param self moonpost.Ctx
---@param label string
---@return string
function ctx.id_for(self, label)
  local ok, reason = read_label(label)
  if not ok then errors.misuse("ctx:id_for: label: " .. reason) end
  local id = runtime.ctx_id_for(self, label)
  if not id then errors.misuse("ctx:id_for: there is no one message here; an id of msg.id will do in a batch") end
  return id
end

--- The delivery may take so long from now, instead of what was left of its timeout.
---@param self moonpost.Ctx
---@param duration moonpost.Duration
function ctx.extend(self, duration)
  local seconds, reason = units.timeout(duration)
  if not seconds then errors.misuse("ctx:extend: " .. reason) end
  if not runtime.ctx_extend(self, seconds) then
    errors.misuse("ctx:extend: on.start and on.stop have no timeout")
  end
end

local FIELDS = closed.words [[address node generation key attempt last transmission profile expires requeues
  state kv cache]]
local LATER_VERBS = closed.words "publish stream http emit progress cancelled"

local names = {}
for _, set in ipairs { FIELDS, LATER_VERBS, ctx } do
  for name in pairs(set) do names[name] = true end
end

return setmetatable(ctx, {
  __index = function(_, name)
    if FIELDS[name] then return nil end
    if LATER_VERBS[name] then errors.not_yet("ctx:" .. name) end
    errors.misuse(("ctx.%s: unknown%s"):format(tostring(name), nearest.hint(name, names)))
  end,
  __newindex = function(self, name, value)
    if name == "state" then return require("moonpost.state").replace(self, value) end
    errors.misuse(("ctx.%s: cannot be set"):format(tostring(name)))
  end,
})
