/* The mailbox: what comes into it, from this engine and from the store, and agents that come and
 * go.
 *
 * A message is accepted into the open batch and handed to its handler at once; `stored` is said
 * when the batch is durable, and a message settled before that shares its commit. receive.c takes
 * from links, dedup.c knows duplicates, deliver.c and settle.c are its handler's side. */
#include "core/parts.h"

struct queue *owner_mailbox(struct engine *engine, struct span address)
{
    struct queue *mailbox = map_find_again(&engine->mailboxes, address);
    return mailbox && mailbox->agent.agent ? mailbox : NULL;
}

/* ---- accepting ---- */

bool owner_is_full(const struct engine *engine, const struct queue *mailbox)
{
    return mailbox->own.count + mailbox->reserved.count >= engine->settings.mailbox_count_max ||
           mailbox->own.bytes + mailbox->reserved.bytes >= engine->settings.mailbox_bytes_max;
}

void owner_describe(struct engine *engine, struct entry *entry, const struct message *message)
{
    entry->profile = message->profile;
    entry->level = message->level;
    entry->give_up_ms = INT64_MAX;
    if (message->remaining_ms != REMAINING_FOREVER)
        entry->expires_ms = after_ms(engine->now_ms, message->remaining_ms);
}

/* It is in no list yet. */
void owner_enter(struct engine *engine, struct queue *mailbox, struct entry *entry)
{
    enum entry_state state = entry->notice ? ENTRY_WAITING : dedup_claim(engine, mailbox, entry);
    queue_insert(mailbox, entry, state);
    if (state == ENTRY_WAITING)
        owner_start_waiting(engine, entry);
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

/* Into the mailbox, or behind what of it is not in memory. */
void owner_place(struct engine *engine, struct queue *mailbox, struct entry *entry)
{
    bool behind = backlog_wants(engine, mailbox, entry);
    if (behind || away_wants(engine, mailbox, entry)) {
        queue_insert(mailbox, entry, ENTRY_WAITING);
        store(engine, entry);
        if (behind)
            backlog_admit(engine, entry);
        else
            away_send(engine, entry);
        return;
    }
    owner_enter(engine, mailbox, entry);
    if (!dedup_settle(engine, entry)) store(engine, entry);
}

/* The block of the message as the store hook leaves it (given), or NULL when it drops it. */
struct block *owner_through_hook(struct engine *engine, const struct message *message,
                                 const struct link *from)
{
    struct hop hop = {(uint8_t)(from ? link_end(from) : HOP_LOCAL), HOP_LOCAL,
                      from ? from->name : engine->settings.name};
    struct block *altered;
    if (!hook_message(engine, HOOK_STORE, message, &hop, &altered, NULL)) return NULL;
    if (altered) return altered;
    return message->frame.size > 0 ? block_copy(message->frame) : message_encode(message);
}

/* An agent that asks more of its senders than this message gives: refused when strict. */
bool owner_is_too_weak(struct engine *engine, struct queue *mailbox, const struct message *message)
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

void owner_start_waiting(struct engine *engine, struct entry *entry)
{
    uint64_t due_ms = message_due_ms(entry->block);
    int64_t due = after_ms(entry->first_ms, due_ms);
    bool later = due_ms > 0 && due > engine->now_ms;
    bool parked = !later && !order_is_first(engine, entry);
    queue_move(entry, later ? ENTRY_DEFERRED : parked ? ENTRY_PARKED : ENTRY_WAITING);
    engine_entry_deadline(engine, entry, later ? due : INT64_MAX);
    engine_ready(engine, entry->queue);
    suspect_turn(engine, entry);
}

/* ---- from this engine ---- */

enum code owner_refusal(struct engine *engine, const struct queue *mailbox,
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
    if (mailbox->hold == HOLD_DRAINING) {
        *reason = DRAINING_TEXT;
        return CODE_STOPPING;
    }
    if (owner_is_full(engine, mailbox)) {
        *reason = "the mailbox is at its limit";
        return CODE_BUSY;
    }
    if (!order_lacks_key(engine, mailbox, message)) return CODE_NONE;
    *reason = NO_KEY_TEXT;
    return CODE_NO_KEY;
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
    owner_describe(engine, entry, message);
    if (stored) {
        owner_place(engine, mailbox, entry);
        return;
    }
    owner_enter(engine, mailbox, entry);
    dedup_settle(engine, entry);
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
    settle_die(engine, entry, (uint8_t)code, span_of(NULL, 0), span_text(reason));
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
    if (forced && (code == CODE_BUSY || code == CODE_STOPPING)) code = CODE_NONE;
    if (code == CODE_NONE)
        owner_is_too_weak(engine, mailbox, message); /* not strict: only told once */
    struct block *block = code == CODE_NONE ? owner_through_hook(engine, message, NULL) : NULL;
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
        settle_expire(engine, entry);
        return;
    }
    owner_enter(engine, mailbox, entry);
    dedup_settle(engine, entry);
}

/* What came back before the agent was here has not been compared with anything. */
static void claim_all(struct engine *engine, struct queue *mailbox, enum entry_state state)
{
    struct entry *next;
    for (struct entry *entry = mailbox->lists[state].head; entry; entry = next) {
        next = entry->next;
        if (entry->seen || entry->notice) continue;
        if (dedup_claim(engine, mailbox, entry) != ENTRY_BLOCKED) continue;
        queue_move(entry, ENTRY_BLOCKED);
        engine_entry_deadline(engine, entry, INT64_MAX);
        dedup_settle(engine, entry);
    }
}

/* There is no dedup policy any more: what waited for the end of another stands for itself. */
static void unblock_all(struct engine *engine, struct queue *mailbox)
{
    struct entry *entry;
    while ((entry = mailbox->lists[ENTRY_BLOCKED].head)) {
        entry->seen = NULL;
        owner_start_waiting(engine, entry);
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
    order_agent_up(engine, mailbox);
    suspect_agent_up(engine, mailbox);
    engine_ready(engine, mailbox);
    if (outbox) engine_ready(engine, outbox);
    if (new) attach_tell(engine, mailbox->name);
}

static void stop_mailbox(struct engine *engine, struct queue *mailbox)
{
    struct entry *entry;
    while ((entry = mailbox->lists[ENTRY_LEASED].tail))
        settle_give_back(engine, bundle_leader(entry));
}

void owner_stop(struct engine *engine)
{
    for (struct queue *queue = engine->queues; queue; queue = queue->next)
        if (queue->kind == QUEUE_MAILBOX) stop_mailbox(engine, queue);
}
