/* The command line: a Lua program (module moonpost.cli) that lives in the shell, and what it alone
 * may do. Module "moonpost.shell" in Lua, beside the functions of files.h:
 *
 *   shell.run { files = { ... }, sentinel = true, flags = { { "NAME", "value" }, ... } }
 *       -> { code = 0 } when the node has stopped, or { code = 1, reason = "why it did not" };
 *          waits. Flags are named as in override.c.
 *   shell.exec { file = "x.lua", args = { ... } }
 *       -> { code = 0, reason = nil or an error text }; waits
 *   shell.spec { args = { ... }, seed = "7" }
 *       -> the same, for the embedded module moonpost.cli.specs
 *   shell.read_line() -> a line of standard input, or false at its end; waits
 *   shell.load { ... }, see producer_wait.h
 *   shell.temp() -> a new folder that is gone when this process is
 *   shell.quiet()  no log lines, unless MOONPOST_LOG asks for them
 *   shell.node(address or nil) -> the address of the node to speak to
 *   shell.versions() -> { luajit = "LuaJIT 2.1", libuv = "1.44.2", jansson = "2.14" }
 */
#ifndef MOONPOST_FRONT_H
#define MOONPOST_FRONT_H

#include "shell/shell.h"

/* A C module for programs, under its name in `require`. */
struct preload {
    const char *name;
    lua_CFunction open;
};

/* Run the command line to its end; answers the exit code of API.md section 14. `preloads` ends with
 * a NULL name. */
int front_run(int argc, char *const *argv, const struct preload *preloads);

#endif
