/* What the core knows of an agent: its declaration, as plain data. */
#ifndef MOONPOST_AGENT_H
#define MOONPOST_AGENT_H

#include "core/message.h"
#include "core/retry.h"

enum dedup_kind { DEDUP_NONE, DEDUP_KEY };
enum order { ORDER_NONE, ORDER_KEY, ORDER_STRICT };

struct agent_declaration {
    uint32_t agent; /* the shell's handle of it, passed back in effects and questions; not 0 */
    struct span address;
    uint32_t concurrency;    /* deliveries side by side, 1..CONCURRENCY_MAX */
    uint32_t batch;          /* messages handed over together, 1..BUNDLE_MAX; 0: one by one */
    int64_t batch_within_ms; /* the first of them waits no longer for the others */
    int64_t timeout_ms;      /* one delivery, waiting included */
    uint8_t profile;         /* enum profile: the least it asks of senders */
    bool has_dead;           /* is told of its dead letters */
    bool asks_key;           /* has a key function: ask policies.key */
    uint8_t order;           /* enum order */
    uint8_t dedup;           /* enum dedup_kind */
    bool asks_dedup;      /* has a dedup key function: ask policies.dedup; else the id is the key */
    int64_t dedup_ttl_ms; /* DURATION_FOREVER; 0: until it is settled */
    bool forgets_results; /* of duplicates */
    struct retry_policy retry;
};

#endif
