/* One atomic set of changes to the store, and what may be said once it is durable.
 *
 * The engine fills a batch, hands it out with EFFECT_COMMIT and gets it back with EVENT_COMMITTED.
 * In between it belongs to the store: keys and values stay valid, nobody changes them. */
#ifndef MOONPOST_BATCH_H
#define MOONPOST_BATCH_H

#include "core/arena.h"
#include "core/block.h"

enum op_kind { OP_PUT, OP_DELETE, OP_NOTHING /* put and deleted in the same batch */ };

/* The first byte of every key: which kind of record this is (see record.h). */
struct op {
    enum op_kind kind;
    struct span key;     /* in the batch's arena */
    struct span head;    /* of a put: the value is these bytes (in the arena) ... */
    struct block *value; /* ... followed by these, or NULL; one reference is the batch's */
};

struct after; /* the engine's own list of what follows the commit */

struct batch {
    struct batch *next; /* the engine's: which is handed out after this one */
    uint64_t number;    /* 1, 2, 3 ... in commit order */
    uint64_t sequence;  /* of the youngest message when it was closed */
    struct arena arena;
    struct op *ops;
    size_t op_count, op_capacity;
    size_t bytes; /* of all values */
    struct after *afters;
    size_t after_count, after_capacity;
};

struct batch *batch_new(void);

/* Releases the values it still holds. */
void batch_free(struct batch *batch);

/* Empty it, keeping its memory for the next use. */
void batch_reset(struct batch *batch);

/* Add a change; key and head are copied, one reference to the value is taken. Answers its index. */
size_t batch_put(struct batch *batch, struct span key, struct span head, struct block *value);
size_t batch_delete(struct batch *batch, struct span key);

/* Take back a put of this batch that has not been handed out yet. */
void batch_annul(struct batch *batch, size_t index);

#endif
