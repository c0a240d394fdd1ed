/* What a dedup policy remembers: keys in the order in which they were settled. */
#ifndef MOONPOST_SEEN_H
#define MOONPOST_SEEN_H

#include "core/queue.h"

enum { SEEN_MAX = 1000000 /* settled keys an agent remembers; the oldest go first */ };

struct seen {
    struct seen *newer;   /* in the order of settling */
    struct entry *holder; /* the message in hand, or NULL once it is settled */
    int64_t forget_ms;    /* when settled: when it is forgotten; INT64_MAX */
    struct block *result; /* of the first, or NULL */
    uint8_t result_encoding;
    bool forgot;     /* it had a result too large to keep */
    struct span key; /* owned, behind the struct */
};

/* What is remembered of the key at this time, or NULL. Forgets what is too old on the way. */
struct seen *seen_find(struct queue *mailbox, struct span key, int64_t now_ms);

/* Remember a key for the message in hand. */
struct seen *seen_hold(struct queue *mailbox, struct span key, struct entry *holder);

/* The holder was handled: remember it with its result (a reference is taken) for the agent's ttl.
 */
void seen_settle(struct queue *mailbox, struct seen *seen, struct block *result, uint8_t encoding,
                 int64_t now_ms);

/* The holder was not handled and nobody waits for the key: forget it. */
void seen_drop(struct queue *mailbox, struct seen *seen);

/* Forget all. */
void seen_clear(struct queue *mailbox);

#endif
