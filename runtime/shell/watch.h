/* When a node should look at its files: after SIGHUP, and, if asked for, after something happened
 * in the folders they are in. What happened there does not matter: whoever is told compares. */
#ifndef MOONPOST_WATCH_H
#define MOONPOST_WATCH_H

#include <uv.h>
#include "node/node.h"

enum {
    WATCH_QUIET_MS = 60,  /* an editor saves in several steps: wait until it is quiet ... */
    WATCH_LATE_MS = 1000, /* ... but not for ever */
};

struct watch_calls {
    void *user;
    bool (*look)(void *user, bool asked);                     /* asked: by SIGHUP */
    void (*complain)(void *user, const char *path, int code); /* a folder cannot be watched */
};

struct watch;

/* Catch SIGHUP from now on; with `folders`, watch those of the node's files, too. The node is
 * borrowed until watch_close. A SIGHUP because the terminal is gone is a SIGTERM instead. */
struct watch *watch_open(uv_loop_t *loop, struct node *node, bool folders,
                         const struct watch_calls *calls);

/* Tell nobody any more; the memory goes when the loop has closed the handles. */
void watch_close(struct watch *watch);

#endif
