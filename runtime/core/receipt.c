/* Receipts of the sender's messages: how far one got, or what stands in its way. */
#include "core/parts.h"

static struct end end_of(const struct receipt *receipt)
{
    return (struct end){
        .code = receipt->code,
        .level = receipt->level,
        .flags = receipt->flags,
        .result_encoding = receipt->result_encoding,
        .word = receipt->word,
        .reason = receipt->reason,
        .result = receipt->result,
        .retry_after_ms = receipt->retry_after_ms,
    };
}

static void acknowledged(struct engine *engine, struct entry *entry, const struct receipt *receipt)
{
    if (entry->state == ENTRY_LEASED) stall_over(engine, entry->queue);
    if (receipt->level >= entry->level) {
        struct end end = end_of(receipt);
        finish_and_drop(engine, entry, &end, receipt);
        return;
    }
    if (receipt->level < LEVEL_STORED) return;
    entry->sent_ms = engine->now_ms;
    entry->owner_paused = receipt->facts & FACT_OWNER_PAUSED;
    if (entry->state == ENTRY_AWAITING) return;
    queue_move(entry, ENTRY_AWAITING);
    entry->stalls = 0;
    entry->timer_ms = engine->now_ms;
    stream_accepted(engine, entry);
    sender_ask_later(engine, entry);
    engine_put_facts(engine, entry);
    engine_ready(engine, entry->queue);
}

/* The owner never accepted the number we were told was stored: another store, or a lost one. The
 * time in which the message was there was no time of trying to send it. */
static void unknown_to_owner(struct engine *engine, struct entry *entry,
                             const struct receipt *receipt)
{
    if (entry->state == ENTRY_LEASED && entry->profile == EXACTLY_ONCE) {
        sender_lane_unknown(engine, entry, receipt);
        return;
    }
    if (entry->state != ENTRY_AWAITING) return; /* it has been sent again meanwhile */
    sender_left_unanswered(entry);
    if (entry->give_up_ms != INT64_MAX) entry->give_up_ms += engine->now_ms - entry->timer_ms;
    if (entry->profile == EXACTLY_ONCE)
        finish_in_doubt(engine, entry, "the owner does not know it any more");
    else {
        sender_make_waiting(engine, entry);
        sender_count_death(engine, entry, "the owner has forgotten it each time");
    }
}

static void failed_try(struct engine *engine, struct entry *entry, const struct receipt *receipt)
{
    entry->spent++;
    entry->last_code = receipt->code;
    if (entry->last_try || engine_is_last(entry->policy, entry->spent))
        finish_and_bury(engine, entry, (enum code)receipt->code, receipt->word, receipt->reason,
                        receipt);
    else
        stall_entry(engine, entry, (enum code)receipt->code, receipt->reason, receipt);
}

static void refused(struct engine *engine, struct entry *entry, const struct receipt *receipt)
{
    switch (code_class((enum code)receipt->code)) {
    case CODE_WAITING:
        if (receipt->code == CODE_NO_ROUTE) entry->queue->turn++;
        stall_entry(engine, entry, (enum code)receipt->code, receipt->reason, receipt);
        return;
    case CODE_RETRYABLE: failed_try(engine, entry, receipt); return;
    case CODE_CLASS_NONE:
    case CODE_FINAL: break;
    }
    if (receipt->level >= LEVEL_STORED) {
        struct end end = end_of(receipt);
        finish_and_drop(engine, entry, &end, receipt);
    } else
        finish_and_bury(engine, entry, (enum code)receipt->code, receipt->word, receipt->reason,
                        receipt);
}

/* What stood in the way of an earlier transmission says nothing of this one. */
static bool is_of_now(const struct entry *entry, const struct receipt *receipt)
{
    return receipt->transmission == (entry->opens ? TRANSMISSION_OPEN : entry->transmissions);
}

static void take_receipt(struct engine *engine, struct entry *entry, const struct receipt *receipt)
{
    if (receipt->level == LEVEL_UNKNOWN && planted(PLANT_UNKNOWN_IS_HANDLED))
        finish_and_drop(engine, entry, &(struct end){.level = LEVEL_HANDLED}, receipt);
    else if (receipt->level == LEVEL_UNKNOWN)
        unknown_to_owner(engine, entry, receipt);
    else if (!(receipt->flags & RECEIPT_NACK))
        acknowledged(engine, entry, receipt);
    else if (entry->state == ENTRY_AWAITING && code_class((enum code)receipt->code) != CODE_FINAL)
        return; /* the answer to an ask that found no way; the next ask comes by itself */
    else if (!is_of_now(entry, receipt) && code_class((enum code)receipt->code) != CODE_FINAL)
        return;
    else
        refused(engine, entry, receipt);
}

void sender_receipt(struct engine *engine, struct link *from, const struct receipt *receipt)
{
    struct queue *outbox = map_find_again(&engine->outboxes, receipt->destination);
    if (!outbox) return;
    uint64_t first = receipt->first < outbox->base ? outbox->base : receipt->first;
    for (uint64_t n = first; n <= receipt->last && n < outbox->next_number; n++) {
        struct entry *entry = queue_numbered(outbox, n);
        if (!entry || entry->state == ENTRY_COMMITTING || entry->state == ENTRY_DEAD) continue;
        if (message_lane_epoch(entry->block) != receipt->lane_epoch) continue;
        struct hop hop = {(uint8_t)link_end(from), HOP_LOCAL, from->name};
        if (!hook_receipt(engine, HOOK_RECEIVE, receipt, message_id(entry->block), &hop, NULL))
            continue;
        take_receipt(engine, entry, receipt);
    }
}
