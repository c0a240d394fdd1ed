rockspec_format = "3.0"
package = "moonpost"
version = "scm-1"
source = {
  url = "git+file://.",
  branch = "main",
}
description = {
  summary = "A Lua-scriptable messaging runtime: agents in Lua, delivery in C",
  detailed = [[
Agents, retry schedules and dedup policies are Lua scripts; a C runtime owns the event loop, the links
between nodes, the ACK timers and the queues. The same core runs under libuv and in a deterministic
simulator, in which you test your agents in virtual time.]],
  license = "MIT",
}
supported_platforms = { "linux" }
-- No rock is needed. Not "luajit": where LuaJIT is a beta, luarocks takes it for older than 2.1.
dependencies = { "lua == 5.1" }
external_dependencies = {
  LUAJIT = { header = "luajit-2.1/luajit.h", library = "luajit-5.1" },
  UV = { header = "uv.h", library = "uv" },
  JANSSON = { header = "jansson.h", library = "jansson" },
  LMDB = { header = "lmdb.h", library = "lmdb" },
}
build = {
  type = "make",
  build_variables = {
    CFLAGS = "$(CFLAGS)",
    LUAJIT_INCDIR = "$(LUAJIT_INCDIR)",
  },
  install_variables = {
    PREFIX = "$(PREFIX)",
    BINDIR = "$(BINDIR)",
    DATADIR = "$(PREFIX)/share/moonpost",
    UNITDIR = "", -- a unit is of the system, not of a tree of rocks; so are these
    MANDIR = "",
    SHAREDIR = "",
  },
}
-- `luarocks test`; needs busted, as a rock or as the system's package.
test = { type = "command", command = "sh scripts/build/specs.sh build/moonpost" }
