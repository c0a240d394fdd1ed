/* Lanes at the owner. */
#include "core/lane.h"

#include <stdlib.h>
#include "core/buffer.h"
#include "core/ensure.h"

struct span lane_key(char *buffer, struct span origin, uint64_t epoch, struct span destination)
{
    ensure(origin.size <= ORIGIN_BYTES_MAX && destination.size <= ADDRESS_BYTES_MAX);
    memcpy(buffer, origin.bytes, origin.size);
    put_u64(buffer + origin.size, epoch);
    memcpy(buffer + origin.size + 8, destination.bytes, destination.size);
    return span_of(buffer, origin.size + 8 + destination.size);
}

struct lane *lane_new(struct span origin, uint64_t epoch, struct span destination, uint64_t base)
{
    struct lane *lane = calloc(1, sizeof *lane);
    ensure(lane != NULL);
    lane->epoch = epoch;
    lane->base = lane->end = base;
    lane->origin_size = (uint8_t)origin.size;
    lane->destination_size = (uint8_t)destination.size;
    lane_key(lane->key, origin, epoch, destination);
    return lane;
}

void lane_free(struct lane *lane)
{
    free(lane->levels);
    free(lane);
}

struct span lane_key_of(const struct lane *lane)
{
    return span_of(lane->key, (size_t)lane->origin_size + 8 + lane->destination_size);
}

struct span lane_origin(const struct lane *lane)
{
    return span_of(lane->key, lane->origin_size);
}

struct span lane_destination(const struct lane *lane)
{
    return span_of(lane->key + lane->origin_size + 8, lane->destination_size);
}

void lane_advance(struct lane *lane, uint64_t base)
{
    if (base <= lane->base) return;
    uint64_t until = base < lane->end ? base : lane->end;
    for (uint64_t n = lane->base; n < until; n++) lane->levels[n & (lane->capacity - 1)] = 0;
    lane->base = base;
    if (lane->end < base) lane->end = base;
}

enum lane_level lane_level(const struct lane *lane, uint64_t number)
{
    if (number < lane->base) return LANE_HANDLED;
    if (number >= lane->end) return LANE_UNKNOWN;
    return (enum lane_level)lane->levels[number & (lane->capacity - 1)];
}

bool lane_has_room(const struct lane *lane, uint64_t number)
{
    return number < lane->base || number - lane->base < LANE_AHEAD_MAX;
}

static void lane_grow(struct lane *lane, size_t needed)
{
    size_t capacity = lane->capacity ? lane->capacity : 64;
    while (capacity < needed) capacity *= 2;
    uint8_t *levels = calloc(capacity, 1);
    ensure(levels != NULL);
    for (uint64_t n = lane->base; n < lane->end; n++)
        levels[n & (capacity - 1)] = lane->levels[n & (lane->capacity - 1)];
    free(lane->levels);
    lane->levels = levels;
    lane->capacity = capacity;
}

void lane_set(struct lane *lane, uint64_t number, enum lane_level level)
{
    if (number < lane->base) return;
    ensure(lane_has_room(lane, number));
    size_t needed = (size_t)(number - lane->base) + 1;
    if (needed > lane->capacity) lane_grow(lane, needed);
    if (number >= lane->end) lane->end = number + 1;
    uint8_t *at = &lane->levels[number & (lane->capacity - 1)];
    if (*at < level) *at = (uint8_t)level;
}

bool lane_is_closed(const struct lane *lane)
{
    for (uint64_t n = lane->base; n < lane->end; n++) {
        enum lane_level level = lane_level(lane, n);
        if (level == LANE_ACCEPTED || level == LANE_STORED) return false;
    }
    return true;
}
