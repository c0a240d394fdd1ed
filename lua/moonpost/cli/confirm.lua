--- The question before what cannot be undone: asked on a terminal; elsewhere --yes has to be there.
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local USAGE = 2

--- Whether it may be done. Where nobody can be asked, the command ends.
---@param self moonpost.cli.Ask
---@param question string such as "Purge 3 messages of mail@local?"
---@param flags table
---@param otherwise string|nil what else may be said: "--dry to see which"
---@return boolean
return function(self, question, flags, otherwise)
  if flags.yes then return true end
  if not (shell.isatty "stdin" and shell.isatty "stderr") then
    self:fail(("%s Say --yes%s."):format(question, otherwise and (" (or %s)"):format(otherwise) or ""), USAGE)
  end
  io.stderr:write(question, " [y/N] ")
  local answer = shell.read_line()
  if answer and answer:lower():find "^y" then return true end
  term.note("nothing was changed")
  return false
end
