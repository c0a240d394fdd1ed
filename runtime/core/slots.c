/* Slots with generations. */
#include "core/slots.h"

#include "core/array.h"

uint64_t slots_add(struct slots *slots, void *item)
{
    uint32_t index;
    if (slots->free) {
        index = slots->free - 1;
        slots->free = slots->items[index].next_free;
    } else {
        array_reserve(slots->items, slots->count, slots->capacity);
        index = (uint32_t)slots->count++;
        slots->items[index].generation = 0;
    }
    struct slot *slot = &slots->items[index];
    slot->item = item;
    slot->generation++;
    return (uint64_t)slot->generation << 32 | index;
}

static struct slot *slots_find(const struct slots *slots, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    if (handle == 0 || index >= slots->count) return NULL;
    struct slot *slot = &slots->items[index];
    return slot->item && slot->generation == handle >> 32 ? slot : NULL;
}

void *slots_get(const struct slots *slots, uint64_t handle)
{
    struct slot *slot = slots_find(slots, handle);
    return slot ? slot->item : NULL;
}

void *slots_at(const struct slots *slots, uint32_t index)
{
    return index < slots->count ? slots->items[index].item : NULL;
}

void slots_remove(struct slots *slots, uint64_t handle)
{
    struct slot *slot = slots_find(slots, handle);
    if (!slot) return;
    slot->item = NULL;
    slot->next_free = slots->free;
    slots->free = (uint32_t)handle + 1;
}

void slots_deinit(struct slots *slots)
{
    free(slots->items);
    *slots = (struct slots){0};
}
