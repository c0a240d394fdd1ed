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

--- The same for an argument, which may name a file: @FILE.
---@param word string
---@param as_text boolean|nil
---@return any
---@return string|nil reason of a file that cannot be read
function body.read(word, as_text)
  local path = word:match("^@(.+)$")
  if not path then return body.parse(word, as_text) end
  local text, reason = shell.read_file(path)
  if not text then return nil, reason end
  return body.parse(text, as_text)
end

return body
