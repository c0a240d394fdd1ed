/* Those who wait in this process: for the end of a message, or for a moment. */
#include "core/parts.h"

static struct span waiter_key(const struct waiter *waiter)
{
    return span_of((const char *)&waiter->token, sizeof waiter->token);
}

struct waiter *waiter_find(const struct engine *engine, uint64_t token)
{
    return map_find(&engine->waiters, span_of((const char *)&token, sizeof token));
}

struct waiter *waiter_new(struct engine *engine, uint64_t token, struct entry *entry,
                          int64_t timeout_ms)
{
    struct waiter *waiter = calloc(1, sizeof *waiter);
    ensure(waiter != NULL && token != 0 && !waiter_find(engine, token));
    waiter->token = token;
    waiter->deadline.kind = DEADLINE_WAITER;
    waiter->entry = entry;
    waiter->block = entry ? block_retain(entry->block) : NULL;
    map_add(&engine->waiters, waiter_key(waiter), waiter);
    if (timeout_ms > 0 || !entry)
        heap_set(&engine->deadlines, &waiter->deadline,
                 after_ms(engine->now_ms, (uint64_t)timeout_ms));
    if (entry) entry->waiter = waiter;
    return waiter;
}

static struct span absent_key(const struct waiter *waiter)
{
    return span_of((const char *)&waiter->sequence, sizeof waiter->sequence);
}

void waiter_part(struct engine *engine, struct entry *entry)
{
    struct waiter *waiter = entry->waiter;
    if (!waiter) return;
    waiter->sequence = entry->sequence;
    waiter->entry = NULL;
    entry->waiter = NULL;
    map_add(&engine->absent, absent_key(waiter), waiter);
}

void waiter_join(struct engine *engine, struct entry *entry)
{
    if (engine->absent.count == 0) return;
    struct waiter *waiter = map_remove(
        &engine->absent, span_of((const char *)&entry->sequence, sizeof entry->sequence));
    if (!waiter) return;
    waiter->sequence = 0;
    waiter->entry = entry;
    entry->waiter = waiter;
}

void waiter_free(struct engine *engine, struct waiter *waiter)
{
    if (waiter->entry) waiter->entry->waiter = NULL;
    if (waiter->sequence) map_remove(&engine->absent, absent_key(waiter));
    heap_clear(&engine->deadlines, &waiter->deadline);
    map_remove(&engine->waiters, waiter_key(waiter));
    policy_release(engine, waiter->policy);
    block_release(waiter->block);
    free(waiter);
}

/* Whether nothing can come of it before somebody resumes its mailbox, as far as is known here. */
static bool is_held_up(const struct entry *entry)
{
    if (entry->queue->kind == QUEUE_MAILBOX) return entry->queue->hold == HOLD_PAUSED;
    return entry->state == ENTRY_AWAITING && entry->owner_paused;
}

static bool has_found_no_way(const struct entry *entry)
{
    return entry->queue->kind == QUEUE_OUTBOX && entry->state != ENTRY_AWAITING &&
           entry->last_code == CODE_NO_ROUTE;
}

static struct span no_way_text(struct engine *engine, const struct queue *outbox)
{
    struct span reason;
    if (outbox->told)
        reason = block_span(outbox->told);
    else if (route_missing(engine, outbox->name, &reason) != CODE_NO_ROUTE)
        reason = engine_format(engine, "no agent at \"%.*s\"", SPAN_ARGS(outbox->name));
    return engine_format(engine, "no answer in time: %.*s", SPAN_ARGS(reason));
}

/* A call lasts as long as somebody waits for it. */
static bool ends_now(const struct engine *engine, const struct entry *entry)
{
    return entry->expires_ms <= after_ms(engine->now_ms, 1);
}

/* Why there is no answer yet, as far as it is known here. */
static struct span late_text(struct engine *engine, const struct entry *entry)
{
    if (entry && is_held_up(entry))
        return span_text("no answer in time; the message is stored, and its mailbox is paused");
    if (entry && ends_now(engine, entry) && entry->state == ENTRY_AWAITING)
        return span_text(
            "no answer in time; its owner has stored it, and goes on if its handler has begun");
    if (entry && ends_now(engine, entry) && !has_found_no_way(entry))
        return span_text("no answer in time; it is handed over no more, but may have been");
    if (!entry || entry->queue->kind == QUEUE_MAILBOX)
        return span_text("no answer in time; it is stored here and goes on");
    if (entry->state == ENTRY_AWAITING)
        return span_text("no answer in time; its owner has stored it, and goes on with it");
    if (has_found_no_way(entry)) return no_way_text(engine, entry->queue);
    return span_text("no answer in time; the message is still on its way");
}

/* What is known of a message whose end did not come in time. */
static struct end end_so_far(struct engine *engine, const struct waiter *waiter)
{
    const struct entry *entry = waiter->entry;
    bool stored = !entry || entry->queue->kind == QUEUE_MAILBOX || entry->state == ENTRY_AWAITING;
    return (struct end){.code = CODE_TIMEOUT,
                        .flags = RECEIPT_NACK,
                        .level = stored ? LEVEL_STORED : LEVEL_NONE,
                        .reason = late_text(engine, entry)};
}

void waiter_deadline(struct engine *engine, struct waiter *waiter)
{
    if (!waiter->block) {
        effects_add(engine->effects, EFFECT_RESUME)->waiter = waiter->token;
        waiter_free(engine, waiter);
        return;
    }
    if (waiter->entry && stream_is(waiter->entry)) {
        sender_cancel(engine, waiter->entry, CODE_TIMEOUT, "it was to last no longer");
        return;
    }
    struct end end = end_so_far(engine, waiter);
    answer_waiter(engine, waiter, waiter->entry ? waiter->entry->transmissions : 0, 0, &end);
}

static void wait_for_all(struct engine *engine, struct entry *first,
                         uint64_t (*token)(void *user, struct span id), void *user)
{
    for (struct entry *entry = first; entry; entry = entry->next)
        if (!entry->waiter) waiter_new(engine, token(user, message_id(entry->block)), entry, 0);
}

void engine_wait_for_restored(struct engine *engine, uint64_t (*token)(void *user, struct span id),
                              void *user)
{
    for (struct queue *queue = engine->queues; queue; queue = queue->next)
        for (int state = 0; state < ENTRY_DEAD && queue->kind == QUEUE_OUTBOX; state++)
            wait_for_all(engine, queue->lists[state].head, token, user);
}
