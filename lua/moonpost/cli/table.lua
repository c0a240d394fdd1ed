--- Tables for people: a bold head, aligned columns, one of which gives way when the terminal is too narrow.
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local tables = {}

local GAP = 2
local LEAST = 12

--- Letters, not bytes.
local function width_of(text)
  local _, continuations = text:gsub("[\128-\191]", "")
  return #text - continuations
end

--- The first letters of a text, with an ellipsis when some are left out.
local function cut(text, width)
  if width_of(text) <= width then return text end
  local left, at = width - 1, 1
  while left > 0 do
    at = at + 1
    while at <= #text and text:byte(at) >= 128 and text:byte(at) < 192 do at = at + 1 end
    left = left - 1
  end
  return text:sub(1, at - 1) .. "…"
end

local function one_line(value)
  return (tostring(value == nil and "" or value):gsub("%s*\n%s*", " "):gsub("%c", " "))
end

local function cells_of(columns, rows)
  local lines = {}
  for index, row in ipairs(rows) do
    lines[index] = {}
    for place, column in ipairs(columns) do lines[index][place] = one_line(row[column.key]) end
  end
  return lines
end

local function widths_of(columns, lines)
  local widths = {}
  for place, column in ipairs(columns) do
    widths[place] = #column.head
    for _, line in ipairs(lines) do widths[place] = math.max(widths[place], width_of(line[place])) end
  end
  return widths
end

-- A column that says nothing in any row is left out.
local function with_something(columns, rows)
  local kept = {}
  for _, column in ipairs(columns) do
    local needed = not column.optional
    for _, row in ipairs(rows) do
      local value = row[column.key]
      needed = needed or (value ~= nil and value ~= "" and value ~= 0 and value ~= "0")
    end
    if needed then kept[#kept + 1] = column end
  end
  return kept
end

local function fit(columns, widths, room)
  if not room then return end
  local all, flexible = -GAP, nil
  for place, column in ipairs(columns) do
    all = all + widths[place] + GAP
    if column.flexible then flexible = place end
  end
  if flexible and all > room then widths[flexible] = math.max(LEAST, widths[flexible] - (all - room)) end
end

local function join(columns, widths, line)
  local parts = {}
  for place, column in ipairs(columns) do
    local text = cut(line[place], widths[place])
    local space = (" "):rep(widths[place] - width_of(text))
    parts[place] = column.right and space .. text or text .. space
  end
  return (table.concat(parts, (" "):rep(GAP)):gsub("%s+$", ""))
end

--- Lines of a table. A column is { key, head, right (aligned), optional (left out when it is empty or 0
--- everywhere), flexible (may be cut) }.
---@param columns table[]
---@param rows table[] by key
---@param room integer|nil how wide it may be; nil: as wide as it is
---@return string[] lines the first is the head
function tables.lines(columns, rows, room)
  columns = with_something(columns, rows)
  local cells, head = cells_of(columns, rows), {}
  for place, column in ipairs(columns) do head[place] = column.head end
  local widths = widths_of(columns, cells)
  fit(columns, widths, room)
  local lines = { join(columns, widths, head) }
  for index, line in ipairs(cells) do lines[index + 1] = join(columns, widths, line) end
  return lines
end

--- Print a table. Only a terminal has an edge: what goes to a file or a pipe is whole.
---@param columns table[]
---@param rows table[]
function tables.print(columns, rows)
  for index, line in ipairs(tables.lines(columns, rows, shell.columns())) do
    term.out(index == 1 and term.styled("bold", line) or line)
  end
end

return tables
