/* What the agent of the peers' benchmark counts, in memory that it shares with the consumer's verb.
 */
#ifndef MOONPOST_BENCH_COUNTER_H
#define MOONPOST_BENCH_COUNTER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { FLOW_WINDOW = 20000 }; /* W3: how far a producer may be ahead of the consumer */

struct counter {
    uint64_t n, body_size; /* what is expected; written by the consumer's verb */
    _Atomic uint64_t handled;
    uint64_t first_ns, last_ns;
    uint64_t next; /* sequence number expected */
    uint64_t duplicates, bad, disordered;
};

/* After the counter: n latencies in ns, then a byte for each number seen. */
static inline uint64_t *counter_latencies(const struct counter *counter)
{
    return (uint64_t *)(uintptr_t)(counter + 1);
}

static inline uint8_t *counter_seen(const struct counter *counter)
{
    return (uint8_t *)(counter_latencies(counter) + counter->n);
}

static inline size_t counter_size(uint64_t n)
{
    return sizeof(struct counter) + n * sizeof(uint64_t) + n;
}

#endif
