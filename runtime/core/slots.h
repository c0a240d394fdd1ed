/* Handles that outlive what they name: index and generation in one number, so that a late one is
 * recognised as stale and never reaches something new. 0 is never a handle. */
#ifndef MOONPOST_SLOTS_H
#define MOONPOST_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct slot {
    void *item;
    uint32_t generation, next_free;
};

struct slots {
    struct slot *items;
    size_t count, capacity;
    uint32_t free; /* index + 1 of the first free slot, 0: none */
};

/* A handle for the item (not NULL). */
uint64_t slots_add(struct slots *slots, void *item);

/* The item, or NULL for a stale handle. */
void *slots_get(const struct slots *slots, uint64_t handle);

/* What is there now, whatever the generation, or NULL. */
void *slots_at(const struct slots *slots, uint32_t index);

/* Make the handle stale; nothing happens when it is already. */
void slots_remove(struct slots *slots, uint64_t handle);

void slots_deinit(struct slots *slots);

#endif
