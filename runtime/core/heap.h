/* One min-heap of deadlines instead of a timer per message. A deadline is part of the thing it
 * belongs to; ties are broken by the order in which they were set. */
#ifndef MOONPOST_HEAP_H
#define MOONPOST_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline {
    int64_t at_ms;
    uint64_t order;
    uint32_t position; /* in the heap, from 1; 0: not set */
    uint8_t kind;      /* the owner's own */
    bool postponed;    /* the owner's own, until it is set anew */
};

struct heap {
    struct deadline **items;
    size_t count, capacity;
    uint64_t order;
};

/* Set or move a deadline. */
void heap_set(struct heap *heap, struct deadline *deadline, int64_t at_ms);

/* Take it out; nothing happens when it is not set. */
void heap_clear(struct heap *heap, struct deadline *deadline);

/* The earliest, or NULL. */
struct deadline *heap_first(const struct heap *heap);

void heap_deinit(struct heap *heap);

#endif
