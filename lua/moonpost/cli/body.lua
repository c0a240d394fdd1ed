--- Bodies on the command line: JSON when they parse, otherwise text; @FILE reads one.
local json = require "moonpost.json"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local body = {}

local function looks_like_json(text)
  return text:find("^%s*[%[{]") ~= nil
end

--- The value of a text.
---@param text string
---@param as_text boolean|nil it is text, also when it looks like JSON
---@return any
function body.parse(text, as_text)
  if as_text then return text end
  local value, reason = json.decode(text)
  if value ~= nil then return value end
  if looks_like_json(text) then term.note("note: the body is not JSON and travels as text: " .. tostring(reason)) end
  return text
end

-- What is meant as JSON and is none: why.
local function broken(text)
  if not looks_like_json(text) then return nil end
  local value, reason = json.decode(text)
  return value == nil and ("the body is not JSON: %s; --text sends it as text"):format(tostring(reason)) or nil
end

-- The text of an argument, or of the file that it names.
local function text_of(word)
  local path = word:match("^@(.+)$")
  if not path then return word end
  return shell.read_file(path)
end

--- The same for an argument, which may name a file: @FILE.
---@param word string
---@param as_text boolean|nil
---@return any
---@return string|nil reason of a file that cannot be read
function body.read(word, as_text)
  local text, reason = text_of(word)
  if not text then return nil, reason end
  return body.parse(text, as_text)
end

--- The same where the body takes the place of another, which would be lost: what looks like JSON has to be JSON.
---@param word string
---@param as_text boolean|nil
---@return any
---@return string|nil reason
function body.read_strictly(word, as_text)
  local text, reason = text_of(word)
  if text and not as_text then reason = broken(text) end
  if reason then return nil, reason end
  return body.parse(text, as_text)
end

return body
