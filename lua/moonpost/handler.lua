--- Runs a handler and says how its delivery ended, in the words of API.md section 3.1.
local body = require "moonpost.body"
local errors = require "moonpost.errors"
local outcome = require "moonpost.outcome"
local runtime = require "moonpost.runtime"
local show = require "moonpost.show"

local handler = {}

local traceback = debug.traceback
local is_outcome = outcome.is
local touched = runtime.state_touched
local json_encode = runtime.json_encode

local MSG = "moonpost.msg" -- what getmetatable says of a msg, which has its fields and no others
local SHOWN_MAX = 200 -- bytes of a table that was raised

-- What xpcall answers for an error other than an outcome.
local failure = {}

local function on_error(fault)
  if is_outcome(fault) then return fault end
  return setmetatable({ fault = fault, traceback = traceback("", 2):gsub("^\n", "") }, failure)
end

local function text_of(value)
  if type(value) == "string" then return value end
  local metatable = getmetatable(value)
  if type(metatable) == "table" and metatable.__tostring then
    local ok, text = pcall(tostring, value)
    if ok then return text end
  end
  if type(value) == "table" and metatable ~= MSG and type(value.reason) == "string" then return value.reason end
  local ok, text = pcall(json_encode, value)
  return "raised " .. (ok and type(value) == "table" and text:sub(1, SHOWN_MAX) or show(value))
end

local function reason_of(fault)
  if errors.is(fault) then return fault.reason end
  return text_of(fault)
end

-- kind, reason, code of an error. A final code without `final` is the script's own fault (BAD_VALUE,
-- UNSUPPORTED): an ordinary failure, whose text keeps the code.
local function of_fault(fault)
  if type(fault) ~= "table" or getmetatable(fault) == MSG then return "retry", text_of(fault), "HANDLER_ERROR" end
  local code = type(fault.code) == "string" and fault.code or nil
  local final = fault.final
  if final == nil then final = errors.is_final(code) end
  if final then return "reject", reason_of(fault), code or "REJECTED" end
  if not code or (errors.is_final(code) and not fault.outside) then return "retry", text_of(fault), "HANDLER_ERROR" end
  return "retry", reason_of(fault), code
end

local function of_outcome(value)
  local delay = value.delay
  if value.at then delay = math.max(0, value.at - runtime.now()) end
  return value.outcome, value.reason, value.code, delay
end

-- `return nil, reason [, code]`
local function of_answer(reason, code)
  if is_outcome(reason) then return of_outcome(reason) end
  if type(reason) == "table" then return of_fault(reason) end
  code = type(code) == "string" and code or "HANDLER_ERROR"
  return errors.is_final(code) and "reject" or "retry", text_of(reason), code
end

local function of_failure(fault, trace)
  local kind, reason, code = of_fault(fault)
  return kind, reason, code, nil, nil, nil, trace
end

local function raised(value)
  if is_outcome(value) then return of_outcome(value) end
  if getmetatable(value) ~= failure then return of_failure(value) end
  return of_failure(value.fault, value.traceback)
end

local function acked(value)
  if value == nil then return "ack" end
  local ok, bytes, encoding = pcall(body.encode, value, "result")
  if not ok then return of_failure(bytes) end
  return "ack", nil, nil, nil, bytes, encoding
end

local function ended(ok, value, reason, code)
  if ok and value == nil and reason == nil then return "ack" end
  if not ok then return raised(value) end
  if is_outcome(value) then return of_outcome(value) end
  if value == nil and reason ~= nil then return of_answer(reason, code) end
  return acked(value)
end

-- What it changed of its state belongs to an ack; what cannot be kept makes it a failure.
local function finished(ctx, kind, ...)
  if kind ~= "ack" or not touched(ctx) then return kind, ... end
  local ok, fault = pcall(require("moonpost.state").finish, ctx)
  if not ok then return of_failure(fault) end
  return kind, ...
end

-- An outcome that was made and not returned does nothing: most likely the `return` was forgotten.
local function noticed(made, kind, ...)
  if outcome.made == made then return kind, ... end
  local value = outcome.take()
  if kind == "ack" and value then
    runtime.log("warn", ("acknowledged, although moonpost.%s(%q) was made: an outcome counts when it is returned; "
      .. "write: return moonpost.%s(…)"):format(value.outcome, value.reason, value.outcome))
  end
  return kind, ...
end

--- Run the handler of an agent on a message.
---@param agent moonpost.Agent
---@param ctx moonpost.Ctx
---@param msg moonpost.Msg
---@param method string|false|nil the message's; false: it has none, nil: look
---@return "ack"|"retry"|"defer"|"reject"|"skip" kind
---@return string|nil reason
---@return string|nil code
---@return number|nil delay seconds
---@return string|nil result bytes
---@return "raw"|"json"|nil encoding of the result
---@return string|nil traceback
function handler.run(agent, ctx, msg, method)
  local made = outcome.made
  return noticed(made, finished(ctx, ended(xpcall(agent.handle, on_error, ctx, msg, method))))
end

-- What is said of one message of a batch: an outcome, an error, or its result.
local function of_one(answer)
  if is_outcome(answer) then return of_outcome(answer) end
  if errors.is(answer) then return of_failure(answer) end
  return acked(answer)
end

local function misplaced(index, count)
  local reason = ("a batch of %d answers by index, 1 to %d, not by %s"):format(count, count, show(index))
  return of_failure(errors.new { code = "BAD_VALUE", reason = reason })
end

local function by_index(answers, count)
  local parts = {}
  for index, answer in pairs(answers) do
    local place = type(index) == "number" and index % 1 == 0 and index >= 1 and index <= count
    if not place then return misplaced(index, count) end
    parts[index] = { of_one(answer) }
  end
  return "ack", nil, nil, nil, nil, nil, nil, parts
end

local function ended_batch(count, ok, value, ...)
  local answers = ok and type(value) == "table" and not is_outcome(value) and not errors.is(value)
  if answers then return by_index(value, count) end
  return ended(ok, value, ...)
end

--- Run the batch handler of an agent. Answers like run, of all messages or, as an eighth value, of each: a table by
--- index of what run answers; one that is missing is an ack.
---@param agent moonpost.Agent
---@param ctx moonpost.Ctx
---@param msgs moonpost.Msg[]
function handler.batch(agent, ctx, msgs)
  local count = #msgs
  return finished(ctx, ended_batch(count, xpcall(agent.batch.handle, on_error, ctx, msgs)))
end

local function event(ok, value, reason, code)
  if ok and value ~= nil and not is_outcome(value) then return "ack" end
  return ended(ok, value, reason, code)
end

--- Run on.start; anything but "ack" refuses the start. Answers like run, without a result.
---@param agent moonpost.Agent
---@param ctx moonpost.Ctx
---@param why "boot"|"reload"
function handler.start(agent, ctx, why)
  if not agent.on_start then return "ack" end
  return finished(ctx, event(xpcall(agent.on_start, on_error, ctx, why)))
end

--- Run on.dead for a dead letter. Answers like run; there is nobody to have a result.
---@param agent moonpost.Agent
---@param ctx moonpost.Ctx
---@param dead moonpost.DeadLetter|nil nil: nobody knows any more what there was to say
function handler.dead(agent, ctx, dead)
  if not agent.on_dead or not dead then return "ack" end
  return finished(ctx, event(xpcall(agent.on_dead, on_error, ctx, dead)))
end

--- Run on.stop. Answers like run, without a result.
---@param agent moonpost.Agent
---@param ctx moonpost.Ctx
function handler.stop(agent, ctx)
  if not agent.on_stop then return "ack" end
  return finished(ctx, event(xpcall(agent.on_stop, on_error, ctx)))
end

errors.runs(handler.run, function(agent, _, msg, method)
  if method == nil then method = msg.method end
  return agent.handler_of(method)
end)
errors.runs(handler.batch, function(agent) return agent.batch.handle end)
errors.runs(handler.start, function(agent) return agent.on_start end)
errors.runs(handler.dead, function(agent) return agent.on_dead end)
errors.runs(handler.stop, function(agent) return agent.on_stop end)

return handler
