--- The text of a Lua file: what can be seen without running it.
local strict = require "moonpost.strict"
local util = require "jit.util"

local source = {}

local CONSTANTS_MAX = 65536

-- Opcodes have other numbers in other versions of LuaJIT, so they are read off code that is known.
local function opcode(text, at)
  return bit.band(util.funcbc(loadstring(text), at), 0xff)
end

local GET, SET = opcode("return a", 1), opcode("a = b", 2)
local FIELD = opcode("local a; return a.b", 2)

--- What does not compile: the line and the reason, or nil.
---@param text string
---@param path string
---@return { line: integer, reason: string }|nil
function source.syntax(text, path)
  local chunk, reason = loadstring(text, "=" .. path)
  if chunk then return nil end
  local line, what = reason:match(":(%d+): (.*)$")
  return { line = tonumber(line) or 1, reason = what or reason }
end

-- Each function of a file, the nested ones too.
local function each_function(proto, visit)
  visit(proto)
  for index = 1, CONSTANTS_MAX do
    local constant = util.funck(proto, -index)
    if constant == nil then return end
    if type(constant) == "proto" then each_function(constant, visit) end
  end
end

local function each_instruction(proto, visit)
  for at = 1, util.funcinfo(proto).bytecodes - 1 do
    local instruction = util.funcbc(proto, at)
    visit(bit.band(instruction, 0xff), instruction, at)
  end
end

--- The globals that scripts of a kind do not have, where they are used.
---@param text string of a file that compiles
---@param kind "agent"|"hook"|"policy"|"settings"|"program"
---@return { line: integer, name: string, reason: string }[]
function source.globals(text, kind)
  local found = {}
  each_function(loadstring(text), function(proto)
    each_instruction(proto, function(code, instruction, at)
      if code ~= GET and code ~= SET then return end
      local name = util.funck(proto, -bit.rshift(instruction, 16) - 1)
      local reason = strict.complaint(kind, name, code == SET)
      if not reason then return end
      found[#found + 1] = { line = util.funcinfo(proto, at).currentline, name = name, reason = reason }
    end)
  end)
  return found
end

--- The lines in which a field of this name is read, such as moonpost.sleep.
---@param text string of a file that compiles
---@param name string
---@return integer[]
function source.fields(text, name)
  local lines = {}
  each_function(loadstring(text), function(proto)
    each_instruction(proto, function(code, instruction, at)
      if code ~= FIELD then return end
      local field = util.funck(proto, -bit.band(bit.rshift(instruction, 16), 0xff) - 1)
      if field == name then lines[#lines + 1] = util.funcinfo(proto, at).currentline end
    end)
  end)
  return lines
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

local function cover(text, quotes)
  return (text:gsub("[^\n]", text:sub(1, 2) ~= "--" and quotes or " "))
end

--- The text with what is in comments and strings blanked, so that places stay.
---@param text string
---@param quotes string|nil a letter that stands for each of a string's, instead of a blank
---@return string
function source.code(text, quotes)
  local parts, at = {}, 1
  while at <= #text do
    local mark = text:find("[%-%[\"']", at)
    if not mark then break end
    local last = end_of(text, mark)
    parts[#parts + 1] = text:sub(at, mark - 1) .. (last and cover(text:sub(mark, last), quotes) or text:sub(mark, mark))
    at = (last or mark) + 1
  end
  return table.concat(parts) .. text:sub(at)
end

--- Is a module a local of this name?
---@param text string
---@param name string
---@param module string
---@return boolean
function source.requires(text, name, module)
  local pattern = "local%s+" .. name .. "%s*=%s*require%s*%(?%s*[\"']" .. module:gsub("%.", "%%.") .. "[\"']"
  return text:find(pattern) ~= nil
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line:gsub("%-%-.*$", "") end
  return lines
end

--- The line in which the last of some keys is given a value, each behind the one before it: { "retry", "attempts" }.
---@param text string
---@param keys string[]
---@return integer|nil
function source.line_of_key(text, keys)
  local lines, from, found = lines_of(text), 1, nil
  for _, key in ipairs(keys) do
    local pattern = "%f[%w_]" .. key:gsub("%W", "%%%0") .. "%f[^%w_][\"'%]]*%s*=[^=]"
    for number = from, #lines do
      if (lines[number] .. " "):find(pattern) then
        from, found = number, number
        break
      end
      if number == #lines then found = nil end
    end
  end
  return found
end

--- The first line with this text.
---@param text string
---@param plain string
---@return integer|nil
function source.line_of(text, plain)
  for number, line in ipairs(lines_of(text)) do
    if line:find(plain, 1, true) then return number end
  end
end

return source
