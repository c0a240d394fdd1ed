/* Module function shell.load: the wait for a load's next report.
 *
 *   shell.load { link=, to=, count=, window=, size=, profile=, await= }
 *       -> what happened so far, about ten times a second, until `done`; waits. The first call
 * starts it. For `moonpost bench`; see load.h */
#ifndef MOONPOST_LOAD_WAIT_H
#define MOONPOST_LOAD_WAIT_H

#include <lua.h>
#include "shell/shell.h"

struct load_wait;

/* Never NULL. Both are borrowed. */
struct load_wait *load_wait_new(struct shell *shell, struct script_host *host);

/* Arguments are on the stack of `L` from `first` on. */
void load_wait_begin(struct load_wait *wait, uint64_t waiter, lua_State *L, int first);

void load_wait_free(struct load_wait *wait);

#endif
