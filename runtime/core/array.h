/* Growing a plain array by doubling. */
#ifndef MOONPOST_ARRAY_H
#define MOONPOST_ARRAY_H

#include <stdlib.h>
#include "core/ensure.h"

/* Room for one more item: `items` is a pointer, `count` and `capacity` are size_t lvalues. */
#define array_reserve(items, count, capacity)                                                      \
    ((count) < (capacity) ? (void)0                                                                \
                          : (void)((items) = array_grow((items), &(capacity), sizeof *(items))))

static inline void *array_grow(void *items, size_t *capacity, size_t item_size)
{
    *capacity = *capacity ? *capacity * 2 : 16;
    items = realloc(items, *capacity * item_size);
    ensure(items != NULL);
    return items;
}

#endif
