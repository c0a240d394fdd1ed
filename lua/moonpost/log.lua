--- Lines for people and programs; the delivery's id, agent and generation are added by the node.
local closed = require "moonpost.closed"
local errors = require "moonpost.errors"
local runtime = require "moonpost.runtime"

local log = {}

local function write(level, text, fields)
  if type(text) ~= "string" then
    errors.misuse(("log.%s: text: expected a string, got %s"):format(level, type(text)))
  end
  if fields ~= nil and type(fields) ~= "table" then
    errors.misuse(("log.%s: fields: expected a table, got %s"):format(level, type(fields)))
  end
  runtime.log(level, text, fields)
end

---@param text string
---@param fields table|nil plain data
function log.debug(text, fields) write("debug", text, fields) end

---@param text string
---@param fields table|nil plain data
function log.info(text, fields) write("info", text, fields) end

---@param text string
---@param fields table|nil plain data
function log.warn(text, fields) write("warn", text, fields) end

---@param text string
---@param fields table|nil plain data
function log.error(text, fields) write("error", text, fields) end

return closed.close("moonpost.log.", log, {})
