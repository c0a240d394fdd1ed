/* Group commit.
 *
 * Changes gather in the open batch while another batch is with the store. It is handed out as soon
 * as the store is free, with two exceptions: a step that started handlers holds it for a moment, so
 * that a message handled at once is put and settled in one commit; and changes that nobody waits
 * for stay up to LAZY_COMMIT_MS for company. Only a commit tells whether the store has room, so
 * while it is full there is one now and then although nothing has changed. An open batch at its
 * bound is closed between two transactions and waits its turn. */
#include "core/parts.h"

enum {
    COMMIT_HOLD_MS = 2,        /* how long started handlers may hold a batch */
    ROOM_LOOK_MS = 1000,       /* how often a full store is asked for room */
    BATCH_OPS_MAX = 8192,      /* changes in a batch, give or take one transaction ... */
    BATCH_BYTES_MAX = 4 << 20, /* ... and bytes of values */
};

void commit_init(struct engine *engine)
{
    engine->open = batch_new();
    engine->batches = engine->open->number = 1;
    engine->closed_tail = &engine->closed;
}

void commit_free(struct engine *engine)
{
    while (engine->closed) {
        struct batch *batch = engine->closed;
        engine->closed = batch->next;
        batch_free(batch);
    }
    batch_free(engine->open);
    batch_free(engine->spare);
}

void engine_changes(struct engine *engine, bool urgent)
{
    if (engine->open->op_count == 0 && engine->open->after_count == 0)
        engine->opened_ms = engine->now_ms;
    engine->urgent |= urgent;
}

/* ---- closing ---- */

/* Lanes that changed are written once a batch. */
static void write_lanes(struct engine *engine)
{
    char key[RECORD_KEY_MAX];
    for (size_t i = 0; i < engine->touched_count; i++) {
        engine->scratch.used = 0;
        record_lane(engine->touched[i], &engine->scratch);
        batch_put(engine->open, record_lane_key(key, engine->touched[i]),
                  buffer_span(&engine->scratch), NULL);
    }
    engine->touched_count = 0;
}

/* When the links' frames in this batch are dealt with, their senders get credit again. */
static void note_credits(struct engine *engine)
{
    for (struct link *link = engine->links; link; link = link->next) {
        if (link->open_puts == 0) continue;
        struct after *after = batch_after(engine->open, AFTER_CREDIT);
        after->connection = link->connection;
        after->handle = link->session;
        after->count = link->open_puts;
        link->open_puts = 0;
    }
}

/* Nothing more comes into the open batch; the next one is open. */
static void close_open(struct engine *engine)
{
    struct batch *batch = engine->open;
    write_lanes(engine);
    note_credits(engine);
    batch->sequence = engine->sequence;
    batch->next = NULL;
    *engine->closed_tail = batch;
    engine->closed_tail = &batch->next;
    engine->open = engine->spare ? engine->spare : batch_new();
    engine->spare = NULL;
    engine->open->number = ++engine->batches;
    engine->urgent = false;
}

void commit_bound(struct engine *engine)
{
    if (engine->open->op_count >= BATCH_OPS_MAX || engine->open->bytes >= BATCH_BYTES_MAX)
        close_open(engine);
}

/* ---- out and back ---- */

static bool batch_is_empty(const struct engine *engine)
{
    return engine->open->op_count == 0 && engine->open->after_count == 0;
}

int64_t commit_due_ms(const struct engine *engine)
{
    if (engine->committing) return INT64_MAX;
    if (engine->closed) return engine->now_ms;
    if (batch_is_empty(engine))
        return engine->store_full ? engine->committed_ms + ROOM_LOOK_MS : INT64_MAX;
    return engine->urgent ? engine->opened_ms : engine->opened_ms + LAZY_COMMIT_MS;
}

static bool is_held(const struct engine *engine)
{
    return !engine->closed && engine->ran && engine->now_ms - engine->opened_ms < COMMIT_HOLD_MS &&
           engine->open->op_count < BATCH_OPS_MAX;
}

static struct batch *take_closed(struct engine *engine)
{
    struct batch *batch = engine->closed;
    engine->closed = batch->next;
    if (!engine->closed) engine->closed_tail = &engine->closed;
    return batch;
}

void commit_flush(struct engine *engine)
{
    if (commit_due_ms(engine) > engine->now_ms || is_held(engine)) return;
    if (!engine->closed) close_open(engine);
    struct batch *batch = take_closed(engine);
    backlog_sealed(engine, batch->sequence);
    effects_add(engine->effects, EFFECT_COMMIT)->batch = batch;
    engine->committing = true;
    admin_go_on(engine); /* behind the commit, which a page may need */
}

uint64_t engine_changed(const struct engine *engine)
{
    return engine->open->number - batch_is_empty(engine);
}

bool engine_settled(const struct engine *engine)
{
    return !engine->committing && !engine->closed && batch_is_empty(engine);
}

void commit_done(struct engine *engine, struct batch *batch)
{
    ensure(engine->committing && batch->number == engine->committed + 1);
    engine->committed = batch->number;
    engine->committed_ms = engine->now_ms;
    engine->committing = false;
    answer_committed(engine, batch);
    batch_reset(batch);
    if (engine->spare)
        batch_free(batch);
    else
        engine->spare = batch;
}
