/* Results of lanes: see results.h. A handler that answered nothing leaves none. */
#include "core/results.h"

#include <stdlib.h>
#include "core/parts.h"

/* The place of a number, or where it would be. */
static size_t place(const struct lane_results *results, uint64_t number)
{
    size_t low = 0, high = results->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (results->items[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct lane_result *results_find(const struct lane *lane, uint64_t number)
{
    size_t at = place(&lane->results, number);
    if (at == lane->results.count || lane->results.items[at].number != number) return NULL;
    return &lane->results.items[at];
}

void results_add(struct engine *engine, struct lane *lane, uint64_t number, struct block *bytes,
                 uint8_t encoding)
{
    struct lane_results *results = &lane->results;
    size_t at = place(results, number);
    array_reserve(results->items, results->count, results->capacity);
    memmove(&results->items[at + 1], &results->items[at],
            (results->count - at) * sizeof *results->items);
    results->items[at] = (struct lane_result){number, bytes, encoding};
    results->count++;
    engine->results_bytes += bytes ? bytes->size : 0;
}

void results_keep(struct engine *engine, const struct entry *entry, const struct outcome *outcome)
{
    char key[RECORD_KEY_MAX];
    struct lane *lane = slots_get(&engine->lane_handles, entry->lane);
    if (!lane || entry->profile != EXACTLY_ONCE || outcome->result.size == 0) return;
    if (planted(PLANT_RESULT_FORGOTTEN)) return;
    if (entry->number < lane->base) return; /* nobody will ask for it */
    bool room = engine->results_bytes + outcome->result.size <= RESULTS_BYTES_MAX;
    struct block *bytes = room ? block_copy(outcome->result) : NULL;
    results_add(engine, lane, entry->number, bytes, outcome->encoding);
    engine_changes(engine, false);
    char head[1] = {(char)(bytes ? outcome->encoding : RESULT_FORGOTTEN)};
    batch_put(engine->open, record_result_key(key, lane, entry->number), span_of(head, 1), bytes);
}

static void forget(struct engine *engine, const struct lane *lane, const struct lane_result *result)
{
    char key[RECORD_KEY_MAX];
    engine_changes(engine, false);
    batch_delete(engine->open, record_result_key(key, lane, result->number));
    engine->results_bytes -= result->bytes ? result->bytes->size : 0;
    block_release(result->bytes);
}

void results_advance(struct engine *engine, struct lane *lane, uint64_t base)
{
    struct lane_results *results = &lane->results;
    size_t gone = 0;
    while (gone < results->count && results->items[gone].number < base)
        forget(engine, lane, &results->items[gone++]);
    if (gone == 0) return;
    results->count -= gone;
    memmove(results->items, results->items + gone, results->count * sizeof *results->items);
}

void results_free(struct lane_results *results)
{
    for (size_t i = 0; i < results->count; i++) block_release(results->items[i].bytes);
    free(results->items);
    *results = (struct lane_results){0};
}

enum status results_recover(struct engine *engine, struct span key, struct span value)
{
    uint64_t number;
    struct span of_lane = record_result_lane(key, &number);
    struct lane *lane = of_lane.size > 0 ? map_find(&engine->lanes, of_lane) : NULL;
    if (value.size == 0 || of_lane.size == 0) return STATUS_DAMAGED;
    if (!lane || number < lane->base) return STATUS_OK; /* its lane went on without it */
    bool forgotten = (uint8_t)value.bytes[0] == RESULT_FORGOTTEN;
    struct span rest = span_of(value.bytes + 1, value.size - 1);
    results_add(engine, lane, number, forgotten ? NULL : block_copy(rest),
                forgotten ? ENCODING_JSON : (uint8_t)value.bytes[0]);
    return STATUS_OK;
}
