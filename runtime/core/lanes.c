/* All lanes of a node that owns addresses: found, made, written, forgotten. */
#include "core/parts.h"

enum {
    LANES_LOOKED_AT = 8, /* old lanes, for each new one */
    LANES_MAX = 65536,   /* then the longest unused closed one is forgotten */
};

#define LANE_FORGET_MS (30LL * 24 * 3600 * 1000)

static void lane_unlink(struct engine *engine, struct lane *lane)
{
    *(lane->previous ? &lane->previous->next : &engine->lane_oldest) = lane->next;
    *(lane->next ? &lane->next->previous : &engine->lane_newest) = lane->previous;
}

static void lane_link(struct engine *engine, struct lane *lane)
{
    lane->next = NULL;
    lane->previous = engine->lane_newest;
    *(engine->lane_newest ? &engine->lane_newest->next : &engine->lane_oldest) = lane;
    engine->lane_newest = lane;
}

static void lane_forget(struct engine *engine, struct lane *lane)
{
    char key[RECORD_KEY_MAX];
    if (lane->touched_batch == engine->open->number) return; /* about to be written */
    engine_changes(engine, false);
    batch_delete(engine->open, record_lane_key(key, lane));
    results_advance(engine, lane, UINT64_MAX);
    lane_unlink(engine, lane);
    map_remove(&engine->lanes, lane_key_of(lane));
    slots_remove(&engine->lane_handles, lane->handle);
    lane_free(lane);
}

/* The longest unused lanes go when nobody used them for so long, or when there are too many; one
 * with an open number stays, and is looked at again after the others. */
static void lanes_expire(struct engine *engine)
{
    for (int looks = 0; looks < LANES_LOOKED_AT; looks++) {
        struct lane *oldest = engine->lane_oldest;
        bool unused = oldest && engine->now_ms - oldest->used_ms >= LANE_FORGET_MS;
        if (!oldest || (!unused && engine->lanes.count <= LANES_MAX)) return;
        lane_unlink(engine, oldest);
        lane_link(engine, oldest);
        if (lane_is_closed(oldest)) lane_forget(engine, oldest);
    }
}

static bool is_of_lane(const struct lane *lane, const struct message *message)
{
    return lane->epoch == message->lane_epoch && span_equal(lane_origin(lane), message->origin) &&
           span_equal(lane_destination(lane), message->to);
}

/* Mostly it is the one that was used last. */
struct lane *lanes_find(const struct engine *engine, const struct message *message)
{
    struct lane *last = engine->lane_newest;
    if (last && is_of_lane(last, message)) return last;
    char key[LANE_KEY_MAX];
    return map_find(&engine->lanes,
                    lane_key(key, message->origin, message->lane_epoch, message->to));
}

void lanes_add(struct engine *engine, struct lane *lane)
{
    lane->handle = slots_add(&engine->lane_handles, lane);
    lane->used_ms = engine->now_ms;
    map_add(&engine->lanes, lane_key_of(lane), lane);
    lane_link(engine, lane);
}

static struct lane *lane_make(struct engine *engine, const struct message *message)
{
    struct lane *lane = lane_new(message->origin, message->lane_epoch, message->to, message->base);
    lanes_expire(engine);
    lanes_add(engine, lane);
    return lane;
}

void lanes_advance(struct engine *engine, struct lane *lane, uint64_t base)
{
    lane_advance(lane, base);
    results_advance(engine, lane, lane->base);
}

struct lane *lanes_of(struct engine *engine, const struct message *message)
{
    struct lane *lane = lanes_find(engine, message);
    if (!lane) lane = lane_make(engine, message);
    if (lane != engine->lane_newest) {
        lane_unlink(engine, lane);
        lane_link(engine, lane);
    }
    lane->used_ms = engine->now_ms;
    lanes_advance(engine, lane, message->base);
    return lane;
}

void lanes_touch(struct engine *engine, struct lane *lane)
{
    if (lane->touched_batch == engine->open->number || planted(PLANT_LANE_NOT_WRITTEN)) return;
    lane->touched_batch = engine->open->number;
    array_reserve(engine->touched, engine->touched_count, engine->touched_capacity);
    engine->touched[engine->touched_count++] = lane;
    engine_changes(engine, false);
}

void lanes_entry_level(struct engine *engine, const struct entry *entry, enum lane_level level)
{
    struct lane *lane = slots_get(&engine->lane_handles, entry->lane);
    if (!lane) return;
    lane_set(lane, entry->number, level);
    lanes_touch(engine, lane);
}

void lanes_farewell(struct engine *engine, const struct message *message)
{
    struct lane *lane = lanes_find(engine, message);
    if (!lane) return;
    lanes_advance(engine, lane, message->seq);
    if (lane->base == lane->end) lane_forget(engine, lane);
}
