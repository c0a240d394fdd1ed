/* Messages that are taken back before anybody was handed them: timers, above all.
 *
 * Looked for are the messages in memory: all that are delayed, and what waits but for that part of
 * a long mailbox that is in the store only. */
#include "core/parts.h"

#define CANCELLED_TEXT "cancelled before it was handed to a handler"

/* A sender cannot take back what its owner may have. */
static bool can_go(const struct entry *entry)
{
    if (entry->queue->kind == QUEUE_MAILBOX)
        return !entry->handed && entry->attempt == 0 && !entry->notice;
    return !entry->unanswered;
}

static void cancel(struct engine *engine, struct entry *entry)
{
    struct queue *queue = entry->queue;
    if (queue->kind == QUEUE_MAILBOX)
        purge_entry(engine, entry, CODE_CANCELLED, span_text(CANCELLED_TEXT));
    else
        sender_cancel(engine, entry, CODE_CANCELLED, CANCELLED_TEXT);
    engine_ready(engine, queue);
}

bool cancel_message(struct engine *engine, struct span id, struct span from)
{
    for (struct queue *queue = engine->queues; queue; queue = queue->next) {
        struct entry *entry = queue_find(queue, id, from);
        if (!entry || !can_go(entry)) continue;
        if (!planted(PLANT_CANCELLED_DELIVERED)) cancel(engine, entry);
        return true;
    }
    return false;
}

/* Whoever asked, if somebody did, is told like the sender of a message. */
static void tell(struct engine *engine, uint64_t waiter, struct span id, bool done)
{
    struct submit submit = {.message = {.id = id}, .waiter = waiter};
    struct end end = {.level = LEVEL_HANDLED};
    if (waiter == 0) return;
    if (!done)
        end = (struct end){.code = CODE_REJECTED,
                           .flags = RECEIPT_NACK,
                           .reason = span_text("nothing of this id waits here")};
    answer_waiting(engine, &submit, &end);
}

void cancel_asked(struct engine *engine, const struct event *event)
{
    bool done = cancel_message(engine, event->bytes, event->address);
    if (!admin_cancelled(engine, event->waiter, done))
        tell(engine, event->waiter, event->bytes, done);
}
