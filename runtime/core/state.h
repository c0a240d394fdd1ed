/* State: what handlers keep. Each agent has documents (ctx.state: one, or one for each key) and any
 * number of small records (ctx.kv). A delivery works on what it read; what it writes is in the one
 * batch with its messages and its ACK.
 *
 *   read --> the record and its version      (from memory, or else from the store)
 *   ACK  --> have all that it read still the same version?
 *              no: the handler runs again at no attempt; after CONFLICTS_MAX times alone
 *              yes: its writes join the open batch, each with a new version
 *
 * What is not durable yet is read from memory, so a record leaves memory only behind its commit. */
#ifndef MOONPOST_STATE_H
#define MOONPOST_STATE_H

#include "core/block.h"
#include "core/heap.h"
#include "core/map.h"

enum state_scope {
    STATE_DOCUMENT = 's',
    STATE_KV = 'k',
    STATE_VERSIONS = 'v', /* one record, of its key "": which versions wrote the documents */
};

enum state_change { STATE_SET, STATE_REMOVE, STATE_ADD };

enum {
    STATE_KEY_BYTES_MAX = 200, /* of a record, beside its agent's address */
    STATE_CACHE_BYTES = 64 << 20,
    STATE_PAGE_MAX = 1000, /* records of one listing */
    CONFLICTS_MAX = 3,     /* then a delivery runs alone */
};

/* What a handler has read: void when the record has another version by now. */
struct state_read {
    uint8_t scope; /* enum state_scope */
    struct span key;
    uint64_t version;
};

/* What it leaves. */
struct state_write {
    uint8_t scope, change; /* enum state_scope, state_change */
    struct span key, value;
    double number;           /* of STATE_ADD: added to a number in JSON; absent: to 0 */
    int64_t expires_wall_ms; /* worthless from then on; 0: never */
    uint32_t writer;         /* version of the script that wrote it */
    uint64_t version;        /* drawn by engine_state_foresee; 0: when it is applied ... */
    double foreseen;         /* ... and what was added to then */
};

/* A record as a reader sees it. */
struct state_value {
    uint64_t version;    /* never used twice for different values of one store; 0: never written */
    uint32_t writer;     /* see state_write */
    struct block *value; /* given; NULL: it is not there */
};

struct state_kept;

/* Records in memory: all that a batch under way has written, and the others that were used last. */
struct states {
    struct map records;
    struct state_kept *oldest, *newest;
    size_t bytes;
    uint64_t writes;              /* of this life: the lower part of versions */
    struct state_kept **foreseen; /* until the next step has ended */
    size_t foreseen_count, foreseen_capacity;
    struct deadline sweep; /* the next look for records whose time is over (sweep.c) */
    uint64_t due_batch;    /* that holds the latest of their ends; 0: none in this life */
    struct block *swept;   /* the last end that was looked at, if there are more now; or NULL */
};

#endif
