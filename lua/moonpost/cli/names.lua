--- Names that are not there behind `moonpost.`, `ctx` and `msg`: a handler would only say so when it comes to them.
---
--- What is read is the text without comments and strings. A local of another kind with one of these names keeps a file
--- from being looked at for it.
local closed = require "moonpost.closed"
local ctx = require "moonpost.ctx"
local moonpost = require "moonpost"

local names = {}

local MSG = closed.close("msg.", closed.words "id to from key method topic headers body sent_at", {})

local function blank(text)
  return (text:gsub("[^\n]", " "))
end

-- What begins at a place and is no code: its end, or nil.
local function end_of(text, at)
  local equals = text:match("^%-%-%[(=*)%[", at) or text:match("^%[(=*)%[", at)
  if equals then return select(2, text:find("%]" .. equals .. "%]", at)) or #text end
  if text:find("^%-%-", at) then return (text:find("\n", at, true) or #text + 1) - 1 end
  local quote = text:match("^[\"']", at)
  if not quote then return nil end
  local from = at + 1
  while from <= #text and text:sub(from, from) ~= quote do
    from = from + (text:sub(from, from) == "\\" and 2 or 1)
  end
  return from
end

-- The text with what is in comments and strings blanked, so that places stay.
local function code_of(text)
  local parts, at = {}, 1
  while at <= #text do
    local mark = text:find("[%-%[\"']", at)
    if not mark then break end
    local last = end_of(text, mark)
    parts[#parts + 1] = text:sub(at, mark - 1) .. (last and blank(text:sub(mark, last)) or text:sub(mark, mark))
    at = (last or mark) + 1
  end
  return table.concat(parts) .. text:sub(at)
end

-- Each place in which a name stands before a dot or colon and another name, and is no field itself.
local function each_field(code, owner, visit)
  local last, line = 1, 1
  for before, at, joint, name, after in code:gmatch("(.[^%w_])()" .. owner .. "%s*([.:])%s*([%a_][%w_]*)%s*(%(?)") do
    line = line + select(2, code:sub(last, at):gsub("\n", ""))
    last = at + 1
    if not before:find("^[^.][.:]") then visit { line = line, joint = joint, name = name, is_call = after == "(" } end
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

local function of_ctx(found)
  local unknown = of_closed(found, ctx, "ctx")
  return function(field)
    unknown(field)
    if field.joint == "." and field.is_call and type(rawget(ctx, field.name)) == "function" then
      found[#found + 1] = { line = field.line, message = ("ctx.%s is called with a dot"):format(field.name),
        fix = ("write ctx:%s(...)"):format(field.name) }
    end
  end
end

local function has_parameter(code, pattern)
  return code:find("function[%s%w_.:]*%(" .. pattern) ~= nil
end

--- The names of a file that are not there, in order of kind.
---@param text string of a file that compiles
---@return { line: integer, message: string, fix: string }[]
function names.find(text)
  local found, code = {}, "\n\n" .. code_of(text)
  local function look(owner, visit)
    each_field(code, owner, function(field)
      field.line = field.line - 2
      visit(field)
    end)
  end
  if text:find("local%s+moonpost%s*=%s*require%s*%(?%s*[\"']moonpost[\"']") then
    look("moonpost", of_closed(found, moonpost, "moonpost"))
  end
  if code:find("local%s+ctx%f[^%w_]") or code:find("local%s+msg%f[^%w_]") then return found end
  if not has_parameter(code, "%s*ctx%s*[,)]") then return found end
  look("ctx", of_ctx(found))
  if has_parameter(code, "%s*ctx%s*,%s*msg%s*[,)]") then look("msg", of_closed(found, MSG, "msg")) end
  return found
end

return names
