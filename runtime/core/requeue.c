/* Dead letters that go back, or for ever.
 *
 * A letter of a mailbox is handed to its agent again; one of an outbox is sent again. It keeps its
 * id and its place by age; what it went through is forgotten, and its attempts count anew. A letter
 * that is in doubt keeps its number in the lane too, so that an owner that has it recognises it;
 * another one, which the owner never took or has forgotten, gets the number that comes next. */
#include "core/parts.h"

static uint64_t left_of(const struct engine *engine, const struct entry *entry,
                        uint64_t duration_ms)
{
    uint64_t gone = (uint64_t)(engine->now_ms - entry->first_ms);
    return duration_ms > gone ? duration_ms - gone : 0;
}

/* The letter's message as it goes back: its times count from now. */
static struct message revised(const struct engine *engine, const struct entry *entry,
                              const struct requeue *requeue)
{
    struct message message = message_of(entry->block);
    if (message.requeues < UINT16_MAX) message.requeues++;
    message.due_ms = left_of(engine, entry, message.due_ms);
    if (message.due_ms < (uint64_t)requeue->delay_ms) message.due_ms = (uint64_t)requeue->delay_ms;
    if (message.remaining_ms != REMAINING_FOREVER)
        message.remaining_ms = left_of(engine, entry, message.remaining_ms);
    if (requeue->has_body) {
        message.body = requeue->body;
        message.encoding = requeue->encoding;
    }
    return message;
}

/* Its records of the dead; they go in the batch in which the message is put again. */
static void forget_death(struct engine *engine, struct entry *entry)
{
    char key[RECORD_KEY_MAX];
    if (!entry->stored) return;
    engine_changes(engine, true);
    batch_delete(engine->open, record_key(key, RECORD_DEAD, entry->sequence));
    if (entry->facts_stored)
        batch_delete(engine->open, record_key(key, RECORD_FACTS, entry->sequence));
    entry->facts_stored = false;
}

static void note_requeued(struct engine *engine, const struct entry *entry)
{
    engine->counts.requeued++;
    engine_fact(engine, FACT_REQUEUED, entry);
}

/* Out of its list, as if it had come just now. */
static void start_anew(struct engine *engine, struct entry *entry, const struct message *message)
{
    struct block *block = message_encode(message);
    failure_clear(entry);
    queue_take(entry);
    block_release(entry->block);
    entry->block = block;
    entry->first_ms = engine->now_ms;
    entry->attempt = entry->spent = entry->stalls = 0;
    entry->last_code = CODE_NONE;
    entry->link_deaths = 0;
    entry->fail_fast = entry->last_try = false;
}

/* The record may have been there before this batch: only a deletion of its own takes it away. */
static void put_again(struct engine *engine, struct entry *entry)
{
    engine_put(engine, entry);
    entry->put_batch = 0;
}

static void back_to_mailbox(struct engine *engine, struct entry *entry,
                            const struct message *message)
{
    forget_death(engine, entry);
    start_anew(engine, entry, message);
    put_again(engine, entry);
    note_requeued(engine, entry);
    owner_restore(engine, entry);
}

/* A later number has to stand behind the earlier ones in the store as well: a new sequence. */
static void renumber(struct engine *engine, struct entry *entry, struct message *message)
{
    char key[RECORD_KEY_MAX];
    struct queue *outbox = entry->queue;
    batch_delete(engine->open, record_key(key, RECORD_MESSAGE, entry->sequence));
    message->lane_epoch = outbox->lane_epoch;
    message->seq = outbox->next_number;
    entry->sequence = ++engine->sequence;
    queue_number(outbox, entry);
}

static void back_to_outbox(struct engine *engine, struct entry *entry, struct message *message)
{
    struct queue *outbox = entry->queue;
    bool keeps_number = queue_numbered(outbox, entry->number) == entry;
    forget_death(engine, entry);
    if (!keeps_number) renumber(engine, entry, message);
    start_anew(engine, entry, message);
    entry->give_up_ms = submit_ends_ms(engine, entry->policy, engine->now_ms);
    queue_insert(outbox, entry, ENTRY_COMMITTING);
    put_again(engine, entry);
    batch_after(engine->open, AFTER_RELEASE)->handle = entry->handle;
    sender_wait(engine, entry);
    note_requeued(engine, entry);
}

static void end_letter(struct engine *engine, struct entry *entry)
{
    forget_death(engine, entry);
    if (entry->number && entry->queue->kind == QUEUE_OUTBOX &&
        queue_numbered(entry->queue, entry->number) == entry)
        queue_close_number(entry->queue, entry->number);
    engine_delete(engine, entry);
    engine_drop(engine, entry);
}

/* A new message under the old id: the letter ends in the same batch. */
static void to_another(struct engine *engine, struct entry *entry, struct message *message)
{
    struct submit submit = {.message = *message, .retry = entry->policy};
    submit.message.lane_epoch = submit.message.seq = submit.message.base = 0;
    if (submit.message.level > LEVEL_STORED) submit.message.level = LEVEL_STORED;
    note_requeued(engine, entry);
    sender_submit_effect(engine, &submit);
    end_letter(engine, entry);
}

static enum code refusal(struct engine *engine, const struct entry *entry,
                         const struct message *message, bool elsewhere, const char **reason)
{
    if (engine->now_ms >= entry->expires_ms) {
        *reason = "it has expired: its sender said that nobody wants it any more";
        return CODE_EXPIRED;
    }
    if (engine->store_full) {
        *reason = "the store is full: what room is left is for settling what is there";
        return CODE_STORE_FULL;
    }
    if (elsewhere) return submit_refusal(engine, message, reason);
    if (message->body.size <= engine->settings.body_max) return CODE_NONE;
    *reason = "the body is larger than body_max";
    return CODE_TOO_LARGE;
}

bool requeue_remove(struct engine *engine, uint64_t letter)
{
    struct entry *entry = slots_get(&engine->entries, letter);
    if (!entry || entry->state != ENTRY_DEAD) return false;
    engine->counts.removed++;
    engine_fact(engine, FACT_REMOVED, entry);
    end_letter(engine, entry);
    return true;
}

enum code requeue_letter(struct engine *engine, const struct requeue *requeue, const char **reason)
{
    struct entry *entry = slots_get(&engine->entries, requeue->letter);
    if (!entry || entry->state != ENTRY_DEAD) {
        *reason = "it is no dead letter any more";
        return CODE_BAD_VALUE;
    }
    struct message message = revised(engine, entry, requeue);
    bool elsewhere = requeue->to.size > 0 && !span_equal(requeue->to, entry->queue->name);
    if (elsewhere) message.to = requeue->to;
    enum code code = refusal(engine, entry, &message, elsewhere, reason);
    if (code != CODE_NONE) return code;
    if (elsewhere)
        to_another(engine, entry, &message);
    else if (entry->queue->kind == QUEUE_MAILBOX)
        back_to_mailbox(engine, entry, &message);
    else
        back_to_outbox(engine, entry, &message);
    return CODE_NONE;
}
