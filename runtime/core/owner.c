/* The mailbox: accept, deliver, settle.
 *
 * A message is accepted into the open batch and handed to its handler at once; `stored` is said
 * when the batch is durable, and a message settled before that shares its commit. A number of a
 * lane that was accepted before is a resend: without a dedup policy it is handed over again, with
 * one it is only acknowledged again. Another message with the same dedup key waits while the first
 * is in hand and is then acknowledged like it. */
#include "core/parts.h"

enum {
    BUSY_RETRY_AFTER_MS = 1000,
    RESULT_KEPT_MAX = 16 * 1024, /* of a result that a dedup policy keeps */
    NO_RESULT = ENCODING_JSON,   /* without bytes; an empty string has none either, but is raw */
};

static struct span no_text(void)
{
    return span_of(NULL, 0);
}

struct queue *owner_mailbox(struct engine *engine, struct span address)
{
    struct queue *mailbox = map_find_again(&engine->mailboxes, address);
    return mailbox && mailbox->agent.agent ? mailbox : NULL;
}

/* ---- dedup ---- */

/* The key under which the policy remembers the message; empty: it is never a duplicate. */
static struct span dedup_key(struct engine *engine, const struct queue *mailbox,
                             const struct message *message)
{
    struct span key;
    if (mailbox->agent.dedup == DEDUP_NONE) return no_text();
    if (mailbox->agent.asks_dedup && engine->policies.dedup &&
        engine->policies.dedup(engine->policies.user, mailbox->agent.agent, message, &key) ==
            POLICY_ANSWERED)
        return key;
    return message->id;
}

/* The message is, or waits for, the holder of its dedup key. */
static enum entry_state claim_key(struct engine *engine, struct queue *mailbox, struct entry *entry)
{
    if (mailbox->agent.dedup == DEDUP_NONE) return ENTRY_WAITING;
    struct message message = message_of(entry->block); /* as the store hook left it */
    struct span key = dedup_key(engine, mailbox, &message);
    if (key.size == 0) return ENTRY_WAITING;
    struct seen *seen = seen_find(mailbox, key, engine->now_ms);
    bool first = !seen;
    if (first) seen = seen_hold(mailbox, key, entry);
    entry->seen = seen;
    return first ? ENTRY_WAITING : ENTRY_BLOCKED;
}

static struct end handled_end(const struct seen *seen)
{
    return (struct end){.level = LEVEL_HANDLED,
                        .flags = seen->forgot ? RECEIPT_DUP | RECEIPT_FORGOT : RECEIPT_DUP,
                        .result = block_span(seen->result),
                        .result_encoding = seen->result_encoding};
}

static void note_duplicate(struct engine *engine, const struct entry *entry)
{
    engine->counts.duplicates++;
    struct fact *fact = engine_fact(engine, FACT_DUPLICATE, entry);
    if (fact) fact->dup = true;
}

static void note_resend(struct engine *engine, const struct message *message)
{
    engine->counts.duplicates++;
    struct fact *fact = engine_fact_of(engine, FACT_DUPLICATE, message->id);
    if (!fact) return;
    fact->block = message_encode(message);
    fact->transmission = message->transmission;
    fact->dup = true;
}

/* Its first was handled: acknowledge it in the same way and let it go. */
static void acknowledge_duplicate(struct engine *engine, struct entry *entry,
                                  const struct seen *seen)
{
    struct end end = handled_end(seen);
    end.level = entry->level < LEVEL_HANDLED ? entry->level : LEVEL_HANDLED;
    note_duplicate(engine, entry);
    lanes_entry_level(engine, entry, LANE_HANDLED);
    answer_later(engine, entry, &end);
    engine_delete(engine, entry);
    engine_drop(engine, entry);
}

static struct entry *next_blocked(const struct queue *mailbox, const struct seen *seen)
{
    struct entry *entry = mailbox->lists[ENTRY_BLOCKED].head;
    while (entry && entry->seen != seen) entry = entry->next;
    return entry;
}

/* The holder was handled: those who waited for it are duplicates. */
static void key_handled(struct engine *engine, struct queue *mailbox, struct seen *seen,
                        const struct outcome *outcome)
{
    bool keep = outcome->result.size > 0 && outcome->result.size <= RESULT_KEPT_MAX;
    bool none = outcome->result.size == 0;
    struct block *result = keep ? block_copy(outcome->result) : NULL;
    seen->forgot = !keep && !none;
    seen_settle(mailbox, seen, result, keep || none ? outcome->encoding : NO_RESULT,
                engine->now_ms);
    block_release(result);
    struct entry *entry;
    while ((entry = next_blocked(mailbox, seen))) acknowledge_duplicate(engine, entry, seen);
}

static void start_waiting(struct engine *engine, struct entry *entry)
{
    uint64_t due_ms = message_due_ms(entry->block);
    int64_t due = after_ms(entry->first_ms, due_ms);
    bool later = due_ms > 0 && due > engine->now_ms;
    queue_move(entry, later ? ENTRY_DEFERRED : ENTRY_WAITING);
    engine_entry_deadline(engine, entry, later ? due : INT64_MAX);
    engine_ready(engine, entry->queue);
}

/* The holder ended otherwise: the next one takes its place. */
static void key_released(struct engine *engine, struct queue *mailbox, struct seen *seen)
{
    struct entry *next = next_blocked(mailbox, seen);
    seen->holder = next;
    if (next)
        start_waiting(engine, next);
    else
        seen_drop(mailbox, seen);
}

/* ---- accepting ---- */

static bool mailbox_is_full(const struct engine *engine, const struct queue *mailbox)
{
    return mailbox->own.count + mailbox->reserved.count >= engine->settings.mailbox_count_max ||
           mailbox->own.bytes + mailbox->reserved.bytes >= engine->settings.mailbox_bytes_max;
}

/* Dead letters keep their place: none is dropped to make room, so new messages wait. */
static struct span full_reason(struct engine *engine, const struct queue *mailbox)
{
    return engine_format(engine,
                         "the mailbox is at its limit: %zu messages, %zu of them dead letters",
                         mailbox->own.count, mailbox->lists[ENTRY_DEAD].count);
}

static void describe(struct engine *engine, struct entry *entry, const struct message *message)
{
    entry->profile = message->profile;
    entry->level = message->level;
    entry->give_up_ms = INT64_MAX;
    if (message->remaining_ms != REMAINING_FOREVER)
        entry->expires_ms = after_ms(engine->now_ms, message->remaining_ms);
}

/* It is in no list yet. */
static void enter(struct engine *engine, struct queue *mailbox, struct entry *entry)
{
    enum entry_state state = claim_key(engine, mailbox, entry);
    queue_insert(mailbox, entry, state);
    if (state == ENTRY_WAITING)
        start_waiting(engine, entry);
    else
        engine_entry_deadline(engine, entry, INT64_MAX);
}

static void store(struct engine *engine, struct entry *entry)
{
    struct end end = {.level = LEVEL_STORED};
    engine->counts.stored++;
    engine_put(engine, entry);
    answer_later(engine, entry, &end);
    engine_fact(engine, FACT_STORED, entry);
}

/* A duplicate of something already handled needs no copy of its own. */
static bool settle_duplicate(struct engine *engine, struct entry *entry)
{
    if (entry->state != ENTRY_BLOCKED || entry->seen->holder) return false;
    acknowledge_duplicate(engine, entry, entry->seen);
    return true;
}

/* Into the mailbox, or behind what of it is not in memory. */
static void place_stored(struct engine *engine, struct queue *mailbox, struct entry *entry)
{
    if (backlog_wants(engine, mailbox, entry)) {
        queue_insert(mailbox, entry, ENTRY_WAITING);
        store(engine, entry);
        backlog_admit(engine, entry);
        return;
    }
    enter(engine, mailbox, entry);
    if (!settle_duplicate(engine, entry)) store(engine, entry);
}

/* The block of the message as the store hook leaves it (given), or NULL when it drops it. */
static struct block *through_hook(struct engine *engine, const struct message *message,
                                  const struct link *from)
{
    struct hop hop = {(uint8_t)(from ? link_end(from) : HOP_LOCAL), HOP_LOCAL,
                      from ? from->name : engine->settings.name};
    struct block *altered;
    if (!hook_message(engine, HOOK_STORE, message, &hop, &altered)) return NULL;
    if (altered) return altered;
    return message->frame.size > 0 ? block_copy(message->frame) : message_encode(message);
}

static void accept_stored(struct engine *engine, struct link *from, const struct message *message,
                          struct queue *mailbox, struct lane *lane)
{
    struct block *block = through_hook(engine, message, from);
    if (!block) return;
    struct entry *entry = engine_entry(engine, block);
    entry->lane = lane->handle;
    entry->number = message->seq;
    entry->transmission = message->transmission;
    lane_set(lane, message->seq, LANE_ACCEPTED);
    lanes_touch(engine, lane);
    describe(engine, entry, message);
    from->open_puts++;
    place_stored(engine, mailbox, entry);
}

static void refuse(struct engine *engine, struct link *from, const struct message *message,
                   enum code code, struct span reason)
{
    struct end end = {.code = (uint8_t)code, .flags = RECEIPT_NACK, .reason = reason};
    if (code == CODE_BUSY || code == CODE_STORE_FULL) end.retry_after_ms = BUSY_RETRY_AFTER_MS;
    answer_now(engine, from, message, &end);
}

/* What the owner says of a number it has: asked for, or sent again. A sender that wants no more
 * than `stored` is told no more. */
static void say_level(struct engine *engine, const struct lane *lane, const struct queue *mailbox,
                      const struct message *message, enum lane_level level)
{
    static const struct end ends[] = {
        [LANE_STORED] = {.level = LEVEL_STORED},
        [LANE_HANDLED] = {.level = LEVEL_HANDLED,
                          .flags = RECEIPT_FORGOT,
                          .result_encoding = NO_RESULT},
        [LANE_DEAD] = {.level = LEVEL_STORED, .code = CODE_DEAD, .flags = RECEIPT_NACK},
        [LANE_EXPIRED] = {.level = LEVEL_STORED, .code = CODE_EXPIRED, .flags = RECEIPT_NACK},
    };
    if (level == LANE_ACCEPTED) return; /* the commit will say it */
    if (message->level < LEVEL_HANDLED) level = LANE_STORED;
    struct end end = ends[level];
    if (level == LANE_DEAD) end.reason = span_text("a dead letter at its owner");
    if (level == LANE_EXPIRED) end.reason = span_text("expired before it was handled");
    answer_again(engine, lane, mailbox, message, &end);
}

/* The end of a number that is known to be handled, with its result while the key is remembered. */
static struct end handled_before(struct queue *mailbox, struct span key, int64_t now_ms)
{
    const struct seen *seen = seen_find(mailbox, key, now_ms);
    if (seen && !seen->holder) return handled_end(seen);
    return (struct end){.level = LEVEL_HANDLED,
                        .flags = RECEIPT_DUP | RECEIPT_FORGOT,
                        .result_encoding = NO_RESULT};
}

/* A question has no body of which a dedup policy could make a key: only the id leads to a result.
 */
static void say_handled(struct engine *engine, const struct lane *lane, struct queue *mailbox,
                        const struct message *message)
{
    struct end end = handled_before(mailbox, message->id, engine->now_ms);
    end.flags &= (uint8_t)~RECEIPT_DUP;
    answer_again(engine, lane, mailbox, message, &end);
}

static void receive_ask(struct engine *engine, struct link *from, const struct message *message,
                        struct queue *mailbox)
{
    static const struct end unknown = {.level = LEVEL_UNKNOWN};
    bool by_id = mailbox->agent.dedup != DEDUP_NONE && !mailbox->agent.asks_dedup;
    struct lane *lane = lanes_find(engine, message);
    if (lane) lane_advance(lane, message->base);
    enum lane_level level = lane ? lane_level(lane, message->seq) : LANE_UNKNOWN;
    if (level == LANE_UNKNOWN)
        answer_now(engine, from, message, &unknown);
    else if (level == LANE_HANDLED && by_id)
        say_handled(engine, lane, mailbox, message);
    else
        say_level(engine, lane, mailbox, message, level);
}

/* A dedup policy is there and the lane knows the number: this is the same message once more. While
 * it is here, its first copy will answer for it; afterwards it is acknowledged as that was. */
static void receive_resend(struct engine *engine, const struct message *message,
                           struct queue *mailbox, const struct lane *lane, enum lane_level level)
{
    note_resend(engine, message);
    if (level == LANE_ACCEPTED) return; /* the commit will say it */
    struct end end = {.level = LEVEL_STORED, .flags = RECEIPT_DUP};
    if (level == LANE_HANDLED)
        end = handled_before(mailbox, dedup_key(engine, mailbox, message), engine->now_ms);
    if (message->level < end.level) end.level = message->level;
    answer_again(engine, lane, mailbox, message, &end);
}

/* An agent that asks more of its senders than this message gives: refused when strict. */
static bool is_too_weak(struct engine *engine, struct queue *mailbox, const struct message *message)
{
    if (message->profile >= mailbox->agent.profile) return false;
    if (engine->settings.strict) return true;
    if (mailbox->mismatch_told) return false;
    mailbox->mismatch_told = true;
    struct fact *fact = engine_fact_of(engine, FACT_REFUSED, mailbox->name);
    if (!fact) return false;
    fact->code = CODE_PROFILE_MISMATCH;
    fact->reason =
        span_text("a sender's profile is weaker than the agent asks for; taken all the same");
    return false;
}

static bool refuse_stored(struct engine *engine, struct link *from, const struct message *message,
                          struct queue *mailbox, const struct lane *lane)
{
    if (message->remaining_ms == 0)
        refuse(engine, from, message, CODE_EXPIRED, span_text("expired on its way"));
    else if (!lane_has_room(lane))
        refuse(engine, from, message, CODE_BUSY,
               span_text("too many numbers of this lane are open"));
    else if (engine->draining)
        refuse(engine, from, message, CODE_STOPPING, span_text("the node is stopping"));
    else if (engine->store_full)
        refuse(engine, from, message, CODE_STORE_FULL, span_text(STORE_FULL_TEXT));
    else if (mailbox_is_full(engine, mailbox))
        refuse(engine, from, message, CODE_BUSY, full_reason(engine, mailbox));
    else
        return false;
    return true;
}

static void receive_stored(struct engine *engine, struct link *from, const struct message *message,
                           struct queue *mailbox)
{
    struct lane *lane = lanes_of(engine, message);
    enum lane_level level = lane_level(lane, message->seq);
    bool ended = message->seq < lane->base || level == LANE_DEAD || level == LANE_EXPIRED;
    if (ended)
        say_level(engine, lane, mailbox, message, level);
    else if (level != LANE_UNKNOWN && mailbox->agent.dedup != DEDUP_NONE)
        receive_resend(engine, message, mailbox, lane, level);
    else if (!refuse_stored(engine, from, message, mailbox, lane))
        accept_stored(engine, from, message, mailbox, lane);
}

static void receive_at_most_once(struct engine *engine, struct link *from,
                                 const struct message *message, struct queue *mailbox)
{
    if (mailbox_is_full(engine, mailbox) || message->remaining_ms == 0) {
        engine->counts.lost++;
        return;
    }
    struct block *block = through_hook(engine, message, from);
    if (!block) return;
    struct entry *entry = engine_entry(engine, block);
    entry->transmission = 1;
    describe(engine, entry, message);
    enter(engine, mailbox, entry);
    settle_duplicate(engine, entry);
}

void owner_receive(struct engine *engine, struct link *from, const struct message *message,
                   struct queue *mailbox)
{
    if (message->flags & MESSAGE_FAREWELL)
        lanes_farewell(engine, message);
    else if (message->flags & MESSAGE_ASK)
        receive_ask(engine, from, message, mailbox);
    else if (message->profile == EXACTLY_ONCE)
        refuse(engine, from, message, CODE_UNSUPPORTED, span_text("exactly-once: not yet"));
    else if (is_too_weak(engine, mailbox, message))
        refuse(engine, from, message, CODE_PROFILE_MISMATCH,
               span_text("the agent asks for a stronger profile"));
    else if (message->profile == AT_MOST_ONCE)
        receive_at_most_once(engine, from, message, mailbox);
    else
        receive_stored(engine, from, message, mailbox);
}

/* ---- delivering ---- */

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

void owner_run_committed(struct engine *engine, uint64_t handle)
{
    struct entry *entry = slots_get(&engine->entries, handle);
    if (!entry || entry->state != ENTRY_LEASED) return;
    heap_set(&engine->deadlines, &entry->deadline,
             after_ms(engine->now_ms, (uint64_t)entry->queue->agent.timeout_ms));
    run(engine, entry);
}

void owner_deliver(struct engine *engine, struct entry *entry)
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

bool owner_takes(const struct engine *engine, const struct queue *mailbox)
{
    return mailbox->agent.agent && !mailbox->paused && !engine->draining && !engine->stopping &&
           mailbox->running < mailbox->agent.concurrency;
}

void owner_pump(struct engine *engine, struct queue *mailbox)
{
    while (owner_takes(engine, mailbox) && !suspect_holds(engine) &&
           mailbox->lists[ENTRY_WAITING].head)
        owner_deliver(engine, mailbox->lists[ENTRY_WAITING].head);
    if (mailbox->agent.agent) backlog_pump(engine, mailbox);
}

/* ---- settling ---- */

static void end_lease(struct engine *engine, struct entry *entry)
{
    struct queue *mailbox = entry->queue;
    slots_remove(&engine->leases, entry->delivery);
    entry->delivery = 0;
    reservations_release(entry);
    ensure(mailbox->running > 0);
    mailbox->running--;
    engine->in_hand--;
    engine_ready(engine, mailbox);
}

static void do_sends(struct engine *engine, const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->send_count; i++)
        sender_submit_effect(engine, &outcome->sends[i]);
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
    if (outcome->kind == OUTCOME_ACK) do_sends(engine, outcome);
    note_handled(engine, entry, outcome);
    lanes_entry_level(engine, entry, LANE_HANDLED);
    answer_later(engine, entry, &end);
    if (entry->seen) key_handled(engine, entry->queue, entry->seen, outcome);
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
    if (entry->seen) key_released(engine, entry->queue, entry->seen);
    engine_drop(engine, entry);
}

static void die(struct engine *engine, struct entry *entry, uint8_t code, struct span word,
                struct span reason)
{
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
    if (entry->seen) key_released(engine, entry->queue, entry->seen);
    entry->seen = NULL;
    engine_bury(engine, entry, code, word, reason);
}

static void defer(struct engine *engine, struct entry *entry, enum fact_kind kind,
                  const struct outcome *outcome, int64_t delay_ms)
{
    queue_move(entry, ENTRY_DEFERRED);
    engine_entry_deadline(engine, entry, after_ms(engine->now_ms, (uint64_t)delay_ms));
    engine_put_facts(engine, entry);
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
        failure.elapsed_ms + *delay_ms <= policy->deadline_ms)
        return true;
    *reason = engine_format(
        engine, "the policy's deadline of %g s ends after %u attempts; last: %.*s",
        (double)policy->deadline_ms / 1000, (unsigned)entry->attempt, SPAN_ARGS(outcome->reason));
    return false;
}

void owner_judge(struct engine *engine, struct entry *entry, const struct outcome *outcome)
{
    int64_t delay_ms;
    struct span reason = outcome->reason;
    if (!try_again(engine, entry, outcome, &delay_ms, &reason)) {
        die(engine, entry, CODE_DEAD, no_text(), reason);
        return;
    }
    engine->counts.retried++;
    defer(engine, entry, FACT_RETRYING, outcome, delay_ms);
}

static void settle_retry(struct engine *engine, struct entry *entry, const struct outcome *outcome)
{
    failure_add(entry, entry->attempt, engine->now_ms, outcome->code, outcome->word,
                outcome->reason, outcome->traceback);
    owner_judge(engine, entry, outcome);
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
    die(engine, entry, outcome->code ? outcome->code : CODE_REJECTED, outcome->word,
        outcome->reason);
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

void owner_outcome(struct engine *engine, const struct outcome *outcome)
{
    struct entry *entry = slots_get(&engine->leases, outcome->delivery);
    if (!entry) return; /* its lease ended before: a late result is void */
    end_lease(engine, entry);
    settle(engine, entry, outcome);
}

/* ---- time ---- */

static void interrupt(struct engine *engine, const struct entry *entry, enum code code)
{
    struct effect *effect = effects_add(engine->effects, EFFECT_INTERRUPT);
    effect->code = (uint8_t)code;
    effect->run.delivery = entry->delivery;
}

static void time_out(struct engine *engine, struct entry *entry)
{
    double seconds = (double)entry->queue->agent.timeout_ms / 1000;
    struct outcome outcome = {
        .kind = OUTCOME_RETRY,
        .code = CODE_TIMEOUT,
        .delay_ms = -1,
        .reason =
            engine_format(engine, "the delivery took longer than its timeout of %g s", seconds),
    };
    interrupt(engine, entry, CODE_TIMEOUT);
    end_lease(engine, entry);
    settle(engine, entry, &outcome);
}

static void expire(struct engine *engine, struct entry *entry)
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
        key_released(engine, entry->queue, entry->seen);
    engine_delete(engine, entry);
    engine_drop(engine, entry);
}

void owner_deadline(struct engine *engine, struct entry *entry)
{
    if (entry->state == ENTRY_LEASED)
        time_out(engine, entry);
    else if (engine->now_ms >= entry->expires_ms)
        expire(engine, entry);
    else {
        queue_move(entry, ENTRY_WAITING);
        engine_entry_deadline(engine, entry, INT64_MAX);
        if (entry->suspect) suspect_waits(engine, entry);
        engine_ready(engine, entry->queue);
    }
}

/* ---- from this engine ---- */

enum code owner_refusal(const struct engine *engine, const struct queue *mailbox,
                        const struct message *message, const char **reason)
{
    if (engine->settings.strict && message->profile < mailbox->agent.profile) {
        *reason = "the agent asks for a stronger profile";
        return CODE_PROFILE_MISMATCH;
    }
    if (engine->store_full) {
        *reason = STORE_FULL_TEXT;
        return CODE_STORE_FULL;
    }
    if (!mailbox_is_full(engine, mailbox)) return CODE_NONE;
    *reason = "the mailbox is at its limit";
    return CODE_BUSY;
}

static void put_here(struct engine *engine, struct queue *mailbox, const struct submit *submit,
                     const struct message *message, struct block *block)
{
    bool stored = message->profile != AT_MOST_ONCE;
    struct entry *entry = engine_entry(engine, block);
    entry->transmission = 1;
    if (submit->waiter && stored)
        waiter_new(engine, submit->waiter, entry, submit->timeout_ms)->policy =
            policy_keep(engine, submit->retry);
    describe(engine, entry, message);
    if (stored) {
        place_stored(engine, mailbox, entry);
        return;
    }
    enter(engine, mailbox, entry);
    settle_duplicate(engine, entry);
}

/* Somebody has promised to send it, and it cannot be handed over: it is a dead letter here. */
static void bury_here(struct engine *engine, struct queue *mailbox, const struct message *message,
                      enum code code, const char *reason)
{
    struct entry *entry = engine_entry(engine, message_encode(message));
    entry->profile = message->profile;
    entry->level = message->level;
    entry->transmission = 1;
    queue_insert(mailbox, entry, ENTRY_WAITING);
    engine_put(engine, entry);
    die(engine, entry, (uint8_t)code, no_text(), span_text(reason));
}

static void turn_away(struct engine *engine, struct queue *mailbox, const struct submit *submit,
                      bool forced, enum code code, const char *reason)
{
    struct end end = {.code = (uint8_t)code, .flags = RECEIPT_NACK, .reason = span_text(reason)};
    if (code == CODE_BUSY) end.retry_after_ms = BUSY_RETRY_AFTER_MS;
    answer_refused(engine, submit, &end);
    if (submit->message.profile != AT_MOST_ONCE) {
        if (forced) bury_here(engine, mailbox, &submit->message, code, reason);
    } else if (code != CODE_REJECTED)
        engine->counts.lost++; /* what a hook drops is counted as dropped */
}

void owner_put(struct engine *engine, struct queue *mailbox, const struct submit *submit,
               const struct message *message, bool forced)
{
    static const struct end sent = {.level = LEVEL_SENT};
    struct submit completed = *submit;
    completed.message = *message;
    const char *reason = NULL;
    enum code code = owner_refusal(engine, mailbox, message, &reason);
    if (forced && code == CODE_BUSY) code = CODE_NONE;
    if (code == CODE_NONE) is_too_weak(engine, mailbox, message); /* not strict: only told once */
    struct block *block = code == CODE_NONE ? through_hook(engine, message, NULL) : NULL;
    if (block) {
        put_here(engine, mailbox, submit, message, block);
        if (message->profile == AT_MOST_ONCE) answer_refused(engine, &completed, &sent);
    } else if (code == CODE_NONE)
        turn_away(engine, mailbox, &completed, forced, CODE_REJECTED, "a hook dropped it");
    else
        turn_away(engine, mailbox, &completed, forced, code, reason);
}

/* ---- back from the store ---- */

void owner_restore(struct engine *engine, struct entry *entry)
{
    struct queue *mailbox = entry->queue;
    if (engine->now_ms >= entry->expires_ms) {
        queue_insert(mailbox, entry, ENTRY_WAITING);
        expire(engine, entry);
        return;
    }
    enter(engine, mailbox, entry);
    settle_duplicate(engine, entry);
}

/* What came back before the agent was here has not been compared with anything. */
static void claim_all(struct engine *engine, struct queue *mailbox, enum entry_state state)
{
    struct entry *next;
    for (struct entry *entry = mailbox->lists[state].head; entry; entry = next) {
        next = entry->next;
        if (entry->seen || claim_key(engine, mailbox, entry) != ENTRY_BLOCKED) continue;
        queue_move(entry, ENTRY_BLOCKED);
        engine_entry_deadline(engine, entry, INT64_MAX);
        settle_duplicate(engine, entry);
    }
}

/* There is no dedup policy any more: what waited for the end of another stands for itself. */
static void unblock_all(struct engine *engine, struct queue *mailbox)
{
    struct entry *entry;
    while ((entry = mailbox->lists[ENTRY_BLOCKED].head)) {
        entry->seen = NULL;
        start_waiting(engine, entry);
    }
}

/* ---- agents come and go ---- */

/* Its handlers in flight end where they began; their outcomes go by the new policies. */
static void retire(struct engine *engine, struct queue *mailbox)
{
    effects_add(engine->effects, EFFECT_RETIRE)->run.agent = mailbox->agent.agent;
    mailbox->mismatch_told = false;
    engine_fact_of(engine, FACT_RELOADED, mailbox->name);
}

void owner_agent_up(struct engine *engine, const struct agent_declaration *agent)
{
    struct queue *mailbox = engine_queue(engine, QUEUE_MAILBOX, agent->address);
    struct queue *outbox = map_find(&engine->outboxes, agent->address);
    bool new = mailbox->agent.agent == 0;
    if (!new) retire(engine, mailbox);
    mailbox->agent = *agent;
    mailbox->agent.address = mailbox->name;
    if (agent->dedup == DEDUP_NONE) unblock_all(engine, mailbox);
    claim_all(engine, mailbox, ENTRY_WAITING);
    claim_all(engine, mailbox, ENTRY_DEFERRED);
    suspect_agent_up(engine, mailbox);
    engine_ready(engine, mailbox);
    if (outbox) engine_ready(engine, outbox);
    if (new) attach_tell(engine, mailbox->name);
}

void owner_agent_down(struct engine *engine, struct span address)
{
    struct queue *mailbox = owner_mailbox(engine, address);
    if (!mailbox) return;
    mailbox->agent.agent = 0;
    attach_withdraw(engine, mailbox->name);
}

static void stop_mailbox(struct engine *engine, struct queue *mailbox)
{
    struct entry *entry;
    while ((entry = mailbox->lists[ENTRY_LEASED].tail)) {
        interrupt(engine, entry, CODE_CANCELLED);
        end_lease(engine, entry);
        entry->attempt--;
        queue_move(entry, ENTRY_WAITING);
        engine_entry_deadline(engine, entry, INT64_MAX);
    }
}

void owner_stop(struct engine *engine)
{
    for (struct queue *queue = engine->queues; queue; queue = queue->next)
        if (queue->kind == QUEUE_MAILBOX) stop_mailbox(engine, queue);
}
