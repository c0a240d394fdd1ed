/* Child processes for the command line's program: module "moonpost.process" in Lua.
 *
 *   process.spawn { args = { "moonpost", "run" }, env = { NAME = "value", GONE = false },
 *                   cwd = "folder" }           -> child (an integer), or nil, reason, code
 *   process.kill(child, "TERM")                -> true, or nil, reason, code; "TERM", "KILL",
 *                                                 "INT", "HUP", "STOP" or "CONT", to the child's
 *                                                 whole group
 *   process.wait(timeout)                      -> the next event, as a table; waits:
 *     { type = "line", child = 1, stream = "stdout", line = "without its newline" }
 *     { type = "exit", child = 1, code = 0 } or { ..., signal = 9 }   after the child's last line
 *     { type = "timeout" }                       `timeout` (seconds; nil: none) has passed
 *     { type = "interrupt" }                     SIGINT, SIGTERM or SIGHUP came; end
 *   process.alive(child)                       -> boolean: its exit event has not been taken
 *
 * `env` adds to the environment of this process; false removes. Standard input is empty. A child
 * has a process group of its own, gets SIGKILL when this process dies however it dies, and when
 * this process ends in order. */
#ifndef MOONPOST_PROCESS_H
#define MOONPOST_PROCESS_H

#include <uv.h>
#include "script/script.h"

struct processes;

/* None yet. `loop` and `host` are borrowed: the loop of the shell, the host of the one program that
 * has the module. */
struct processes *processes_new(uv_loop_t *loop, struct script_host *host);

/* Make `require "moonpost.process"` work in this state. */
void processes_preload(struct processes *processes, struct script *script);

/* The wait kind "process_event", with its timeout at index `first`. */
void processes_wait(struct processes *processes, uint64_t waiter, lua_State *L, int first);

/* Tell the program of SIGINT or SIGTERM by an event. False: it does not wait for one. */
bool processes_interrupt(struct processes *processes);

/* Kill all of them and what they started, now. */
void processes_kill(struct processes *processes);

/* Kill what still lives. The handles close in the next rounds of the loop, then all is freed. */
void processes_free(struct processes *processes);

#endif
