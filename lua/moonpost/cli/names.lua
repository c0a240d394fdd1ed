--- Names that are not there behind `moonpost.`, `ctx` and `msg`, and in specs behind `test.` and worlds: a script would
--- only say so when it comes to them.
---
--- What is read is the text without comments and strings. A local of another kind with one of these names keeps a file
--- from being looked at for it.
local class = require "moonpost.test.class"
local ctx = require "moonpost.ctx"
local moonpost = require "moonpost"
local msg = require "moonpost.msg"
local sorted_pairs = require "moonpost.sorted_pairs"
local source = require "moonpost.cli.source"
local test = require "moonpost.test"

local names = {}

local WORLD = class.new {}

-- Each place in which a name stands before a dot or colon and another name, and is no field itself.
local function each_field(code, owner, visit)
  local last, line = 1, 1
  for at, joint, name, after in code:gmatch("()%f[%w_]" .. owner .. "%s*([.:])%s*([%a_][%w_]*)()") do
    line = line + select(2, code:sub(last, at):gsub("\n", ""))
    last = at + 1
    if not code:find("^[^.][.:]", at - 2) then
      visit { line = line, joint = joint, name = name, is_call = code:find("^%s*%(", after) ~= nil }
    end
  end
end

-- The names of a closed table, and whether one of them may be used. Later versions' names are said by loading.
local function knows(owner, name)
  local ok, reason = pcall(function() return owner[name] end)
  return ok or not tostring(reason):find("unknown", 1, true), reason
end

local function of_closed(found, owner, shown)
  return function(field)
    local known, reason = knows(owner, field.name)
    if known then return end
    local hint = tostring(reason):match('did you mean "(.-)"')
    found[#found + 1] = { line = field.line, message = ("%s%s%s: unknown"):format(shown, field.joint, field.name),
      fix = hint and ("write %s%s%s"):format(shown, field.joint, hint) or "see docs/reference.md" }
  end
end

-- The same of an owner with methods, which can be called with a dot.
local function of_methods(found, owner, methods, shown)
  local unknown = of_closed(found, owner, shown)
  return function(field)
    unknown(field)
    if field.joint == "." and field.is_call and type(rawget(methods, field.name)) == "function" then
      found[#found + 1] = { line = field.line, message = ("%s.%s is called with a dot"):format(shown, field.name),
        fix = ("write %s:%s(...)"):format(shown, field.name) }
    end
  end
end

local function has_parameter(code, pattern)
  return code:find("function[%s%w_.:]*%(" .. pattern) ~= nil
end

-- Is a name given another value than a world, or handed to a function that is not told what it is?
local function is_other_too(code, name)
  local at = "%f[%w_]" .. name .. "%f[^%w_]"
  for value in code:gmatch(at .. "%s*=%s*([%w_.]*)") do
    if value ~= "test.world" then return true end
  end
  for before, parameters in code:gmatch("([%w_.%s{},=(]*)function[%s%w_.:]*(%b())") do
    if parameters:find(at) and not before:find("test%.fuzz%s*%([^(]*$") then return true end
  end
  return code:find("for[%s%w_,]-" .. at .. "[%s%w_,]-in%f[^%w_]") ~= nil
end

-- What is a world in a spec, wherever it stands.
local function worlds_of(code)
  local found = {}
  for name in code:gmatch("%f[%w_]([%a_][%w_]*)%s*=%s*test%.world%f[^%w_]") do found[name] = true end
  for name in code:gmatch("test%.fuzz%s*%([^()]*function%s*%(%s*([%a_][%w_]*)") do found[name] = true end
  for name in pairs(found) do
    if is_other_too(code, name) then found[name] = nil end
  end
  return found
end

--- The names of a file that are not there, in order of kind.
---@param text string of a file that compiles
---@return { line: integer, message: string, fix: string }[]
function names.find(text)
  local found, code = {}, "\n\n" .. source.code(text)
  local function look(owner, visit)
    each_field(code, owner, function(field)
      field.line = field.line - 2
      visit(field)
    end)
  end
  if source.requires(text, "moonpost", "moonpost") then look("moonpost", of_closed(found, moonpost, "moonpost")) end
  if source.requires(text, "test", "moonpost.test") then
    look("test", of_closed(found, test, "test"))
    for name in sorted_pairs(worlds_of(code)) do look(name, of_methods(found, WORLD, class.methods, name)) end
  end
  if code:find("local%s+ctx%f[^%w_]") or code:find("local%s+msg%f[^%w_]") then return found end
  if not has_parameter(code, "%s*ctx%s*[,)]") then return found end
  look("ctx", of_methods(found, ctx, ctx, "ctx"))
  if has_parameter(code, "%s*ctx%s*,%s*msg%s*[,)]") then look("msg", of_closed(found, msg.NAMES, "msg")) end
  return found
end

return names
