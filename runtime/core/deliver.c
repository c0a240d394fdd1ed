/* From the mailbox to its handler. */
#include "core/parts.h"

static void ask_key(struct engine *engine, const struct queue *mailbox, struct run *run)
{
    struct message message = message_of(run->block);
    if (engine->policies.key(engine->policies.user, mailbox->agent.agent, &message, &run->key) ==
        POLICY_ANSWERED)
        run->key = arena_copy(&engine->effects->arena, run->key);
}

static bool is_last(const struct entry *entry)
{
    return entry->settled_first || engine_is_last(&entry->queue->agent.retry, entry->attempt);
}

static void add_others(struct engine *engine, const struct entry *first, struct run *run)
{
    size_t count = 0;
    struct arena *arena = &engine->effects->arena;
    run->key = span_of(NULL, 0);
    run->remaining_ms = DURATION_FOREVER;
    for (struct entry *entry = first->bundled; entry; entry = entry->bundled) count++;
    if (count == 0) return;
    struct run_other *others = arena_take(arena, count * sizeof *others), *other = others;
    for (struct entry *entry = first->bundled; entry; entry = entry->bundled) {
        *other++ = (struct run_other){.sequence = entry->settled_first ? 0 : entry->sequence,
                                      .attempt = entry->attempt,
                                      .last = is_last(entry),
                                      .transmission = entry->transmission,
                                      .block = entry->block};
    }
    run->others = others;
    run->other_count = count;
}

static void run(struct engine *engine, struct entry *entry)
{
    struct queue *mailbox = entry->queue;
    struct run *run = &effects_add(engine->effects, EFFECT_RUN)->run;
    *run = (struct run){
        .delivery = entry->delivery,
        .sequence = entry->settled_first ? 0 : entry->sequence,
        .agent = mailbox->agent.agent,
        .attempt = entry->attempt,
        .last = is_last(entry),
        .transmission = entry->transmission,
        .requeues = message_requeues(entry->block),
        .profile = entry->settled_first ? AT_MOST_ONCE : entry->profile,
        .timeout_ms = mailbox->agent.timeout_ms,
        .remaining_ms =
            entry->expires_ms == INT64_MAX ? DURATION_FOREVER : entry->expires_ms - engine->now_ms,
        .notice = entry->notice,
        .batch = bundle_is_for(entry),
        .key = message_key(entry->block),
        .block = entry->block,
    };
    ensure(run->batch || !entry->bundled);
    if (run->batch)
        add_others(engine, entry, run); /* which have no one key, and no one end */
    else if (mailbox->agent.asks_key && engine->policies.key && !entry->notice)
        ask_key(engine, mailbox, run);
    engine->ran = true;
    for (; entry; entry = entry->bundled) {
        entry->handed = true;
        engine_fact(engine, FACT_DELIVERED, entry);
    }
}

static void run_behind_commit(struct engine *engine, struct entry *entry)
{
    engine_changes(engine, true);
    batch_after(engine->open, AFTER_RUN)->handle = entry->delivery;
}

/* At most once: whatever happens from here on, it is not handed over again. */
static bool settle_first(struct engine *engine, struct entry *entry)
{
    bool stored = entry->stored;
    entry->settled_first = true;
    lanes_entry_level(engine, entry, LANE_HANDLED);
    engine_delete(engine, entry);
    return stored;
}

static void set_timeout(struct engine *engine, struct entry *entry)
{
    heap_set(&engine->deadlines, &entry->deadline,
             after_ms(engine->now_ms, (uint64_t)entry->queue->agent.timeout_ms));
}

bool deliver_take(struct engine *engine, struct entry *entry)
{
    entry->attempt++;
    queue_move(entry, ENTRY_LEASED);
    heap_clear(&engine->deadlines, &entry->deadline);
    if (entry->profile == AT_MOST_ONCE || entry->queue->agent.profile == AT_MOST_ONCE)
        return settle_first(engine, entry);
    return suspect_is_wary(engine, entry);
}

/* The handler's time begins with it: none of it goes by while it waits for the store. */
static void begin(struct engine *engine, struct entry *entry)
{
    set_timeout(engine, entry);
    run(engine, entry);
}

void deliver_committed(struct engine *engine, uint64_t delivery)
{
    struct entry *entry = slots_get(&engine->leases, delivery);
    if (!entry) return;
    if (bundle_is_late(engine, entry) || !bundle_fits(entry)) /* while it was being committed */
        settle_late(engine, entry);
    else
        begin(engine, entry);
}

void deliver_lease(struct engine *engine, struct entry *entry, bool waits)
{
    entry->delivery = slots_add(&engine->leases, entry);
    entry->queue->running++;
    engine->in_hand++;
    if (waits)
        run_behind_commit(engine, entry);
    else
        begin(engine, entry);
}

void deliver_entry(struct engine *engine, struct entry *entry)
{
    bool waits = deliver_take(engine, entry);
    deliver_lease(engine, entry, waits);
}

bool deliver_takes(const struct engine *engine, const struct queue *mailbox)
{
    return mailbox->agent.agent && mailbox->hold != HOLD_PAUSED && !engine->draining &&
           !engine->stopping && mailbox->running < mailbox->agent.concurrency;
}

/* One that ran into others too often has the mailbox for itself. Answers whether it does. */
static bool pump_alone(struct engine *engine, struct queue *mailbox)
{
    struct entry *entry = slots_get(&engine->entries, mailbox->alone);
    if (!entry || (entry->state != ENTRY_WAITING && entry->state != ENTRY_LEASED)) {
        mailbox->alone = 0;
        return false;
    }
    if (entry->state == ENTRY_WAITING && mailbox->running == 0 && deliver_takes(engine, mailbox))
        deliver_entry(engine, entry);
    return true;
}

static void pump_singly(struct engine *engine, struct queue *mailbox)
{
    while (deliver_takes(engine, mailbox) && !suspect_holds(engine) &&
           mailbox->lists[ENTRY_WAITING].head)
        deliver_entry(engine, mailbox->lists[ENTRY_WAITING].head);
}

void deliver_pump(struct engine *engine, struct queue *mailbox)
{
    if (mailbox->alone && pump_alone(engine, mailbox)) return;
    if (mailbox->agent.batch > 0)
        bundle_pump(engine, mailbox);
    else
        pump_singly(engine, mailbox);
    if (mailbox->agent.agent) backlog_pump(engine, mailbox);
    away_pump(engine, mailbox);
}
