/* Growing bytes. */
#include "core/buffer.h"

enum { BUFFER_FIRST = 1024 };

static void buffer_grow(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->block ? buffer->block->size : BUFFER_FIRST;
    while (capacity < needed) capacity *= 2;

    struct block *block = block_new(capacity);
    if (buffer->used > 0) memcpy(block->bytes, buffer->block->bytes, buffer->used);
    block_release(buffer->block);
    buffer->block = block;
}

char *buffer_extend(struct buffer *buffer, size_t size)
{
    size_t needed = buffer->used + size;
    if (!buffer->block || buffer->block->size < needed) buffer_grow(buffer, needed);
    char *at = buffer->block->bytes + buffer->used;
    buffer->used = needed;
    return at;
}

void buffer_put(struct buffer *buffer, struct span bytes)
{
    if (bytes.size > 0) memcpy(buffer_extend(buffer, bytes.size), bytes.bytes, bytes.size);
}

struct block *buffer_take(struct buffer *buffer)
{
    struct block *block = buffer->block;
    if (buffer->used == 0) return NULL;
    block->size = (uint32_t)buffer->used;
    *buffer = (struct buffer){0};
    return block;
}

void buffer_deinit(struct buffer *buffer)
{
    block_release(buffer->block);
    *buffer = (struct buffer){0};
}
