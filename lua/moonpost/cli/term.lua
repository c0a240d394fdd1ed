--- What commands say: data on standard output, notes on standard error.
local shell = require "moonpost.shell"

local term = {}

local STYLES = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36",
  blue = "34", magenta = "35" }

local function coloured(stream)
  local no_colour = os.getenv("NO_COLOR")
  return shell.isatty(stream) and (no_colour == nil or no_colour == "")
end

local COLOURED = { stdout = coloured("stdout"), stderr = coloured("stderr") }

--- Text with a style, if the stream shows styles.
---@param style "bold"|"dim"|"red"|"green"|"yellow"|"cyan"
---@param text string
---@param stream "stdout"|"stderr"|nil
---@return string
function term.styled(style, text, stream)
  if not COLOURED[stream or "stdout"] then return text end
  return ("\27[%sm%s\27[0m"):format(STYLES[style], text)
end

--- A line of data.
---@param text string
function term.out(text)
  io.stdout:write(text, "\n")
end

--- A line for people.
---@param text string
function term.note(text)
  io.stdout:flush()
  io.stderr:write(text, "\n")
end

--- A line that says what went wrong.
---@param command string|nil the command it is about
---@param text string
function term.complain(command, text)
  local who = command and "moonpost " .. command or "moonpost"
  term.note(term.styled("red", who .. ":", "stderr") .. " " .. text)
end

--- The width of help and of manual pages.
term.WIDTH = 80

local function letters(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

--- The lines of a text that is broken between words; a word that is longer than a line stays whole.
---@param text string
---@param width integer
---@return string[]
function term.wrap(text, width)
  local lines, line = {}, nil
  for word in text:gmatch("%S+") do
    if line and letters(line) + 1 + letters(word) > width then
      lines[#lines + 1] = line
      line = word
    else
      line = line and line .. " " .. word or word
    end
  end
  lines[#lines + 1] = line or ""
  return lines
end

--- Rows of two columns, the second aligned.
---@param rows string[][]
---@param indent string|nil
---@param room integer|nil how wide the whole may be: the second column is wrapped; nil: as wide as it is
---@return string
function term.columns(rows, indent, room)
  local width, lines = 0, {}
  indent = indent or "  "
  for _, row in ipairs(rows) do width = math.max(width, letters(row[1])) end
  local column = #indent + width + 2
  for _, row in ipairs(rows) do
    local first = indent .. row[1] .. (" "):rep(width - letters(row[1]) + 2)
    for index, text in ipairs(room and term.wrap(row[2], room - column) or { row[2] }) do
      local line = (index == 1 and first or (" "):rep(column)) .. text
      lines[#lines + 1] = (line:gsub("%s+$", ""))
    end
  end
  return table.concat(lines, "\n")
end

return term
