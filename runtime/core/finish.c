/* The end of a message at its sender: its waiter is told, and it goes or becomes a dead letter. */
#include "core/parts.h"

static struct span no_text(void)
{
    return span_of(NULL, 0);
}

static void finish(struct engine *engine, struct entry *entry, const struct end *end,
                   const struct receipt *receipt)
{
    bool ok = !(end->flags & RECEIPT_NACK);
    struct fact *fact = engine_fact(engine, ok ? FACT_ACKED : FACT_NACKED, entry);
    if (fact) {
        fact->code = end->code;
        fact->level = end->level;
        fact->dup = end->flags & RECEIPT_DUP;
        fact->reason = arena_copy(&engine->effects->arena, end->reason);
        fact->word = arena_copy(&engine->effects->arena, end->word);
        if (receipt) fact->transmission = receipt->transmission;
    }
    answer_waiter(engine, entry->waiter, receipt ? receipt->transmission : entry->transmissions,
                  receipt ? receipt->facts : 0, end);
}

void finish_and_drop(struct engine *engine, struct entry *entry, const struct end *end,
                     const struct receipt *receipt)
{
    struct queue *outbox = entry->queue;
    finish(engine, entry, end, receipt);
    if (entry->number) queue_close_number(outbox, entry->number);
    engine_delete(engine, entry);
    engine_drop(engine, entry);
    engine_ready(engine, outbox);
}

/* What the owner may have keeps its number, under which it would recognise it. */
void finish_and_bury(struct engine *engine, struct entry *entry, enum code code, struct span word,
                     struct span reason, const struct receipt *receipt)
{
    struct end end = {.code = (uint8_t)code,
                      .flags = RECEIPT_NACK,
                      .word = word,
                      .reason = reason,
                      .retry_after_ms = receipt ? receipt->retry_after_ms : 0};
    finish(engine, entry, &end, receipt);
    if (entry->number && code != CODE_IN_DOUBT) queue_close_number(entry->queue, entry->number);
    struct fact *fact = engine_fact(engine, FACT_DEAD, entry);
    if (fact) {
        fact->code = (uint8_t)code;
        fact->attempt = entry->spent;
        fact->reason = arena_copy(&engine->effects->arena, reason);
    }
    entry->link = NULL;
    engine_bury(engine, entry, (uint8_t)code, word, reason);
    engine_ready(engine, entry->queue);
}

void finish_in_doubt(struct engine *engine, struct entry *entry, const char *why)
{
    finish_and_bury(engine, entry, CODE_IN_DOUBT, no_text(),
                    engine_format(engine, "%s after %u transmission%s; it may have been handled",
                                  why, (unsigned)entry->transmissions,
                                  entry->transmissions == 1 ? "" : "s"),
                    NULL);
}

static void expire(struct engine *engine, struct entry *entry)
{
    struct end end = {.code = CODE_EXPIRED,
                      .flags = RECEIPT_NACK,
                      .reason = span_text("expired before it could be sent")};
    engine->counts.expired++;
    engine_fact(engine, FACT_EXPIRED, entry);
    finish_and_drop(engine, entry, &end, NULL);
}

/* What stood in the way last. */
static struct span last_hindrance(struct engine *engine, const struct queue *outbox, enum code code)
{
    if (code == CODE_NO_ROUTE && outbox->told) return block_span(outbox->told);
    return engine_format(engine, "last: %s", code_name(code));
}

static void give_up(struct engine *engine, struct entry *entry)
{
    enum code code = entry->last_code ? (enum code)entry->last_code : CODE_UNREACHABLE;
    if (entry->unanswered)
        finish_in_doubt(engine, entry,
                        engine->now_ms >= entry->expires_ms
                            ? "it has expired"
                            : "the deadline for sending has passed");
    else
        finish_and_bury(engine, entry, code, no_text(),
                        engine_format(engine, "the deadline for sending has passed; %.*s",
                                      SPAN_ARGS(last_hindrance(engine, entry->queue, code))),
                        NULL);
}

bool finish_if_over(struct engine *engine, struct entry *entry)
{
    if (engine->now_ms >= entry->expires_ms && !entry->unanswered)
        expire(engine, entry);
    else if (engine->now_ms >= entry->give_up_ms || engine->now_ms >= entry->expires_ms)
        give_up(engine, entry);
    else
        return false;
    return true;
}
