--- How a table of rows and columns becomes lines: aligned, and when there is no room some columns give way.
local layout = {}

local GAP = 2
local LEAST = 12
local INDENT = "    "

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

local function width_of_all(widths)
  local all = -GAP
  for _, width in ipairs(widths) do all = all + width + GAP end
  return all
end

local function last_with(columns, property)
  for place = #columns, 1, -1 do
    if columns[place][property] then return place end
  end
end

local function without(columns, place)
  local kept = {}
  for at, column in ipairs(columns) do
    if at ~= place then kept[#kept + 1] = column end
  end
  return kept
end

-- What a column that goes below its row says, behind what already stands there.
local function put_below(below, column, rows, room)
  for index, row in ipairs(rows) do
    local text = one_line(row[column.key])
    below[index] = below[index] or {}
    if text ~= "" then table.insert(below[index], INDENT .. cut(text, room - #INDENT)) end
  end
end

-- Columns, their cells and widths as they fit; and what stands below the rows instead of in a column.
local function fit(columns, rows, room)
  local cells = cells_of(columns, rows)
  local widths = widths_of(columns, cells)
  if not room or width_of_all(widths) <= room then return columns, cells, widths, {} end
  local below, spare = last_with(columns, "below"), last_with(columns, "spare")
  if below then
    local fitting, lines, narrow, texts = fit(without(columns, below), rows, room)
    put_below(texts, columns[below], rows, room)
    return fitting, lines, narrow, texts
  end
  if spare then return fit(without(columns, spare), rows, room) end
  local flexible = last_with(columns, "flexible")
  if flexible then widths[flexible] = math.max(LEAST, widths[flexible] - (width_of_all(widths) - room)) end
  return columns, cells, widths, {}
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
--- everywhere) }, and gives way when there is no room: below (stands under its row then), spare (is left out), flexible
--- (is cut), in this order.
---@param columns table[]
---@param rows table[] by key
---@param room integer|nil how wide it may be; nil: as wide as it is
---@return string[] lines the first is the head
function layout.lines(columns, rows, room)
  columns = with_something(columns, rows)
  local fitting, cells, widths, below = fit(columns, rows, room)
  local head = {}
  for place, column in ipairs(fitting) do head[place] = column.head end
  local lines = { join(fitting, widths, head) }
  for index, line in ipairs(cells) do
    lines[#lines + 1] = join(fitting, widths, line)
    for _, text in ipairs(below[index] or {}) do lines[#lines + 1] = text end
  end
  return lines
end

return layout
