--- `moonpost exec`: a Lua program inside the runtime.
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local BAD_PROGRAM = 1

return {
  name = "exec",
  takes = "file",
  usage = "exec FILE [ARG...]",
  summary = "a Lua program inside the runtime, with moonpost.client",
  details = "  `arg` holds the arguments. What the file returns is the exit code (a number; true or nothing is 0).",
  open = true,
  at_least = 1,
  examples = { { "moonpost exec tools/import.lua orders.csv", "run a program of the project" } },
  run = function(options)
    local file = table.remove(options, 1)
    if shell.kind(file) ~= "file" then
      term.complain("exec", file .. ": no such file")
      return BAD_PROGRAM
    end
    local answer = shell.exec { file = file, args = options }
    if answer.reason then term.note(answer.reason) end
    return answer.code
  end,
}
