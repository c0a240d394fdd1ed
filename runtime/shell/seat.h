/* A node's place in the shell: its doors, connections, dials and its one timer.
 *
 *   OPEN --seat_drain--> DRAINING --nothing in hand, or the time is up--> STOPPING
 *   OPEN --seat_close--> STOPPING --no connection left, or the time is up--> LEAVING
 *   LEAVING --all handles closed--> freed
 */
#ifndef MOONPOST_SEAT_H
#define MOONPOST_SEAT_H

#include "shell/address.h"
#include "shell/shell.h"

enum seat_state { SEAT_OPEN, SEAT_DRAINING, SEAT_STOPPING, SEAT_LEAVING };

struct disk;
struct slot;
struct door;
struct dial;
struct watchdog;

struct seat {
    struct shell *shell;
    struct seat *next;
    struct node *node;
    struct node_io io;
    enum seat_state state;
    bool awake;                /* wants a turn */
    char *root;                /* relative paths of its addresses start here */
    int folder;                /* holds the lock of its data folder; -1: it has none */
    struct disk *disk;         /* the thread of its store, NULL: the store is memory */
    struct watchdog *watchdog; /* NULL: there is none */
    bool full;                 /* the store, as of its last commit */
    uv_timer_t timer;
    uint64_t *charged;  /* kept up to date with engine_charged; NULL: nobody asks */
    size_t handles;     /* of libuv, not closed yet */
    size_t expiring;    /* connections and dials with a time limit */
    bool drained;       /* it says what it leaves behind */
    int64_t stop_at_ms; /* when draining, or stopping, ends at the latest */
    struct slot *slots; /* connections by number - 1 */
    size_t slot_count, slot_capacity;
    size_t connections; /* not gone yet */
    struct door *doors;
    struct dial *dials;
    void (*closed)(void *user);
    void *closed_user;
};

/* A new node in the shell, not started. `root` is copied. The node's io is wired; never NULL. */
struct seat *seat_open(struct shell *shell, const char *root, const struct node_options *options);

/* Relative paths of addresses start here from now on; empty: the current folder. Copied. */
void seat_move(struct seat *seat, struct span root);

/* Start the thread of the node's store, which node_use_store gave it. A failed commit ends the
 * process with exit code 74. */
void seat_start_disk(struct seat *seat, struct store *store);

/* End the process when a script of the node stands still for so long (shell/watchdog.h), until the
 * node is freed. */
void seat_start_watchdog(struct seat *seat, int64_t limit_ms);

/* The seat of a node of this shell. */
struct seat *seat_of(struct shell *shell, const struct node *node);

/* Stop the node: bye on all links, then close and free it. `closed` (may be NULL) is called when it
 * is gone. A second call is ignored. */
void seat_close(struct seat *seat, void (*closed)(void *user), void *user);

/* The same behind a wait: no new deliveries, and so long for those in hand. What is left is said.
 */
void seat_drain(struct seat *seat, int64_t grace_ms, void (*closed)(void *user), void *user);

/* The same for a node that was not started: nobody knows it, so there is nothing to say. */
void seat_drop(struct seat *seat, void (*closed)(void *user), void *user);

/* Give the node a turn soon. */
void seat_wake(struct seat *seat);

/* For the shell: the turn of an awake node; sending what was written; at the end of a turn, freeing
 * what has left. */
void seat_turn(struct seat *seat);
void seat_flush(struct seat *seat);
bool seat_gone(const struct seat *seat);
void seat_free(struct seat *seat);

/* For doors, dials and connections: a handle of libuv was made or closed. */
void seat_handle_closed(struct seat *seat);

#endif
