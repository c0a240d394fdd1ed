--- Help texts, made of the commands' own tables.
local args = require "moonpost.cli.args"
local term = require "moonpost.cli.term"

local help = {}

local EXIT_CODES = {
  { "0", "done" },
  { "1", "failed: specs, checks, a node that could not start" },
  { "2", "usage" },
  { "3", "no node reached" },
  { "4", "refused (nack)" },
  { "5", "outcome unknown (timed out)" },
  { "70", "a bug of ours" },
  { "74", "the store failed: nothing of the last commit was confirmed" },
}

local function section(title, text)
  return term.styled("bold", title) .. "\n" .. text .. "\n"
end

--- The help of one command.
---@param command table
---@return string
function help.command(command)
  local parts = { ("moonpost %s\n\n  %s\n"):format(command.usage, command.summary) }
  if command.details then parts[#parts + 1] = command.details .. "\n" end
  parts[#parts + 1] = section("Flags", term.columns(args.flag_rows(command)))
  if command.examples then parts[#parts + 1] = section("Examples", term.columns(command.examples)) end
  return table.concat(parts, "\n")
end

--- The help of the whole.
---@param commands table[] in order
---@return string
function help.all(commands)
  local rows = {}
  for index, command in ipairs(commands) do rows[index] = { command.usage, command.summary } end
  return table.concat({
    "moonpost COMMAND: messages between agents written in Lua\n",
    section("Commands", term.columns(rows)),
    section("Exit codes", term.columns(EXIT_CODES)),
    "moonpost help COMMAND tells more; data goes to standard output, notes and logs to standard error.\n",
  }, "\n")
end

return help
