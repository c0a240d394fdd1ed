/* What a dedup policy remembers: keys in the order in which they were settled.
 *
 *   held     the first message with the key is in hand
 *   young    it was handled; the record of that is in a batch on its way
 *   indexed  the record is durable: a fingerprint stays in memory, the key and the first result are
 *            in the store
 *
 * The records are a log: they are appended, and go from the old end when their time is over or when
 * there are too many. */
#ifndef MOONPOST_SEEN_H
#define MOONPOST_SEEN_H

#include "core/queue.h"

enum { SEEN_MAX = 1000000 /* settled keys an agent remembers; the oldest go first */ };

struct engine;

struct seen {
    struct seen *newer;   /* of the young, in the order of settling */
    struct entry *holder; /* the message in hand, or NULL once it is settled */
    uint64_t sequence;    /* of its record; 0: it has none */
    uint64_t put_batch;   /* that wrote the record */
    uint64_t replaces;    /* the record of an older version of the key, or 0 */
    int64_t forget_ms;    /* when settled: when it is forgotten; INT64_MAX */
    int64_t ttl_ms;       /* its own, or the agent's; 0: until it is settled; DURATION_FOREVER */
    bool has_version;
    double version;       /* the highest is remembered */
    struct block *result; /* of the first, or NULL */
    uint8_t result_encoding;
    bool forgot;     /* it had a result too large to keep */
    bool awaited;    /* others have waited for it, and may still */
    struct span key; /* owned, behind the struct */
};

/* What is remembered of the key now, or NULL. Forgets what is too old on the way. Of an indexed key
 * it is read from the store, and valid until the next call. */
struct seen *seen_find(struct engine *engine, struct queue *mailbox, struct span key);

/* Remember a key for the message in hand. */
struct seen *seen_hold(struct queue *mailbox, struct span key, struct entry *holder);

/* The holder was handled: remember it with its result (a reference is taken), with the open batch.
 */
void seen_settle(struct engine *engine, struct queue *mailbox, struct seen *seen,
                 struct block *result, uint8_t encoding);

/* The same for those who wait for it now, and nobody else. */
void seen_end(struct seen *seen, struct block *result, uint8_t encoding);

/* The holder was not handled and nobody waits for the key: forget it. */
void seen_drop(struct queue *mailbox, struct seen *seen);

/* Take it from its record. DAMAGED. */
enum status seen_recover(struct engine *engine, struct span key, struct span value);

/* Forget all that is in memory. */
void seen_clear(struct queue *mailbox);

#endif
