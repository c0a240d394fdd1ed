/* A counted piece of memory: what a link received once and store, handler and outgoing frame then
 * borrow. The counter belongs to the loop thread. */
#ifndef MOONPOST_BLOCK_H
#define MOONPOST_BLOCK_H

#include "core/span.h"

struct block {
    uint32_t references;
    uint32_t size;
    char bytes[];
};

/* A block of `size` bytes, uninitialised, with one reference that is given to the caller. */
struct block *block_new(size_t size);

/* A block with a copy of the span. */
struct block *block_copy(struct span span);

/* One more reference; answers the block. NULL stays NULL. */
struct block *block_retain(struct block *block);

/* One reference fewer; the last one frees. NULL is allowed. */
void block_release(struct block *block);

static inline struct span block_span(const struct block *block)
{
    return block ? span_of(block->bytes, block->size) : span_of(NULL, 0);
}

#endif
