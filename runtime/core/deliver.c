/* From the mailbox to its handler. */
#include "core/parts.h"

static void ask_key(struct engine *engine, const struct queue *mailbox, struct run *run)
{
    struct message message = message_of(run->block);
    if (engine->policies.key(engine->policies.user, mailbox->agent.agent, &message, &run->key) ==
        POLICY_ANSWERED)
        run->key = arena_copy(&engine->effects->arena, run->key);
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
        .last = entry->settled_first || engine_is_last(&mailbox->agent.retry, entry->attempt),
        .transmission = entry->transmission,
        .requeues = message_requeues(entry->block),
        .profile = entry->settled_first ? AT_MOST_ONCE : entry->profile,
        .timeout_ms = mailbox->agent.timeout_ms,
        .remaining_ms =
            entry->expires_ms == INT64_MAX ? DURATION_FOREVER : entry->expires_ms - engine->now_ms,
        .key = message_key(entry->block),
        .block = entry->block,
    };
    if (mailbox->agent.asks_key && engine->policies.key) ask_key(engine, mailbox, run);
    engine->ran = true;
    engine_fact(engine, FACT_DELIVERED, entry);
}

static void run_behind_commit(struct engine *engine, struct entry *entry)
{
    engine_changes(engine, true);
    batch_after(engine->open, AFTER_RUN)->handle = entry->handle;
}

/* At most once: whatever happens from here on, it is not handed over again. */
static void settle_first(struct engine *engine, struct entry *entry)
{
    bool stored = entry->stored;
    entry->settled_first = true;
    lanes_entry_level(engine, entry, LANE_HANDLED);
    engine_delete(engine, entry);
    if (stored)
        run_behind_commit(engine, entry);
    else
        run(engine, entry);
}

void deliver_committed(struct engine *engine, uint64_t handle)
{
    struct entry *entry = slots_get(&engine->entries, handle);
    if (!entry || entry->state != ENTRY_LEASED) return;
    if (engine->now_ms >= entry->expires_ms) { /* while it was being committed */
        settle_end_lease(engine, entry);
        settle_expire(engine, entry);
        return;
    }
    heap_set(&engine->deadlines, &entry->deadline,
             after_ms(engine->now_ms, (uint64_t)entry->queue->agent.timeout_ms));
    run(engine, entry);
}

void deliver_entry(struct engine *engine, struct entry *entry)
{
    struct queue *mailbox = entry->queue;
    entry->attempt++;
    entry->delivery = slots_add(&engine->leases, entry);
    mailbox->running++;
    engine->in_hand++;
    queue_move(entry, ENTRY_LEASED);
    heap_set(&engine->deadlines, &entry->deadline,
             after_ms(engine->now_ms, (uint64_t)mailbox->agent.timeout_ms));
    if (entry->profile == AT_MOST_ONCE || mailbox->agent.profile == AT_MOST_ONCE)
        settle_first(engine, entry);
    else if (suspect_is_wary(engine, entry))
        run_behind_commit(engine, entry);
    else
        run(engine, entry);
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

void deliver_pump(struct engine *engine, struct queue *mailbox)
{
    if (mailbox->alone && pump_alone(engine, mailbox)) return;
    while (deliver_takes(engine, mailbox) && !suspect_holds(engine) &&
           mailbox->lists[ENTRY_WAITING].head)
        deliver_entry(engine, mailbox->lists[ENTRY_WAITING].head);
    if (mailbox->agent.agent) backlog_pump(engine, mailbox);
}
