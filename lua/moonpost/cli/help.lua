--- Help texts, made of the table of commands. They fit 80 columns.
local args = require "moonpost.cli.args"
local term = require "moonpost.cli.term"

local help = {}

-- What an example's meaning needs beside it; where there is less room it stands below.
local LEAST = 28

--- What an exit code means, for help and manual page.
help.EXIT_CODES = {
  { "0", "done" },
  { "1", "failed: specs, checks, a node that could not start" },
  { "2", "usage" },
  { "3", "no node reached" },
  { "4", "refused (nack)" },
  { "5", "outcome unknown (timed out)" },
  { "70", "a bug of ours" },
  { "74", "the store failed: nothing of the last commit was confirmed" },
}

local FIRST = [[
  moonpost new hello && cd hello && moonpost run
  moonpost send hello@local '{"name":"Ada"}' --await handled  # elsewhere]]

local function section(title, text)
  return term.styled("bold", title) .. "\n" .. text .. "\n"
end

-- A line with a gap in it belongs to a table, and stays as it is.
local function is_prose(line)
  return line:find("^  %S") ~= nil and not line:find("%S  +%S")
end

--- The paragraphs of a command's details: { prose = "…" } or { line = "…" }.
---@param details string
---@return { prose: string|nil, line: string|nil }[]
function help.paragraphs(details)
  local parts = {}
  for line in (details .. "\n"):gmatch("(.-)\n") do
    local last = parts[#parts]
    if not is_prose(line) then
      parts[#parts + 1] = { line = line }
    elseif last and last.prose then
      last.prose = last.prose .. " " .. line:sub(3)
    else
      parts[#parts + 1] = { prose = line:sub(3) }
    end
  end
  return parts
end

local function details_of(details)
  local lines = {}
  for _, part in ipairs(help.paragraphs(details)) do
    if part.line then lines[#lines + 1] = part.line end
    for _, line in ipairs(part.prose and term.wrap(part.prose, term.WIDTH - 2) or {}) do
      lines[#lines + 1] = "  " .. line
    end
  end
  return table.concat(lines, "\n")
end

local function examples_of(examples)
  local widest = 0
  for _, example in ipairs(examples) do widest = math.max(widest, #example[1]) end
  if widest <= term.WIDTH - LEAST then return term.columns(examples, "  ", term.WIDTH) end
  local lines = {}
  for index, example in ipairs(examples) do lines[index] = ("  %s\n      %s"):format(example[1], example[2]) end
  return table.concat(lines, "\n")
end

--- A verb and what follows it: "requeue [ID...]".
---@param verb moonpost.cli.Verb
---@return string
function help.verb_usage(verb)
  return verb.name .. (verb.usage and " " .. verb.usage or "")
end

local function verbs_of(command)
  local rows = {}
  for index, verb in ipairs(command.verbs) do rows[index] = { help.verb_usage(verb), verb.summary } end
  return term.columns(rows, "  ", term.WIDTH)
end

--- The help of one command, or of one of its verbs.
---@param command moonpost.cli.Command
---@param verb moonpost.cli.Verb|nil
---@return string
function help.command(command, verb)
  local about = verb or command
  local usage = verb and ("%s %s"):format(command.name, help.verb_usage(verb)) or command.usage
  local parts = { ("moonpost %s\n  %s\n"):format(usage, about.summary) }
  if about.details then parts[#parts + 1] = details_of(about.details) .. "\n" end
  if about.verbs then parts[#parts + 1] = section("Verbs", verbs_of(command)) end
  local flags = args.flag_rows(command, verb)
  if #flags > 0 then parts[#parts + 1] = section("Flags", term.columns(flags, "  ", term.WIDTH)) end
  if about.examples then parts[#parts + 1] = section("Examples", examples_of(about.examples)) end
  if about.verbs then parts[#parts + 1] = ("moonpost %s VERB --help tells more.\n"):format(command.name) end
  return table.concat(parts, "\n")
end

local function exit_codes(codes)
  return section("Exit codes", term.columns(codes, "  ", term.WIDTH))
end

--- All commands, each with what it is for, and what exit codes mean.
---@param commands moonpost.cli.Command[] in order
---@return string
function help.commands(commands)
  local rows = {}
  for index, command in ipairs(commands) do rows[index] = { command.name, command.summary } end
  return section("Commands", term.columns(rows, "  ", term.WIDTH)) .. "\n" .. exit_codes(help.EXIT_CODES)
end

--- The first page.
---@param groups { [1]: string, [2]: moonpost.cli.Command[] }[] as in moonpost.cli.commands
---@return string
function help.all(groups)
  local rows = {}
  for index, group in ipairs(groups) do
    local names = {}
    for at, command in ipairs(group[2]) do names[at] = command.name end
    rows[index] = { group[1], table.concat(names, ", ") }
  end
  return table.concat({
    "moonpost COMMAND: messages between agents written in Lua\n",
    section("Commands", term.columns(rows, "  ", term.WIDTH)),
    section("A first agent", FIRST),
    "moonpost COMMAND --help   one of them, with examples\n" ..
    "moonpost help commands    all of them, a line each, and the exit codes\n",
    "Data goes to standard output, notes and logs to standard error.\n",
  }, "\n")
end

return help
