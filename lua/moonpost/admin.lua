--- `$node`: what a node answers to the programs of its own user. C calls `answer` with each request; what is
--- changed takes place right after it, and the answer leaves when the change is durable. Its methods are in `admin/`.
local body_of = require "moonpost.body"
local common = require "moonpost.admin.common"
local errors = require "moonpost.errors"
local nearest = require "moonpost.nearest"
local show = require "moonpost.show"

local admin = {}

local METHODS = {}
for _, topic in ipairs { "status", "dead", "queue", "reload", "pages", "trace", "metrics" } do
  for name, method in pairs(require("moonpost.admin." .. topic)) do METHODS[name] = method end
end

-- Methods of the API that this version refuses.
local LATER = {}
for name in ([[config]])
  :gmatch("%S+") do
  LATER[name] = true
end

local function method_of(name)
  if METHODS[name] then return METHODS[name] end
  if LATER[name] then errors.not_yet("$node: " .. name) end
  if name == "" then errors.raise("NO_METHOD", "$node does nothing without a method, such as status") end
  errors.raise("NO_METHOD", ("$node has no method %s%s"):format(show(name), nearest.hint(name, METHODS)))
end

local function result_of(request, method, body, from, page)
  local result = method_of(method)(request, body, from, page)
  if result == common.LATER then return false end
  return body_of.encode(result, "result")
end

--- Answer a request.
---@param request number names it when something is changed
---@param method string
---@param body any
---@param from string who asks
---@param page table|nil what it was asked once before for
---@return string|false|nil code nil: done; false: it is to be asked once more, with a page
---@return string|nil reason
---@return string|nil result bytes
---@return string|nil encoding
function admin.answer(request, method, body, from, page)
  local ok, result, encoding = pcall(result_of, request, method, body, from, page)
  if result == false then return false end
  if ok then return nil, nil, result, encoding end
  if not errors.is(result) then error(result, 0) end
  return result.code, result.reason
end

return admin
