/* Messages that cannot go for now, and the order among them while there is no way. */
#include "core/parts.h"

static struct span no_text(void)
{
    return span_of(NULL, 0);
}

/* The sender does not want to wait for a way. What an earlier transmission led to nobody knows. */
static void stop_trying(struct engine *engine, struct entry *entry, enum code code,
                        struct span reason, const struct receipt *receipt)
{
    if (entry->unanswered)
        finish_in_doubt(engine, entry, code_name(code));
    else
        finish_and_bury(engine, entry, code, no_text(), reason, receipt);
}

/* Why the messages of an outbox cannot go; CODE_NONE: they can. */
static void tell_outbox(struct queue *outbox, enum code code, struct span reason)
{
    outbox->told_code = (uint8_t)code;
    block_release(outbox->told);
    outbox->told = code == CODE_NO_ROUTE && reason.size > 0 ? block_copy(reason) : NULL;
}

void stall_entry(struct engine *engine, struct entry *entry, enum code code, struct span reason,
                 const struct receipt *receipt)
{
    uint64_t asked_ms = receipt ? receipt->retry_after_ms : 0;
    entry->last_code = (uint8_t)code;
    if (entry->fail_fast) {
        stop_trying(engine, entry, code, reason, receipt);
        return;
    }
    int64_t delay_ms = asked_ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS
                       : asked_ms > 0                ? (int64_t)asked_ms
                                                     : retry_delay(entry->policy, ++entry->stalls,
                                                                   random_spread(&engine->random));
    entry->link = NULL;
    queue_move(entry, ENTRY_DEFERRED);
    delay_ms = some_ms(delay_ms);
    sender_wait_until(engine, entry, after_ms(engine->now_ms, (uint64_t)delay_ms));
    engine_ready(engine, entry->queue); /* its place in the window is free */
    struct fact *fact = engine_fact(engine, FACT_RETRYING, entry);
    bool again = entry->queue->told_code == code;
    tell_outbox(entry->queue, code, reason);
    if (!fact) return;
    fact->again = again;
    fact->code = (uint8_t)code;
    fact->delay_ms = delay_ms;
    fact->reason = arena_copy(&engine->effects->arena, reason);
}

/* No link leads there now. UNREACHABLE is not worth a timer: the link's coming up wakes the queue.
 * A link that went while the message was on it is waited for, also by who does not want to wait. */
bool stall_for_way(struct engine *engine, struct queue *outbox, struct entry *entry)
{
    struct span reason;
    enum code code = route_missing(engine, outbox->name, &reason);
    entry->last_code = (uint8_t)code;
    if (code == CODE_UNREACHABLE && (!entry->fail_fast || entry->unanswered)) return false;
    stall_entry(engine, entry, code, reason, NULL);
    return true;
}

/* ---- order while there is no way ---- */

/* The oldest message that waits for a way to its address, or NULL. What came later must not go
 * before it: the way may be there again by now. */
static struct entry *without_way(const struct queue *outbox)
{
    struct entry *oldest = outbox->lists[ENTRY_DEFERRED].head;
    bool lost = outbox->told_code == CODE_NO_ROUTE || outbox->told_code == CODE_UNREACHABLE;
    return lost && oldest && oldest->last_code == outbox->told_code ? oldest : NULL;
}

/* It is tried again together with the oldest. */
bool stall_behind(struct engine *engine, struct queue *outbox, struct entry *entry)
{
    struct entry *oldest = without_way(outbox);
    if (!oldest || entry->fail_fast || oldest->sequence > entry->sequence) return false;
    entry->last_code = oldest->last_code;
    queue_move(entry, ENTRY_DEFERRED);
    sender_wait_until(engine, entry, oldest->deadline.at_ms);
    return true;
}

/* The oldest is the one that looks; a look that is not its own turn does not make it wait longer
 * the next time. */
void sender_look_for_way(struct engine *engine, struct queue *outbox)
{
    struct entry *oldest = without_way(outbox);
    if (!oldest || outbox->lists[ENTRY_LEASED].count > 0) return;
    if (oldest->stalls > 0) oldest->stalls--;
    sender_make_waiting(engine, oldest);
}

/* One has got through, so the others may follow, in order. */
void stall_over(struct engine *engine, struct queue *outbox)
{
    struct entry *oldest;
    while ((oldest = without_way(outbox))) sender_make_waiting(engine, oldest);
    tell_outbox(outbox, CODE_NONE, no_text());
    engine_ready(engine, outbox);
}
