/* Where a message begins: what its sender left open is filled in, what nobody may send is refused,
 * and the rest goes into the mailbox of this node or into an outbox.
 *
 * A handler's sends leave with its ack, when nobody is there any more to hear a refusal: so room is
 * kept for each when the handler asks (engine_reserve), until its delivery ends. What is refused
 * all the same then, because a hook or the agent changed meanwhile, is a dead letter. */
#include "core/parts.h"

#include <stdio.h>

/* ---- completing and refusing ---- */

static uint8_t default_level(const struct engine *engine, uint8_t profile)
{
    if (profile == AT_MOST_ONCE) return LEVEL_SENT;
    if (engine->settings.level > LEVEL_SENT) return engine->settings.level;
    return profile == EXACTLY_ONCE ? LEVEL_HANDLED : LEVEL_STORED;
}

/* The message as this node sends it: what the caller left open is filled in. */
static struct message complete(const struct engine *engine, const struct submit *submit)
{
    struct message message = submit->message;
    message.origin = engine->origin;
    if (message.from.size == 0) message.from = engine->settings.name;
    if (message.profile == PROFILE_DEFAULT) message.profile = engine->settings.profile;
    if (message.level == LEVEL_NONE) message.level = default_level(engine, message.profile);
    if (message.profile == AT_MOST_ONCE)
        message.level = LEVEL_SENT;
    else if (message.level == LEVEL_SENT)
        message.level = LEVEL_STORED;
    message.transmission = 1;
    message.flags = message.hops = 0;
    return message;
}

static void refuse(struct engine *engine, const struct submit *submit,
                   const struct message *message, enum code code, const char *reason)
{
    struct submit completed = *submit;
    completed.message = *message;
    struct end end = {.code = (uint8_t)code, .flags = RECEIPT_NACK, .reason = span_text(reason)};
    answer_refused(engine, &completed, &end);
}

/* Why this node takes such a message from nobody; CODE_NONE: there is nothing against it. */
static enum code fault_of(struct engine *engine, const struct message *message, const char **reason)
{
    if (message->to.bytes[0] == '$' && engine->settings.role != ROLE_CLIENT) {
        *reason = "node addresses are not open here";
        return CODE_DENIED;
    }
    if (message->body.size > engine->settings.body_max) {
        snprintf(engine->refusal, sizeof engine->refusal, "the body has %zu bytes; body_max is %zu",
                 message->body.size, engine->settings.body_max);
        *reason = engine->refusal;
        return CODE_TOO_LARGE;
    }
    return CODE_NONE;
}

/* ---- bounds ---- */

static bool outbox_is_full(const struct engine *engine)
{
    return engine->store_full ||
           engine->outbox.count + engine->outbox_reserved.count >=
               engine->settings.outbox_count_max ||
           engine->outbox.bytes + engine->outbox_reserved.bytes >=
               engine->settings.outbox_bytes_max;
}

static const char *outbox_reason(const struct engine *engine)
{
    return engine->store_full ? STORE_FULL_TEXT : "the outbox is at its limit";
}

static bool is_idle(const struct queue *outbox)
{
    for (int state = 0; state < ENTRY_STATE_COUNT; state++)
        if (outbox->lists[state].head) return false;
    return !outbox->ready;
}

/* Too many destinations: of the outboxes looked at, those that hold nothing are forgotten, and
 * their owners told so. */
static void retire_idle(struct engine *engine)
{
    char key[RECORD_KEY_MAX];
    for (int looks = 0; looks < OUTBOXES_LOOKED_AT; looks++) {
        struct queue *queue = engine_pop_queue(engine);
        if (!queue) return;
        if (queue->kind != QUEUE_OUTBOX || !is_idle(queue)) {
            engine_push_queue(engine, queue);
            continue;
        }
        sender_farewell(engine, queue);
        engine_changes(engine, false);
        batch_delete(engine->open, record_outbox_key(key, queue->name));
        map_remove(&engine->outboxes, queue->name);
        queue_free(queue);
    }
}

static bool has_outbox(struct engine *engine, struct span address)
{
    if (map_find(&engine->outboxes, address)) return true;
    if (engine->outboxes.count >= OUTBOXES_MAX / 2) retire_idle(engine);
    return engine->outboxes.count < OUTBOXES_MAX;
}

/* ---- into an outbox ---- */

int64_t submit_ends_ms(const struct engine *engine, const struct retry_policy *policy,
                       int64_t first_ms)
{
    bool memory = engine->settings.store_facts & FACT_OWNER_MEMORY;
    int64_t deadline = policy->deadline_ms;
    if (deadline == DURATION_FOREVER) deadline = memory ? MEMORY_DEADLINE_MS : OUTBOX_KEPT_MS;
    return first_ms + (deadline < OUTBOX_KEPT_MS ? deadline : OUTBOX_KEPT_MS);
}

void submit_restore(struct queue *outbox, uint64_t lane_epoch, uint64_t number)
{
    if (number < outbox->ceiling) return;
    outbox->lane_epoch = lane_epoch;
    outbox->next_number = outbox->ceiling = number + NUMBERS_AHEAD;
}

static struct entry *outbox_entry(struct engine *engine, const struct submit *submit,
                                  struct message *message)
{
    struct queue *outbox = engine_queue(engine, QUEUE_OUTBOX, message->to);
    bool stored = message->profile != AT_MOST_ONCE;
    if (stored) {
        message->lane_epoch = outbox->lane_epoch;
        message->seq = outbox->next_number;
    }
    struct entry *entry = engine_entry(engine, message_encode(message));
    entry->profile = message->profile;
    entry->level = message->level;
    entry->fail_fast = submit->fail_fast;
    entry->policy = policy_keep(engine, submit->retry);
    entry->give_up_ms = stored ? submit_ends_ms(engine, entry->policy, engine->now_ms) : INT64_MAX;
    if (message->remaining_ms != REMAINING_FOREVER)
        entry->expires_ms = after_ms(engine->now_ms, message->remaining_ms);
    queue_insert(outbox, entry, ENTRY_COMMITTING);
    if (stored) queue_number(outbox, entry);
    if (stored) order_of_outbox(entry);
    return entry;
}

static void submit_remote(struct engine *engine, const struct submit *submit,
                          struct message *message)
{
    struct entry *entry = outbox_entry(engine, submit, message);
    if (submit->waiter) {
        struct waiter *waiter = waiter_new(engine, submit->waiter, entry, submit->timeout_ms);
        waiter->policy = policy_keep(engine, submit->retry);
        waiter->stream = submit->stream;
    }
    if (entry->number) engine_put(engine, entry);
    engine_changes(engine, true);
    if (planted(PLANT_EFFECTS_BEFORE_COMMIT)) {
        sender_released(engine, entry->handle);
        return;
    }
    batch_after(engine->open, AFTER_RELEASE)->handle = entry->handle;
    sender_wait(engine, entry);
}

/* ---- the two ways in ---- */

void sender_submit(struct engine *engine, const struct submit *submit)
{
    const char *reason;
    struct message message = complete(engine, submit);
    enum code fault = fault_of(engine, &message, &reason);
    struct queue *mailbox = owner_mailbox(engine, message.to);
    if (submit->own && admin_submit(engine, submit, &message)) return;
    if (fault != CODE_NONE) {
        refuse(engine, submit, &message, fault, reason);
        return;
    }
    engine->counts.sent++;
    if (mailbox)
        owner_put(engine, mailbox, submit, &message, false);
    else if (outbox_is_full(engine))
        refuse(engine, submit, &message, CODE_STORE_FULL, outbox_reason(engine));
    else if (!has_outbox(engine, message.to))
        refuse(engine, submit, &message, CODE_STORE_FULL,
               "messages wait for more destinations than a node can hold");
    else
        submit_remote(engine, submit, &message);
}

void sender_submit_effect(struct engine *engine, const struct submit *submit)
{
    struct message message = complete(engine, submit);
    struct queue *mailbox = owner_mailbox(engine, message.to);
    engine->counts.sent++;
    if (mailbox)
        owner_put(engine, mailbox, submit, &message, !planted(PLANT_ROOM_NOT_RESERVED));
    else
        submit_remote(engine, submit, &message);
}

/* ---- room that is kept for handlers ---- */

/* Room in one bound that is kept for one delivery. */
struct reservation {
    struct reservation *next;
    struct queue_total *total, held;
};

static void reserve(struct entry *lease, struct queue_total *total, size_t bytes)
{
    struct reservation *at = lease->reservations;
    while (at && at->total != total) at = at->next;
    if (!at) {
        at = calloc(1, sizeof *at);
        ensure(at != NULL);
        at->next = lease->reservations;
        at->total = total;
        lease->reservations = at;
    }
    at->held.count++;
    at->held.bytes += bytes;
    total->count++;
    total->bytes += bytes;
}

void reservations_release(struct entry *lease)
{
    while (lease->reservations) {
        struct reservation *gone = lease->reservations;
        gone->total->count -= gone->held.count;
        gone->total->bytes -= gone->held.bytes;
        lease->reservations = gone->next;
        free(gone);
    }
}

/* Which bound the message would count in, or NULL and why there is no room. */
static struct queue_total *room_for(struct engine *engine, const struct message *message,
                                    enum code *code, const char **reason)
{
    struct queue *mailbox = owner_mailbox(engine, message->to);
    if (mailbox) {
        *code = owner_refusal(engine, mailbox, message, reason);
        return *code == CODE_NONE ? &mailbox->reserved : NULL;
    }
    bool full = outbox_is_full(engine);
    if (!full && has_outbox(engine, message->to)) return &engine->outbox_reserved;
    *code = CODE_STORE_FULL;
    *reason =
        full ? outbox_reason(engine) : "messages wait for more destinations than a node can hold";
    return NULL;
}

enum code submit_refusal(struct engine *engine, const struct message *message, const char **reason)
{
    enum code code = fault_of(engine, message, reason);
    if (code == CODE_NONE) room_for(engine, message, &code, reason);
    return code;
}

static enum code reserve_for(struct engine *engine, struct entry *lease,
                             const struct submit *submit, const char **reason)
{
    struct message message = complete(engine, submit);
    enum code code = fault_of(engine, &message, reason);
    if (code != CODE_NONE || !lease) return code;
    struct queue_total *total = room_for(engine, &message, &code, reason);
    if (message.profile == AT_MOST_ONCE) /* for which there need not be any room */
        return code == CODE_PROFILE_MISMATCH ? code : CODE_NONE;
    if (total && !planted(PLANT_ROOM_NOT_RESERVED))
        reserve(lease, total, message.body.size + message.headers.size);
    return code;
}

enum code engine_reserve(struct engine *engine, uint64_t delivery, const struct submit *submit,
                         const char **reason)
{
    return reserve_for(engine, slots_get(&engine->leases, delivery), submit, reason);
}

/* ---- all or none ---- */

static void refuse_all(struct engine *engine, const struct transaction *transaction, enum code code,
                       const char *reason)
{
    for (size_t i = 0; i < transaction->count; i++) {
        struct message message = complete(engine, &transaction->sends[i]);
        refuse(engine, &transaction->sends[i], &message, code, reason);
    }
}

/* Room is kept for each as for the sends of a handler, so that the last one finds it, too. */
void sender_transact(struct engine *engine, const struct transaction *transaction)
{
    struct entry keeper = {0};
    const char *reason = NULL;
    enum code code = CODE_NONE;
    for (size_t i = 0; i < transaction->count && code == CODE_NONE; i++)
        code = reserve_for(engine, &keeper, &transaction->sends[i], &reason);
    reservations_release(&keeper);
    if (code != CODE_NONE) {
        refuse_all(engine, transaction, code, reason);
        return;
    }
    for (size_t i = 0; i < transaction->count; i++)
        sender_submit_effect(engine, &transaction->sends[i]);
}
