/* The store thread: it alone uses the store, so that the loop never waits for the disk.
 *
 * Everything here is called on the loop's thread, and answers come back on it. Jobs are done in the
 * order in which they came, so a read sees every batch handed over before it. */
#ifndef MOONPOST_DISK_H
#define MOONPOST_DISK_H

#include <uv.h>
#include "store/store.h"

struct disk;

struct disk_calls {
    void *user;

    /* The batch (given back) is durable; `room` (borrowed) is left. */
    void (*committed)(void *user, struct batch *batch, const struct store_room *room);

    /* The page (given back) has its values. */
    void (*loaded)(void *user, struct load *load);

    /* A commit or a read failed: what is on disk is unknown, nothing is done any more, and what
     * was handed in is not given back. `reason` is borrowed. */
    void (*failed)(void *user, const char *reason);
};

/* Start the thread. The store is borrowed until disk_close has called back: nobody else may use it
 * meanwhile. */
struct disk *disk_new(uv_loop_t *loop, struct store *store, const struct disk_calls *calls);

/* Commit a batch, one at a time. It is borrowed: nobody changes it, or releases what it holds,
 * until it is given back. Its blocks' counters are not touched by the thread. */
void disk_commit(struct disk *disk, struct batch *batch);

/* Give a page its values, as the commits before it left them. Borrowed until it is given back. */
void disk_load(struct disk *disk, struct load *load);

/* The store is not to be used any more: do what is queued, then `last` on the store's thread, which
 * writes why (STORE_ERROR_BYTES), and nothing else. Then it has `failed` with that. */
void disk_condemn(struct disk *disk, void (*last)(struct store *store, void *user, char *why),
                  void *user);

/* Do what is queued, then end the thread and free the disk; `closed` is called at the end. */
void disk_close(struct disk *disk, void (*closed)(void *user), void *user);

#endif
