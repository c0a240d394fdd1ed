--- What a scenario shows: its parts, its claims, the lines that make them true, and how to break them.
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local TROUBLES = "\n## When something is wrong\n\n(.-)%s*$"

local function heading(text)
  return term.styled("bold", text)
end

local function indented(text, by)
  return (" "):rep(by) .. text:gsub("\n", "\n" .. (" "):rep(by))
end

--- Where a promise stands: the number of its line, or nil and what is wrong.
---@param scenario table
---@param promise table
---@return integer|nil
---@return string|nil reason
local function line_of(scenario, promise)
  local text, reason = shell.read_file(scenario.folder .. "/" .. promise.file)
  if not text then return nil, reason end
  local at = text:find(promise.line, 1, true)
  if not at then return nil, ("%s: there is no line %s"):format(promise.file, promise.line) end
  return select(2, text:sub(1, at):gsub("\n", "")) + 1
end

local function parts(scenario)
  local rows = {}
  for index, process in ipairs(scenario.processes) do
    local what = process.run and "a node" or "a program that runs to its end"
    rows[index] = { process.name, ("%-22s %s"):format(process.run or process.exec, what) }
  end
  return term.columns(rows, "  ")
end

local function claims(scenario)
  local lines = {}
  for index, check in ipairs(scenario.checks) do lines[index] = "  - " .. check[1] end
  return table.concat(lines, "\n")
end

local function promise_text(scenario, promise)
  local number, reason = line_of(scenario, promise)
  if not number then return nil, reason end
  return table.concat({
    ("  %s:%d  %s"):format(promise.file, number, term.styled("cyan", promise.line)),
    indented(promise.why, 6),
    indented(("write  %s"):format(term.styled("cyan", promise.instead)), 6),
    indented(("and %s"):format(promise.otherwise), 6),
  }, "\n")
end

local function promises(scenario)
  local texts = {}
  for index, promise in ipairs(scenario.promises) do
    local text, reason = promise_text(scenario, promise)
    if not text then return nil, reason end
    texts[index] = text
  end
  return table.concat(texts, "\n\n")
end

local function troubles(scenario)
  local readme = shell.read_file(scenario.folder .. "/README.md")
  local found = readme and readme:match(TROUBLES)
  return found and indented(found, 2)
end

local NEXT = [[
Try it:  moonpost example copy %s mine, change mine, then: moonpost example run ./mine
Read:    %s/README.md]]

--- The text, or nil and what is wrong.
---@param scenario table
---@return string|nil
---@return string|nil reason
return function(scenario)
  local broken, reason = promises(scenario)
  if not broken then return nil, reason end
  local texts = { ("%s: %s"):format(heading(scenario.name), scenario.summary) }
  local function add(title, text)
    if text and text ~= "" then texts[#texts + 1] = heading(title) .. "\n" .. text end
  end
  add("Its parts", parts(scenario))
  add("What must be true afterwards", claims(scenario))
  add("What makes it true, and how to break it", broken)
  add("When something is wrong", troubles(scenario))
  texts[#texts + 1] = NEXT:format(scenario.name, scenario.folder)
  return table.concat(texts, "\n\n")
end
