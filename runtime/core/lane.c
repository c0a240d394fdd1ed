/* Lanes at the owner. */
#include "core/lane.h"

#include <stdlib.h>
#include "core/array.h"
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
    results_free(&lane->results);
    free(lane->runs);
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

/* ---- runs ---- */

static uint64_t run_end(const struct lane *lane, size_t at)
{
    return at + 1 < lane->run_count ? lane->runs[at + 1].first : lane->end;
}

/* The run with this number, which is in [base, end). */
static size_t run_find(const struct lane *lane, uint64_t number)
{
    size_t low = 0, high = lane->run_count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (lane->runs[middle].first <= number)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void run_insert(struct lane *lane, size_t at, uint64_t first, enum lane_level level)
{
    array_reserve(lane->runs, lane->run_count, lane->run_capacity);
    memmove(&lane->runs[at + 1], &lane->runs[at], (lane->run_count - at) * sizeof *lane->runs);
    lane->runs[at] = (struct lane_run){first, (uint8_t)level};
    lane->run_count++;
}

static void runs_remove(struct lane *lane, size_t at, size_t count)
{
    if (count == 0) return;
    lane->run_count -= count;
    memmove(&lane->runs[at], &lane->runs[at + count], (lane->run_count - at) * sizeof *lane->runs);
}

/* A run begins at this number; nothing happens when it lies outside. */
static void run_split(struct lane *lane, uint64_t number)
{
    if (number >= lane->end) return;
    size_t at = run_find(lane, number);
    if (lane->runs[at].first < number)
        run_insert(lane, at + 1, number, (enum lane_level)lane->runs[at].level);
}

/* A run that says the same as the one before it becomes part of that. */
static void run_merge(struct lane *lane, size_t at)
{
    if (at == 0 || at >= lane->run_count) return;
    if (lane->runs[at].level == lane->runs[at - 1].level) runs_remove(lane, at, 1);
}

static bool is_open(enum lane_level level)
{
    return level == LANE_ACCEPTED || level == LANE_STORED;
}

/* ---- numbers ---- */

void lane_advance(struct lane *lane, uint64_t base)
{
    size_t gone = 0;
    if (base <= lane->base) return;
    if (base < lane->end) run_split(lane, base);
    for (; gone < lane->run_count && lane->runs[gone].first < base; gone++)
        if (is_open((enum lane_level)lane->runs[gone].level))
            lane->open -= run_end(lane, gone) - lane->runs[gone].first;
    runs_remove(lane, 0, gone);
    lane->base = base;
    if (lane->end < base) lane->end = base;
}

enum lane_level lane_level(const struct lane *lane, uint64_t number)
{
    if (number < lane->base) return LANE_HANDLED;
    if (number >= lane->end) return LANE_UNKNOWN;
    return (enum lane_level)lane->runs[run_find(lane, number)].level;
}

bool lane_is_whole(const struct lane *lane, uint64_t number)
{
    if (number > lane->end) return false;
    for (size_t i = 0; i < lane->run_count && lane->runs[i].first < number; i++)
        if (lane->runs[i].level == LANE_UNKNOWN) return false;
    return true;
}

bool lane_has_room(const struct lane *lane)
{
    return lane->run_count + 2 < LANE_RUNS_MAX;
}

/* The lane reaches up to this number now, which is unknown so far. */
static void lane_extend(struct lane *lane, uint64_t number)
{
    uint64_t first = lane->end;
    if (number < first) return;
    lane->end = number + 1;
    run_insert(lane, lane->run_count, first, LANE_UNKNOWN);
    run_merge(lane, lane->run_count - 1);
}

void lane_set(struct lane *lane, uint64_t number, enum lane_level level)
{
    if (number < lane->base) return;
    ensure(number < UINT64_MAX);
    lane_extend(lane, number);
    enum lane_level old = lane_level(lane, number);
    if (old >= level) return;
    run_split(lane, number);
    run_split(lane, number + 1);
    size_t at = run_find(lane, number);
    lane->runs[at].level = (uint8_t)level;
    lane->open = lane->open + is_open(level) - is_open(old);
    run_merge(lane, at + 1);
    run_merge(lane, at);
}

void lane_fill(struct lane *lane, uint64_t first, uint64_t end, enum lane_level level)
{
    ensure(first == lane->end && end > first);
    run_insert(lane, lane->run_count, first, level);
    lane->end = end;
    if (is_open(level)) lane->open += end - first;
    run_merge(lane, lane->run_count - 1);
}

bool lane_is_closed(const struct lane *lane)
{
    return lane->open == 0;
}
