/* `moonpost run` supervises itself: the node is a child, started again when it ends by a failed
 * store or a crash. */
#ifndef MOONPOST_SUPERVISOR_H
#define MOONPOST_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

enum {
    EXIT_STORE_FAILED = 74, /* the node's exit code when its store failed */
    RESPAWN_MAX = 5,        /* so many new starts ... */
    RESPAWN_WINDOW_S = 60,  /* ... within this time; then the supervisor gives up */
    RESPAWN_MAX_IN_ALL = 20 /* those too that got on with a message that ends the process */
};

/* Does this command line want a supervisor? */
bool supervisor_wanted(int argc, char *const *argv);

/* Fork, before there are threads, files or a loop. In the child: answers the supervisor's process
 * number at once; the child dies when its parent does. In the supervisor: answers 0 when all is
 * over, and the exit code. Signals are passed on, once each: the child is in a process group of its
 * own. `*charged` (shared; NULL: it cannot be) is where the child says how many messages it charged
 * for earlier crashes: each such life is a step towards their end, so its own crash does not count.
 */
long supervisor_start(int *exit_code, uint64_t **charged);

#endif
