--- `moonpost version`.
local moonpost = require "moonpost"
local shell = require "moonpost.shell"
local term = require "moonpost.cli.term"

return {
  name = "version",
  usage = "version",
  summary = "which moonpost this is, and of what it is made",
  flags = { { name = "json", help = "one JSON object" } },
  at_most = 0,
  examples = { { "moonpost version --json", "for programs" } },
  run = function(options)
    local versions = shell.versions()
    versions.moonpost = moonpost.VERSION
    if options.json then
      term.out(moonpost.json.encode(versions))
      return 0
    end
    term.out(("moonpost %s  (%s, libuv %s, LMDB %s, jansson %s)"):format(
      versions.moonpost, versions.luajit, versions.libuv, versions.lmdb, versions.jansson))
    return 0
  end,
}
