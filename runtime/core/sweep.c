/* Records of state whose time is over leave the store by themselves.
 *
 * The end of each stands in the store by its moment, written and deleted with its record. When the
 * earliest is over, so many are looked at, in a step; the others in the next ones. Those in memory
 * are no list: there may be more of them than memory. Wall time may jump, so there is a look at
 * least once an hour. */
#include "core/parts.h"

enum {
    SWEEP_MAX = 256,       /* ends that one step looks at */
    SWEEP_AGAIN_MS = 1,    /* until the next ones */
    SWEEP_LATER_MS = 1000, /* until those are looked for that are not in the store yet */
    SWEEP_LATEST_MS = 3600000,
};

static void look_at(struct engine *engine, int64_t at_ms)
{
    struct deadline *sweep = &engine->states.sweep;
    int64_t latest_ms = engine->now_ms + SWEEP_LATEST_MS;
    if (at_ms <= engine->now_ms) at_ms = engine->now_ms + SWEEP_AGAIN_MS;
    if (at_ms > latest_ms) at_ms = latest_ms;
    if (sweep->position && sweep->at_ms <= at_ms) return;
    sweep->kind = DEADLINE_SWEEP;
    heap_set(&engine->deadlines, sweep, at_ms);
}

static void put_end(struct engine *engine, struct span key)
{
    static const char nothing = 0;
    engine_changes(engine, false);
    batch_put(engine->open, key, span_of(&nothing, 1), NULL);
    engine->states.due_batch = engine->open->number;
}

static void delete_end(struct engine *engine, struct span key)
{
    engine_changes(engine, false);
    batch_delete(engine->open, key);
}

void sweep_end_moves(struct engine *engine, struct span key, int64_t before_wall_ms,
                     int64_t after_wall_ms)
{
    char buffer[RECORD_KEY_MAX];
    if (before_wall_ms == after_wall_ms) return;
    if (before_wall_ms) delete_end(engine, record_due_key(buffer, before_wall_ms, key));
    if (!after_wall_ms) return;
    put_end(engine, record_due_key(buffer, after_wall_ms, key));
    look_at(engine, after_wall_ms - engine->wall_ms);
}

void sweep_recovered(struct engine *engine)
{
    if (engine->policies.list) look_at(engine, engine->now_ms);
}

/* ---- looking ---- */

struct sweep {
    struct engine *engine;
    int64_t now_wall_ms, next_wall_ms; /* next 0: there is none */
    struct span behind;                /* only ends with later keys */
    size_t count;
    struct span keys[SWEEP_MAX]; /* in the step's memory */
};

static bool gather(void *user, struct span key, struct span value)
{
    struct sweep *sweep = user;
    int64_t end_wall_ms;
    (void)value;
    if (record_due_state(key, &end_wall_ms).size == 0 || span_equal(key, sweep->behind))
        return true;
    if (end_wall_ms > sweep->now_wall_ms && !planted(PLANT_SWEPT_TOO_EARLY)) {
        sweep->next_wall_ms = end_wall_ms;
        return false;
    }
    sweep->keys[sweep->count++] = arena_copy(&sweep->engine->effects->arena, key);
    return sweep->count < SWEEP_MAX;
}

static void drop(struct engine *engine, struct span key)
{
    int64_t end_wall_ms = 0;
    struct span state_key = record_due_state(key, &end_wall_ms);
    state_drop_expired(engine, state_key, end_wall_ms);
    delete_end(engine, key);
}

/* What is deleted in a batch that is not durable is there for who reads, so the next ones are those
 * behind it. */
static void go_on(struct engine *engine, const struct sweep *sweep)
{
    struct states *states = &engine->states;
    block_release(states->swept);
    states->swept = NULL;
    if (sweep->count == SWEEP_MAX) {
        states->swept = block_copy(sweep->keys[SWEEP_MAX - 1]);
        look_at(engine, engine->now_ms);
        return;
    }
    if (sweep->next_wall_ms) look_at(engine, sweep->next_wall_ms - engine->wall_ms);
    if (states->due_batch > engine->committed) look_at(engine, engine->now_ms + SWEEP_LATER_MS);
}

void sweep_deadline(struct engine *engine)
{
    const char kind = RECORD_DUE;
    struct span prefix = span_of(&kind, 1);
    struct sweep sweep = {.engine = engine,
                          .now_wall_ms = engine->now_ms + engine->wall_ms,
                          .behind = block_span(engine->states.swept)};
    if (engine->stopping || !engine->policies.list) return;
    struct span from = sweep.behind.size > 0 ? sweep.behind : prefix;
    engine->policies.list(engine->policies.store_user, prefix, from, gather, &sweep);
    for (size_t i = 0; i < sweep.count; i++) drop(engine, sweep.keys[i]);
    go_on(engine, &sweep);
}
