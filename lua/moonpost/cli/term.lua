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

--- Rows of two columns, the second aligned.
---@param rows string[][]
---@param indent string|nil
---@return string
function term.columns(rows, indent)
  local width, lines = 0, {}
  for _, row in ipairs(rows) do width = math.max(width, #row[1]) end
  for index, row in ipairs(rows) do
    local line = (indent or "  ") .. row[1] .. (" "):rep(width - #row[1] + 2) .. row[2]
    lines[index] = (line:gsub("%s+$", ""))
  end
  return table.concat(lines, "\n")
end

return term
