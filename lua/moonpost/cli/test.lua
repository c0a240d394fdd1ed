--- `moonpost test`: specs, run by busted inside the runtime.
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

local USAGE, FAILED, BUG = 2, 1, 70

local function files_of(options)
  if #options > 0 then return options end
  if shell.kind("spec") == "folder" then return { "spec" } end
  return nil, "there is no folder spec here; name files: moonpost test FILE"
end

local function missing(files)
  for _, file in ipairs(files) do
    if not shell.kind(file) then return file end
  end
end

return {
  name = "test",
  takes = "file",
  usage = "test [FILE...]",
  summary = "specs, in virtual time; ends with `N passed, N failed`",
  details = "  Without FILE: the folder spec. Worlds are in require \"moonpost.test\".",
  flags = {
    { name = "seed", value = "N", help = "of the worlds that name none" },
    { name = "filter", value = "TEXT", help = "only specs whose name matches this Lua pattern" },
  },
  examples = { { "moonpost test spec/greeter_spec.lua", "one file" } },
  run = function(options)
    local files, reason = files_of(options)
    local lost = files and missing(files)
    if not files or lost then
      term.complain("test", reason or lost .. ": no such file or folder")
      return FAILED
    end
    if options.seed and not tonumber(options.seed) then
      term.complain("test", ("--seed: %q is not a number"):format(options.seed))
      return USAGE
    end
    local words = { unpack(files) }
    if options.filter then words[#words + 1] = "--filter=" .. options.filter end
    local answer = shell.spec { args = words, seed = options.seed }
    if answer.reason then term.complain("test", answer.reason) end
    return answer.reason and BUG or answer.code
  end,
}
