/* Module function shell.load: the wait for a producer's next report.
 *
 *   shell.load { link=, to=, count=, window=, size=, profile=, await= }
 *       -> what happened so far, about ten times a second, until `done`; waits. The first call
 * starts it. For `moonpost bench`; see producer.h */
#ifndef MOONPOST_PRODUCER_WAIT_H
#define MOONPOST_PRODUCER_WAIT_H

#include <lua.h>
#include "shell/shell.h"

struct producer_wait;

/* Never NULL. Both are borrowed. */
struct producer_wait *producer_wait_new(struct shell *shell, struct script_host *host);

/* Arguments are on the stack of `L` from `first` on. */
void producer_wait_begin(struct producer_wait *wait, uint64_t waiter, lua_State *L, int first);

void producer_wait_free(struct producer_wait *wait);

#endif
