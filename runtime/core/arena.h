/* Memory that is given back all at once. */
#ifndef MOONPOST_ARENA_H
#define MOONPOST_ARENA_H

#include "core/span.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *first, *current;
};

/* `size` bytes, aligned for any type, valid until arena_reset. Never NULL. */
void *arena_take(struct arena *arena, size_t size);

/* A copy of the span in the arena. */
struct span arena_copy(struct arena *arena, struct span span);

/* Forget everything taken; the memory is kept for the next use. */
void arena_reset(struct arena *arena);
void arena_deinit(struct arena *arena);

#endif
