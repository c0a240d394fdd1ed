--- Tables for people: a bold head, aligned columns, as wide as the terminal at most.
local layout = require "moonpost.cli.layout"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local tables = {}

--- Print a table. Only a terminal has an edge: what goes to a file or a pipe is whole.
---@param columns table[] as for layout.lines
---@param rows table[]
function tables.print(columns, rows)
  for index, line in ipairs(layout.lines(columns, rows, shell.columns())) do
    term.out(index == 1 and term.styled("bold", line) or line)
  end
end

return tables
