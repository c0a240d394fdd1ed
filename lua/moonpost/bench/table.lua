--- The figures of benchmarks, for people and for programs.
local figures = {}

local function grouped(number)
  local text = ("%d"):format(number)
  local count
  repeat
    text, count = text:gsub("^(%d+)(%d%d%d)", "%1,%2")
  until count == 0
  return text
end

local function time(ms)
  if ms < 1 then return ("%.0f us"):format(ms * 1000) end
  if ms < 1000 then return ("%.1f ms"):format(ms) end
  return ("%.2f s"):format(ms / 1000)
end

local function bytes(number)
  if number < 1024 then return ("%d B"):format(number) end
  if number < 1024 * 1024 then return ("%.1f KiB"):format(number / 1024) end
  return ("%.1f MiB"):format(number / 1024 / 1024)
end

--- What a run's figures are called, in the order in which they are shown; `key` is their name in JSON.
local COLUMNS = {
  { "profile", "profile" },
  { "await", "await" },
  { "messages/s", "messages_per_s", grouped },
  { "p50", "p50_ms", time },
  { "p90", "p90_ms", time },
  { "p99", "p99_ms", time },
  { "max", "max_ms", time },
  { "fsyncs", "fsyncs", grouped },
  { "node CPU", "node_cpu_s", function(s) return ("%.2f s"):format(s) end },
  { "client CPU", "client_cpu_s", function(s) return ("%.2f s"):format(s) end },
  { "written", "written_bytes", bytes },
  { "peak memory", "node_peak_bytes", bytes },
}

local VERIFIED = { { "lost", "lost", grouped }, { "duplicated", "duplicated", grouped } }

--- A run's figures, flat.
---@param options table what was asked for
---@param result table what the client found
---@return table
function figures.of(options, result)
  local handled = options.count - (options.parked and math.floor(options.count / options.keys) or 0)
  local row = {
    profile = options.profile, await = options.await, count = options.count, window = options.window,
    size = options.size, via_sentinel = options.via_sentinel or false,
    messages_per_s = math.floor(handled / result.all_s + 0.5), seconds = result.all_s,
    p50_ms = result.p50_ms, p90_ms = result.p90_ms, p99_ms = result.p99_ms, max_ms = result.max_ms,
    fsyncs = result.node.syncs, node_cpu_s = result.node.cpu_s, client_cpu_s = result.client_cpu_s,
    written_bytes = result.node.written, node_peak_bytes = result.node.peak, refused = result.refused,
  }
  if options.verify then
    row.lost = math.max(0, handled - result.refused - result.handled)
    row.duplicated = result.duplicated
  end
  return row
end

local function columns_of(rows)
  local columns = { unpack(COLUMNS) }
  if rows[1].lost then
    for _, column in ipairs(VERIFIED) do columns[#columns + 1] = column end
  end
  return columns
end

local function cell(row, column)
  local value = row[column[2]]
  return column[3] and column[3](value) or value
end

local function line_of(cells, widths)
  local parts = {}
  for index, text in ipairs(cells) do
    local gap = (" "):rep(widths[index] - #text)
    parts[index] = index <= 2 and text .. gap or gap .. text
  end
  return (table.concat(parts, "  "):gsub("%s+$", ""))
end

--- The figures as a table of text.
---@param rows table[]
---@return string[] lines
function figures.lines(rows)
  local columns, cells, widths = columns_of(rows), { {} }, {}
  for index, column in ipairs(columns) do
    cells[1][index], widths[index] = column[1], #column[1]
    for at, row in ipairs(rows) do
      cells[at + 1] = cells[at + 1] or {}
      cells[at + 1][index] = cell(row, column)
      widths[index] = math.max(widths[index], #cells[at + 1][index])
    end
  end
  local lines = {}
  for index, each in ipairs(cells) do lines[index] = line_of(each, widths) end
  return lines
end

return figures
