/* The watchdog: a thread that ends the process when a turn of a script stands still.
 *
 * The guard of scripts stops what runs Lua for too long. Where no hook is looked at (a pattern
 * match, a library in C) only this is left: a hang becomes a crash, the supervisor starts the node
 * again, and the message in hand is known (core/inhand.h). */
#ifndef MOONPOST_WATCHDOG_H
#define MOONPOST_WATCHDOG_H

#include "core/span.h"
#include "script/script.h"
#include "shell/log.h"

struct watchdog;

/* Watch what this host runs (borrowed until watchdog_stop). A turn that takes its budget and
 * `limit_ms` more ends the process by SIGABRT, after a line in the log that names the agent, its
 * generation and the message. Time in which the process itself stood still does not count. */
struct watchdog *watchdog_start(struct script_host *host, int64_t limit_ms, const struct log *log,
                                struct span node);

/* NULL is allowed. */
void watchdog_stop(struct watchdog *watchdog);

#endif
