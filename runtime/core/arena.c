/* A list of chunks; taking moves a mark, resetting moves it back. */
#include "core/arena.h"

#include <stdlib.h>
#include "core/ensure.h"

enum { CHUNK_BYTES = 16 * 1024, ALIGNMENT = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t capacity, used;
    _Alignas(ALIGNMENT) char bytes[];
};

static struct arena_chunk *chunk_new(size_t size)
{
    size_t capacity = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    struct arena_chunk *chunk = malloc(sizeof *chunk + capacity);
    ensure(chunk != NULL);
    chunk->next = NULL;
    chunk->capacity = capacity;
    chunk->used = 0;
    return chunk;
}

/* The next chunk with room for `size`; chunks on the way that are too small stay empty. */
static struct arena_chunk *arena_advance(struct arena *arena, size_t size)
{
    struct arena_chunk **slot = arena->current ? &arena->current->next : &arena->first;
    while (*slot && (*slot)->capacity < size) slot = &(*slot)->next;
    if (!*slot) *slot = chunk_new(size);
    (*slot)->used = 0;
    return arena->current = *slot;
}

void *arena_take(struct arena *arena, size_t size)
{
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    struct arena_chunk *chunk = arena->current;
    if (!chunk || chunk->capacity - chunk->used < size) chunk = arena_advance(arena, size);
    void *at = chunk->bytes + chunk->used;
    chunk->used += size;
    return at;
}

struct span arena_copy(struct arena *arena, struct span span)
{
    if (span.size == 0) return span_of(NULL, 0);
    char *bytes = arena_take(arena, span.size);
    memcpy(bytes, span.bytes, span.size);
    return span_of(bytes, span.size);
}

void arena_reset(struct arena *arena)
{
    arena->current = arena->first;
    if (arena->first) arena->first->used = 0;
}

void arena_deinit(struct arena *arena)
{
    struct arena_chunk *chunk = arena->first;
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (struct arena){0};
}
