/* A ring and a hash table over it. Removal shifts the run back, so there are no tombstones. */
#include "core/prints.h"

#include <stdlib.h>
#include "core/ensure.h"

enum { CAPACITY_LEAST = 64 };

static struct print *at(const struct prints *prints, uint64_t number)
{
    return &prints->ring[number & (prints->capacity - 1)];
}

static size_t slot_mask(const struct prints *prints)
{
    return prints->capacity * 2 - 1;
}

static void enter(struct prints *prints, uint64_t number)
{
    size_t slot = at(prints, number)->fingerprint & slot_mask(prints);
    while (prints->slots[slot]) slot = (slot + 1) & slot_mask(prints);
    prints->slots[slot] = (uint32_t)(number & (prints->capacity - 1)) + 1;
}

static void grow(struct prints *prints)
{
    struct prints old = *prints;
    prints->capacity = old.capacity ? old.capacity * 2 : CAPACITY_LEAST;
    prints->ring = calloc(prints->capacity, sizeof *prints->ring);
    prints->slots = calloc(prints->capacity * 2, sizeof *prints->slots);
    ensure(prints->ring != NULL && prints->slots != NULL);
    for (uint64_t number = old.first; number < old.end; number++) {
        *at(prints, number) = *at(&old, number);
        if (at(prints, number)->sequence) enter(prints, number);
    }
    free(old.ring);
    free(old.slots);
}

void prints_add(struct prints *prints, const struct print *print)
{
    if (prints->end - prints->first == prints->capacity) grow(prints);
    *at(prints, prints->end) = *print;
    enter(prints, prints->end++);
    prints->count++;
}

const struct print *prints_next(const struct prints *prints, uint64_t fingerprint, size_t *cursor)
{
    if (prints->count == 0) return NULL;
    for (;; ++*cursor) {
        uint32_t place = prints->slots[(fingerprint + *cursor) & slot_mask(prints)];
        if (place == 0) return NULL;
        const struct print *print = &prints->ring[place - 1];
        if (print->fingerprint != fingerprint) continue;
        ++*cursor;
        return print;
    }
}

/* The slot is free now: those behind it that would not be found any more move up. */
static void close_gap(struct prints *prints, size_t gap)
{
    size_t mask = slot_mask(prints);
    for (size_t next = (gap + 1) & mask; prints->slots[next]; next = (next + 1) & mask) {
        size_t home = prints->ring[prints->slots[next] - 1].fingerprint & mask;
        if (((next - home) & mask) < ((next - gap) & mask)) continue;
        prints->slots[gap] = prints->slots[next];
        gap = next;
    }
    prints->slots[gap] = 0;
}

static void leave(struct prints *prints, struct print *print)
{
    uint32_t place = (uint32_t)(print - prints->ring) + 1;
    size_t slot = print->fingerprint & slot_mask(prints);
    while (prints->slots[slot] != place) slot = (slot + 1) & slot_mask(prints);
    close_gap(prints, slot);
    print->sequence = 0;
    prints->count--;
}

static void skip_taken_out(struct prints *prints)
{
    while (prints->first < prints->end && at(prints, prints->first)->sequence == 0) prints->first++;
}

const struct print *prints_oldest(const struct prints *prints)
{
    return prints->first < prints->end ? at(prints, prints->first) : NULL;
}

void prints_drop_oldest(struct prints *prints)
{
    leave(prints, at(prints, prints->first));
    skip_taken_out(prints);
}

void prints_remove(struct prints *prints, uint64_t fingerprint, uint64_t sequence)
{
    size_t slot = fingerprint & slot_mask(prints);
    for (; prints->count > 0 && prints->slots[slot]; slot = (slot + 1) & slot_mask(prints)) {
        struct print *print = &prints->ring[prints->slots[slot] - 1];
        if (print->sequence != sequence) continue;
        leave(prints, print);
        skip_taken_out(prints);
        return;
    }
}

void prints_deinit(struct prints *prints)
{
    free(prints->ring);
    free(prints->slots);
    *prints = (struct prints){0};
}
