/* Counted memory. */
#include "core/block.h"

#include <stdlib.h>
#include "core/ensure.h"

struct block *block_new(size_t size)
{
    ensure(size <= UINT32_MAX);
    struct block *block = malloc(sizeof *block + size);
    ensure(block != NULL);
    block->references = 1;
    block->size = (uint32_t)size;
    return block;
}

struct block *block_copy(struct span span)
{
    struct block *block = block_new(span.size);
    if (span.size > 0) memcpy(block->bytes, span.bytes, span.size);
    return block;
}

struct block *block_retain(struct block *block)
{
    if (!block) return NULL;
    ensure(block->references > 0);
    block->references++;
    return block;
}

void block_release(struct block *block)
{
    if (!block) return;
    ensure(block->references > 0);
    if (--block->references == 0) free(block);
}
