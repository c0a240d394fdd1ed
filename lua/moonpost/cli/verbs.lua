--- The second word of commands such as `queue` and `dlq`: what there is, and what was meant.
local nearest = require "moonpost.nearest"
local term = require "moonpost.cli.term"

local verbs = {}

local USAGE = 2

-- What other tools call them.
local MEANT = {
  list = "ls", show = "ls", all = "ls", get = "show", cat = "show", look = "peek", view = "peek", browse = "peek",
  stop = "pause", hold = "pause", start = "resume", unpause = "resume", continue = "resume", clear = "purge",
  empty = "purge", flush = "purge", delete = "rm", remove = "rm", del = "rm", retry = "requeue", redrive = "requeue",
  replay = "requeue",
}

local function names_of(known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

--- Say that there is no such verb, and which was meant; answers the exit code.
---@param command string
---@param verb string
---@param known table<string, any> the names are the keys
---@return integer
function verbs.refuse(command, verb, known)
  local meant = known[MEANT[verb]] and MEANT[verb]
  local hint = meant and ("; did you mean %q?"):format(meant) or nearest.hint(verb, known)
  term.complain(command, ("%q is none of %s%s"):format(verb, names_of(known), hint))
  return USAGE
end

return verbs
