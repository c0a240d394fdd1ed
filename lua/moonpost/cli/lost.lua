--- Outcomes that are made as a statement of their own, and lost: only what is returned, or raised, says how it ends.
---
--- What is read is the text without comments, in which strings are quotes.
local closed = require "moonpost.closed"
local source = require "moonpost.cli.source"

local lost = {}

local OUTCOMES = closed.words "retry defer reject skip drop"

-- Words after which an expression goes on; after any other name, and after a closing bracket, a statement begins.
local GO_ON = closed.words "return and or not in until if elseif while function local"

local function begins_statement(before)
  local last = before:match "(%S)%s*$"
  if not last or last:find '[;)%]}"]' then return true end
  local word = before:match "([%w_]+)%s*$"
  return word ~= nil and not GO_ON[word]
end

--- The outcomes of a file that nobody returns, in order.
---@param text string of a file that compiles
---@return { line: integer, message: string, fix: string }[]
function lost.find(text)
  local found, line, last = {}, 1, 1
  if not source.requires(text, "moonpost", "moonpost") then return found end
  local code = source.code(text, '"')
  for at, name in code:gmatch "()%f[%w_]moonpost%s*%.%s*([%a_][%w_]*)%s*[({\"]" do
    line, last = line + select(2, code:sub(last, at - 1):gsub("\n", "")), at
    if OUTCOMES[name] and begins_statement(code:sub(1, at - 1)) then
      found[#found + 1] = { line = line, message = ("moonpost.%s does nothing unless it is returned"):format(name),
        fix = ("return moonpost.%s(...)"):format(name) }
    end
  end
  return found
end

return lost
