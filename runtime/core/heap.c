/* A binary heap whose items know their place. */
#include "core/heap.h"

#include <stdbool.h>
#include "core/array.h"

static bool before(const struct deadline *a, const struct deadline *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void heap_place(struct heap *heap, size_t at, struct deadline *deadline)
{
    heap->items[at] = deadline;
    deadline->position = (uint32_t)at + 1;
}

static void heap_up(struct heap *heap, size_t at)
{
    struct deadline *deadline = heap->items[at];
    while (at > 0 && before(deadline, heap->items[(at - 1) / 2])) {
        heap_place(heap, at, heap->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_place(heap, at, deadline);
}

static void heap_down(struct heap *heap, size_t at)
{
    struct deadline *deadline = heap->items[at];
    for (size_t child = 2 * at + 1; child < heap->count; child = 2 * at + 1) {
        if (child + 1 < heap->count && before(heap->items[child + 1], heap->items[child])) child++;
        if (!before(heap->items[child], deadline)) break;
        heap_place(heap, at, heap->items[child]);
        at = child;
    }
    heap_place(heap, at, deadline);
}

static void heap_settle(struct heap *heap, size_t at)
{
    heap_up(heap, at);
    heap_down(heap, heap->items[at]->position - 1);
}

void heap_set(struct heap *heap, struct deadline *deadline, int64_t at_ms)
{
    deadline->at_ms = at_ms;
    deadline->postponed = false;
    deadline->order = ++heap->order;
    if (deadline->position == 0) {
        array_reserve(heap->items, heap->count, heap->capacity);
        heap_place(heap, heap->count++, deadline);
    }
    heap_settle(heap, deadline->position - 1);
}

void heap_clear(struct heap *heap, struct deadline *deadline)
{
    if (deadline->position == 0) return;
    size_t at = deadline->position - 1;
    ensure(heap->items[at] == deadline);
    deadline->position = 0;
    struct deadline *last = heap->items[--heap->count];
    if (last == deadline) return;
    heap_place(heap, at, last);
    heap_settle(heap, at);
}

struct deadline *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->items[0] : NULL;
}

void heap_deinit(struct heap *heap)
{
    free(heap->items);
    *heap = (struct heap){0};
}
