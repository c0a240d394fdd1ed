--- The class of worlds. Names that it does not have are errors, and a method that is called with a dot says so.
local closed = require "moonpost.closed"
local errors = require "moonpost.errors"
local nearest = require "moonpost.nearest"

local class = {}

--- What worlds can do. Whoever adds to it does so before `class.seal`.
---@class moonpost.World
class.methods = {}

local LATER = closed.words "publish fake_http"

-- What a world has or has not.
local FIELDS = closed.words "handle seed nodes first plan show"

local metatable = { __name = "moonpost.world" }

function metatable.__index(_, name)
  local method = class.methods[name]
  if method or FIELDS[name] then return method end
  if LATER[name] then errors.not_yet("world:" .. name) end
  errors.misuse(("world:%s: unknown%s"):format(tostring(name), nearest.hint(name, class.methods)))
end

-- What C raises has no line, or that of ours which has called it; a spec wants its own.
local function without_own_line(text)
  return text:match("^moonpost%.[%w_.]+:%d+: (.*)$") or not text:find("^[^:\n]+:%d+: ") and text or nil
end

-- C counts the world's handle as the first argument, and knows no method of ours.
local function as_of_method(name, text)
  return (text:gsub("^bad argument #%d+ to '[^']*' %((%l+) expected, got (.*)%)$",
    ("world:%s: expected a %%1, got %%2"):format(name)))
end

local function answered(name, ok, ...)
  if ok then return ... end
  local fault = ...
  local text = type(fault) == "string" and without_own_line(fault)
  if text then errors.misuse(as_of_method(name, text)) end
  error(fault, 0)
end

local function of_worlds_only(name, method)
  return function(self, ...)
    if getmetatable(self) ~= metatable then
      errors.misuse(("world.%s is called with a dot; write world:%s(...)"):format(name, name))
    end
    return answered(name, pcall(method, self, ...))
  end
end

--- All methods are there.
function class.seal()
  for name, method in pairs(class.methods) do class.methods[name] = of_worlds_only(name, method) end
end

--- Make a table a world.
---@param self table
---@return moonpost.World
function class.new(self)
  return setmetatable(self, metatable)
end

return class
