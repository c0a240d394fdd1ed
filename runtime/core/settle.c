/* The end of a delivery: what a handler answered, or that its time is over. */
#include "core/parts.h"

#define CONFLICT_TEXT "another delivery changed the state that it had read"

static struct span no_text(void)
{
    return span_of(NULL, 0);
}

/* ---- settling ---- */

void settle_end_lease(struct engine *engine, struct entry *entry)
{
    struct queue *mailbox = entry->queue;
    slots_remove(&engine->leases, entry->delivery);
    entry->delivery = 0;
    entry->extension_ms = 0;
    reservations_release(entry);
    ensure(mailbox->running > 0);
    mailbox->running--;
    engine->in_hand--;
    suspect_cleared(engine, entry);
    engine_ready(engine, mailbox);
}

static void do_sends(struct engine *engine, const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->send_count; i++)
        sender_submit_effect(engine, &outcome->sends[i]);
}

/* What an acked delivery leaves, however many messages it had. */
static void do_effects(struct engine *engine, const struct queue *mailbox,
                       const struct outcome *outcome)
{
    if (outcome->kind != OUTCOME_ACK) return;
    for (size_t i = 0; i < outcome->cancel_count; i++)
        cancel_message(engine, outcome->cancels[i], mailbox->name);
    do_sends(engine, outcome);
    state_apply(engine, mailbox->name, outcome);
}

static void note_handled(struct engine *engine, const struct entry *entry,
                         const struct outcome *outcome)
{
    engine->counts.handled++;
    struct fact *fact = engine_fact(engine, FACT_HANDLED, entry);
    if (fact && outcome->kind == OUTCOME_SKIP)
        fact->reason = arena_copy(&engine->effects->arena, outcome->reason);
}

static void settle_ack(struct engine *engine, struct entry *entry, const struct outcome *outcome)
{
    struct end end = {
        .level = LEVEL_HANDLED, .result = outcome->result, .result_encoding = outcome->encoding};
    note_handled(engine, entry, outcome);
    lanes_entry_level(engine, entry, LANE_HANDLED);
    results_keep(engine, entry, outcome);
    answer_later(engine, entry, &end);
    if (entry->seen) dedup_handled(engine, entry->queue, entry->seen, outcome);
    engine_delete(engine, entry);
    engine_drop(engine, entry);
}

/* The handler of an at-most-once message failed: by contract it is lost, and counted. */
static void settle_lost(struct engine *engine, struct entry *entry, const struct outcome *outcome)
{
    struct end end = {
        .code = CODE_DEAD, .flags = RECEIPT_NACK, .level = LEVEL_STORED, .reason = outcome->reason};
    engine->counts.lost++;
    lanes_entry_level(engine, entry, LANE_DEAD);
    struct fact *fact = engine_fact(engine, FACT_DROPPED, entry);
    if (fact) {
        fact->code = outcome->code;
        fact->reason = arena_copy(&engine->effects->arena, outcome->reason);
        fact->traceback = arena_copy(&engine->effects->arena, outcome->traceback);
    }
    answer_later(engine, entry, &end);
    if (entry->seen) dedup_released(engine, entry->queue, entry->seen);
    engine_drop(engine, entry);
}

/* A dead letter, of which its agent is told in the same commit. */
static void bury(struct engine *engine, struct entry *entry, uint8_t code, struct span word,
                 struct span reason)
{
    bool told = entry->queue->agent.has_dead;
    struct span key = told ? order_key(engine, entry) : no_text();
    key = arena_copy(&engine->effects->arena, key);
    engine_bury(engine, entry, code, word, reason);
    if (told) notice_post(engine, entry, key);
}

void settle_die(struct engine *engine, struct entry *entry, uint8_t code, struct span word,
                struct span reason)
{
    if (entry->notice) {
        notice_drop(engine, entry, code, word, reason);
        return;
    }
    struct end end = {
        .code = code, .level = LEVEL_STORED, .flags = RECEIPT_NACK, .word = word, .reason = reason};
    struct fact *fact = engine_fact(engine, FACT_DEAD, entry);
    if (fact) {
        fact->code = code;
        fact->word = arena_copy(&engine->effects->arena, word);
        fact->reason = arena_copy(&engine->effects->arena, reason);
    }
    lanes_entry_level(engine, entry, LANE_DEAD);
    answer_later(engine, entry, &end);
    if (entry->seen) dedup_released(engine, entry->queue, entry->seen);
    entry->seen = NULL;
    if (planted(PLANT_DEAD_WITHOUT_CAUSE)) reason = word = no_text();
    bury(engine, entry, code, word, reason);
}

static void defer(struct engine *engine, struct entry *entry, enum fact_kind kind,
                  const struct outcome *outcome, int64_t delay_ms)
{
    queue_move(entry, ENTRY_DEFERRED);
    engine_entry_deadline(engine, entry, after_ms(engine->now_ms, (uint64_t)delay_ms));
    if (!planted(PLANT_DUE_OUTSIDE_COMMIT)) engine_put_facts(engine, entry);
    struct fact *fact = engine_fact(engine, kind, entry);
    if (!fact) return;
    fact->code = outcome->code;
    fact->delay_ms = delay_ms;
    fact->word = arena_copy(&engine->effects->arena, outcome->word);
    fact->reason = arena_copy(&engine->effects->arena, outcome->reason);
    fact->traceback = arena_copy(&engine->effects->arena, outcome->traceback);
}

/* Whether and when the policy gives another attempt. */
static bool try_again(struct engine *engine, const struct entry *entry,
                      const struct outcome *outcome, int64_t *delay_ms, struct span *reason)
{
    const struct retry_policy *policy = &entry->queue->agent.retry;
    struct message message = message_of(entry->block);
    struct failure failure = {
        .attempt = entry->attempt,
        .code = (enum code)outcome->code,
        .error = outcome->reason,
        .elapsed_ms = engine->now_ms - entry->first_ms,
        .address = message.to,
        .method = message.method,
        .key = message.key,
    };
    if (!engine_retry(engine, policy, &failure, delay_ms, reason)) return false;
    if (outcome->delay_ms >= 0) *delay_ms = outcome->delay_ms;
    if (policy->deadline_ms == DURATION_FOREVER ||
        *delay_ms <= policy->deadline_ms - failure.elapsed_ms)
        return true;
    *reason = engine_format(
        engine, "the policy's deadline of %g s ends after %u attempts; last: %.*s",
        (double)policy->deadline_ms / 1000, (unsigned)entry->attempt, SPAN_ARGS(outcome->reason));
    return false;
}

void settle_judge(struct engine *engine, struct entry *entry, const struct outcome *outcome)
{
    int64_t delay_ms;
    struct span reason = outcome->reason;
    if (!try_again(engine, entry, outcome, &delay_ms, &reason)) {
        settle_die(engine, entry, CODE_DEAD, no_text(), reason);
        return;
    }
    engine->counts.retried++;
    defer(engine, entry, FACT_RETRYING, outcome, delay_ms);
}

static void settle_retry(struct engine *engine, struct entry *entry, const struct outcome *outcome)
{
    failure_add(entry, entry->attempt, engine->now_ms, outcome->code, outcome->word,
                outcome->reason, outcome->traceback);
    if (planted(PLANT_ATTEMPT_NOT_COUNTED)) entry->attempt--;
    settle_judge(engine, entry, outcome);
}

static void settle_defer(struct engine *engine, struct entry *entry, const struct outcome *outcome)
{
    entry->attempt--;
    defer(engine, entry, FACT_DEFERRED, outcome, outcome->delay_ms > 0 ? outcome->delay_ms : 0);
}

static void settle_reject(struct engine *engine, struct entry *entry, const struct outcome *outcome)
{
    failure_add(entry, entry->attempt, engine->now_ms, outcome->code, outcome->word,
                outcome->reason, outcome->traceback);
    settle_die(engine, entry, outcome->code ? outcome->code : CODE_REJECTED, outcome->word,
               outcome->reason);
}

/* As if it had never been delivered. */
static void give_back(struct engine *engine, struct entry *entry)
{
    entry->attempt--;
    queue_move(entry, order_is_first(engine, entry) ? ENTRY_WAITING : ENTRY_PARKED);
    engine_entry_deadline(engine, entry, INT64_MAX);
}

void settle_give_back(struct engine *engine, struct entry *entry)
{
    struct entry *next;
    settle_interrupt(engine, entry, CODE_CANCELLED);
    settle_end_lease(engine, entry);
    for (; entry; entry = next) {
        next = bundle_part(entry);
        give_back(engine, entry);
    }
}

/* Another delivery has changed what this one had read: it never happened. At most once it is lost,
 * since what its handler did outside may not be done again. */
static void settle_conflict(struct engine *engine, struct entry *entry)
{
    static const struct outcome lost = {
        .code = CODE_HANDLER_ERROR,
        .reason = {CONFLICT_TEXT, sizeof CONFLICT_TEXT - 1},
    };
    engine_fact(engine, FACT_CONFLICTED, entry);
    if (entry->settled_first) {
        settle_lost(engine, entry, &lost);
        return;
    }
    if (++entry->conflicts >= CONFLICTS_MAX) entry->queue->alone = entry->handle;
    give_back(engine, entry);
}

static void settle(struct engine *engine, struct entry *entry, const struct outcome *outcome)
{
    if (entry->settled_first && outcome->kind != OUTCOME_ACK && outcome->kind != OUTCOME_SKIP) {
        settle_lost(engine, entry, outcome);
        return;
    }
    switch ((enum outcome_kind)outcome->kind) {
    case OUTCOME_ACK:
    case OUTCOME_SKIP: settle_ack(engine, entry, outcome); return;
    case OUTCOME_RETRY: settle_retry(engine, entry, outcome); return;
    case OUTCOME_DEFER: settle_defer(engine, entry, outcome); return;
    case OUTCOME_REJECT: settle_reject(engine, entry, outcome); return;
    }
}

static void settle_conflicts(struct engine *engine, struct entry *entry)
{
    struct entry *next;
    engine->counts.conflicts++;
    for (; entry; entry = next) {
        next = bundle_part(entry);
        settle_conflict(engine, entry);
    }
}

/* Each message of a delivery, as it is said of it. */
static void settle_all(struct engine *engine, struct entry *entry, const struct outcome *outcome)
{
    struct entry *next;
    for (size_t i = 0; entry; entry = next, i++) {
        next = bundle_part(entry);
        settle(engine, entry, i < outcome->part_count ? &outcome->parts[i] : outcome);
    }
}

static struct entry *leased(const struct engine *engine, uint64_t delivery)
{
    if (planted(PLANT_STALE_LEASE_ACCEPTED)) return slots_at(&engine->leases, (uint32_t)delivery);
    return slots_get(&engine->leases, delivery);
}

void settle_outcome(struct engine *engine, const struct outcome *outcome)
{
    struct entry *entry = leased(engine, outcome->delivery);
    if (!entry) return; /* its lease ended before: a late result is void */
    settle_end_lease(engine, entry);
    if (outcome->kind == OUTCOME_ACK && !state_is_current(engine, entry->queue->name, outcome))
        settle_conflicts(engine, entry);
    else {
        do_effects(engine, entry->queue, outcome);
        settle_all(engine, entry, outcome);
    }
}

/* ---- time ---- */

void settle_interrupt(struct engine *engine, const struct entry *entry, enum code code)
{
    struct effect *effect = effects_add(engine->effects, EFFECT_INTERRUPT);
    effect->code = (uint8_t)code;
    effect->run.delivery = entry->delivery;
}

void settle_extend(struct engine *engine, uint64_t delivery, int64_t delay_ms)
{
    struct entry *entry = slots_get(&engine->leases, delivery);
    if (!entry) return;
    entry->extension_ms = delay_ms;
    heap_set(&engine->deadlines, &entry->deadline, after_ms(engine->now_ms, (uint64_t)delay_ms));
}

static struct span overtime(struct engine *engine, const struct entry *entry)
{
    if (entry->extension_ms > 0)
        return engine_format(engine, EXTENSION_TEXT, (double)entry->extension_ms / 1000);
    return engine_format(engine, TIMEOUT_TEXT, (double)entry->queue->agent.timeout_ms / 1000);
}

static void time_out(struct engine *engine, struct entry *entry)
{
    struct outcome outcome = {
        .kind = OUTCOME_RETRY,
        .code = CODE_TIMEOUT,
        .delay_ms = -1,
        .reason = overtime(engine, entry),
    };
    settle_interrupt(engine, entry, CODE_TIMEOUT);
    settle_end_lease(engine, entry);
    settle_all(engine, entry, &outcome);
}

void settle_expire(struct engine *engine, struct entry *entry)
{
    struct end end = {.code = CODE_EXPIRED,
                      .level = LEVEL_STORED,
                      .flags = RECEIPT_NACK,
                      .reason = span_text("expired before it was handled")};
    engine->counts.expired++;
    engine_fact(engine, FACT_EXPIRED, entry);
    lanes_entry_level(engine, entry, LANE_EXPIRED);
    answer_later(engine, entry, &end);
    if (entry->seen && entry->seen->holder == entry)
        dedup_released(engine, entry->queue, entry->seen);
    engine_ready(engine, entry->queue); /* a bundle may begin with another one now */
    engine_delete(engine, entry);
    engine_drop(engine, entry);
}

void settle_late(struct engine *engine, struct entry *entry)
{
    struct entry *next;
    settle_end_lease(engine, entry);
    for (; entry; entry = next) {
        next = bundle_part(entry);
        if (engine->now_ms >= entry->expires_ms)
            settle_expire(engine, entry);
        else
            give_back(engine, entry);
    }
}

void settle_deadline(struct engine *engine, struct entry *entry)
{
    if (entry->state == ENTRY_LEASED)
        time_out(engine, entry);
    else if (engine->now_ms >= entry->expires_ms && !planted(PLANT_EXPIRED_DELIVERED))
        settle_expire(engine, entry);
    else if (away_wants(engine, entry->queue, entry))
        away_send(engine, entry);
    else {
        queue_move(entry, order_is_first(engine, entry) ? ENTRY_WAITING : ENTRY_PARKED);
        engine_entry_deadline(engine, entry, INT64_MAX);
        if (entry->suspect) suspect_waits(engine, entry);
        engine_ready(engine, entry->queue);
    }
}
