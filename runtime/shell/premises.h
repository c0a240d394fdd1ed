/* Whether the files that a node began with are still those in its folder: its lock keeps others
 * out, and its store is what it confirms. A file that was removed or replaced lives on for this
 * process only, and everything in it ends with that. */
#ifndef MOONPOST_PREMISES_H
#define MOONPOST_PREMISES_H

#include <stdbool.h>
#include <uv.h>

enum { PREMISES_LOOK_MS = 1000 /* how long it may take until it is noticed */ };

struct premises;

struct premises_calls {
    void *user;
    /* Once: this file (borrowed) is another one now, or none. `store`: it is the store's. */
    void (*gone)(void *user, const char *path, bool store);
};

/* Look at the folder (copied) from now on; the node holds its lock, and with `store` its store is
 * there. */
struct premises *premises_watch(uv_loop_t *loop, const char *folder, bool store,
                                const struct premises_calls *calls);

/* NULL is allowed. */
void premises_close(struct premises *premises);

#endif
