--- `moonpost test`: specs, run by busted inside the runtime.
local nearest = require "moonpost.nearest"
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

local FORMATS = { tap = true, junit = true }

-- What is wrong with where results go, and the exit code that says so.
local function wrong_output(options)
  local format, to = options.output, options.to
  if format and not FORMATS[format] then
    return ("--output: %q is neither tap nor junit%s"):format(format, nearest.hint(format, FORMATS)), USAGE
  end
  if not to then return nil end
  if not format then return "--to is where --output goes; say which: --output junit --to " .. to, USAGE end
  local file, reason = io.open(to, "a")
  if not file then return "--to: " .. reason, FAILED end
  file:close()
end

return {
  name = "test",
  takes = "file",
  usage = "test [FILE...]",
  summary = "specs, in virtual time; ends with `N passed, N failed`",
  details = [[
  Without FILE: the folder spec. Worlds are in require "moonpost.test". For other programs, --output tap ends with
  the comment `# N passed, N failed`; junit is XML, and that line goes to standard error. With --to FILE they go
  there, and what people read goes to standard output as ever. Exit code 0: all passed, 1: not all, 2: wrong usage.]],
  flags = {
    { name = "seed", value = "N", help = "of the worlds that name none" },
    { name = "output", value = "FORMAT", choices = { "tap", "junit" }, help = "tap or junit, for other programs" },
    { name = "to", value = "FILE", takes = "file", help = "where --output goes, instead of standard output" },
    { name = "filter", value = "TEXT", help = "only specs whose name matches this Lua pattern" },
  },
  examples = {
    { "moonpost test spec/greeter_spec.lua", "one file" },
    { "moonpost test --output junit --to results.xml", "for a build server" },
  },
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
    local wrong, code = wrong_output(options)
    if wrong then
      term.complain("test", wrong)
      return code
    end
    local words = { unpack(files) }
    for _, name in ipairs { "output", "to" } do
      if options[name] then words[#words + 1] = ("--moonpost-%s=%s"):format(name, options[name]) end
    end
    if options.filter then words[#words + 1] = "--filter=" .. options.filter end
    local answer = shell.spec { args = words, seed = options.seed }
    if answer.reason then term.complain("test", answer.reason) end
    return answer.reason and BUG or answer.code
  end,
}
