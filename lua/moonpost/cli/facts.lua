--- Facts as lines for people: what happened to a message, or to a link.
local term = require "moonpost.cli.term"
local words = require "moonpost.cli.words"

local facts = {}

local COLOURS = { handled = "green", acked = "green", link_up = "green", retrying = "yellow", deferred = "yellow",
  timed_out = "yellow", duplicate = "yellow", link_down = "yellow", dead = "red", nacked = "red", dropped = "red",
  expired = "red", removed = "red", purged = "red", link_failed = "red", refused = "red" }

local function one_line(text)
  return (text:gsub("%s*\n%s*", " "):gsub("%c", " "))
end

local function why(fact)
  local code = fact.code and fact.code ~= "HANDLER_ERROR" and fact.code or nil
  if code and fact.reason then return ("%s: %s"):format(code, one_line(fact.reason)) end
  return code or (fact.reason and one_line(fact.reason)) or nil
end

-- At the sender an attempt is a transmission, which the other number tells.
local function attempt(fact)
  return (fact.attempt or 0) > 0 and "attempt " .. fact.attempt or nil
end

local SAYS = {
  sent = function(fact)
    local again = (fact.transmission or 1) > 1 and ("transmission %d"):format(fact.transmission) or nil
    return { fact.link and "to " .. fact.link or nil, again }
  end,
  delivered = function(fact) return { attempt(fact) } end,
  stored = function(fact) return { fact.from and "from " .. fact.from or nil } end,
  timed_out = function(fact)
    return { ("no ack after %s"):format(words.wait(fact.delay or 0)), fact.code and "the last attempt" or nil }
  end,
  acked = function(fact) return { fact.level, fact.dup and "a duplicate" or nil } end,
}

local function default(fact)
  local again = fact.delay and ("again in %s"):format(words.wait(fact.delay)) or nil
  return { attempt(fact), why(fact), again }
end

--- What is to be told of a fact besides its name.
---@param fact table as $node tells it
---@return string
function facts.text(fact)
  local parts = {}
  local said = (SAYS[fact.fact] or default)(fact)
  for index = 1, 3 do parts[#parts + 1] = said[index] end
  return table.concat(parts, "  ")
end

--- The line of a fact.
---@param fact table
---@param with_message boolean|nil also which message it is about
---@return string
function facts.line(fact, with_message)
  local name = ("%-9s"):format(fact.fact)
  local parts = { words.time(fact.at), term.styled(COLOURS[fact.fact] or "cyan", name) }
  local about = fact.fact:find "^link" and fact.link or fact.to or fact.node
  if with_message then parts[#parts + 1] = about end
  if with_message then parts[#parts + 1] = fact.id end
  local text = facts.text(fact)
  if text ~= "" then parts[#parts + 1] = text end
  return (table.concat(parts, "  "):gsub("%s+$", ""))
end

return facts
