/* From records back to queues and lanes, at start.
 *
 * The records come kind by kind, and in each kind by age. Facts and dead letters come before the
 * messages they are about and are held until then. What a message in an outbox went through before
 * the stop is not all recorded: each counts as possibly sent. */
#include "core/parts.h"

const char *engine_recovery_order(void)
{
    static const char order[] = {
        RECORD_EPOCH, RECORD_OUTBOX, RECORD_HOLD,  RECORD_LANE,    RECORD_RESULT,
        RECORD_SEEN,  RECORD_DEAD,   RECORD_FACTS, RECORD_MESSAGE, 0};
    return order;
}

/* A record that waits for its message. */
struct held {
    struct held *next;
    uint64_t sequence;
    struct block *value;
};

/* In the order of age, as they came. */
struct held_list {
    struct held *first, **tail;
};

struct recovery {
    struct held_list facts, dead;
};

/* ---- held records ---- */

static void hold(struct held_list *list, uint64_t sequence, struct span value)
{
    struct held *held = calloc(1, sizeof *held);
    ensure(held != NULL);
    held->sequence = sequence;
    held->value = block_copy(value);
    if (!list->first) list->tail = &list->first;
    *list->tail = held;
    list->tail = &held->next;
}

static void drop_first(struct held_list *list)
{
    struct held *gone = list->first;
    list->first = gone->next;
    block_release(gone->value);
    free(gone);
}

/* The record of this message, or NULL. Messages come by age too: older ones are nobody's. */
static struct block *held_for(struct held_list *list, uint64_t sequence)
{
    while (list->first && list->first->sequence < sequence) drop_first(list);
    return list->first && list->first->sequence == sequence ? list->first->value : NULL;
}

/* ---- messages ---- */

static int64_t first_ms_of(const struct engine *engine, int64_t first_wall_ms)
{
    int64_t age_ms = engine->now_ms + engine->wall_ms - first_wall_ms;
    return engine->now_ms - (age_ms > 0 ? age_ms : 0);
}

struct entry *entry_restore(struct engine *engine, struct queue *queue, uint64_t sequence,
                            const struct record_message *record)
{
    struct entry *entry = engine_entry(engine, block_copy(record->frame));
    struct message message = message_of(entry->block);
    struct lane *lane =
        queue->kind == QUEUE_MAILBOX && message.seq ? lanes_find(engine, &message) : NULL;
    entry->queue = queue;
    entry->sequence = sequence;
    entry->first_ms = first_ms_of(engine, record->first_wall_ms);
    entry->profile = message.profile;
    entry->level = message.level;
    entry->transmission = message.transmission;
    entry->fail_fast = record->fail_fast;
    entry->notice = record->notice;
    entry->number = queue->kind == QUEUE_OUTBOX || lane ? message.seq : 0;
    entry->lane = lane ? lane->handle : 0;
    entry->give_up_ms = INT64_MAX;
    entry->stored = true;
    if (message.remaining_ms != REMAINING_FOREVER)
        entry->expires_ms = after_ms(entry->first_ms, message.remaining_ms);
    return entry;
}

static void restore_notes(struct engine *engine, struct entry *entry, struct span notes)
{
    struct failure_note note;
    while (record_note_next(&notes, &note))
        failure_add(entry, note.attempt, note.at_ms - engine->wall_ms, note.code, note.word,
                    note.reason, note.traceback);
}

static int64_t due_again_ms(const struct engine *engine, const struct record_facts *facts)
{
    int64_t at_wall = facts->due_wall_ms - engine->wall_ms;
    int64_t at_wait = after_ms(engine->now_ms, (uint64_t)facts->wait_ms);
    return at_wall < at_wait ? at_wall : at_wait;
}

static void restore_facts(struct engine *engine, struct entry *entry,
                          const struct record_facts *facts)
{
    entry->attempt = facts->attempt;
    entry->spent = facts->spent;
    entry->transmissions = facts->transmissions;
    entry->unanswered = facts->unanswered;
    entry->last_code = facts->last_code;
    entry->facts_stored = true;
    restore_notes(engine, entry, facts->notes);
}

static void restore_dead(struct engine *engine, struct entry *entry, struct span value)
{
    struct failure_note why;
    if (record_dead_read(value, &why) != STATUS_OK) why = (struct failure_note){.code = CODE_DEAD};
    if (entry->failures && entry->failures->attempt == 0) return; /* it is among the notes */
    failure_add(entry, why.attempt, why.at_ms - engine->wall_ms, why.code, why.word, why.reason,
                why.traceback);
    entry->last_code = why.code;
}

static void restore_mailbox(struct engine *engine, struct entry *entry,
                            const struct record_facts *facts, bool suspect)
{
    int64_t due_ms = after_ms(entry->first_ms, message_due_ms(entry->block));
    if (facts) due_ms = due_again_ms(engine, facts);
    queue_insert(entry->queue, entry, ENTRY_DEFERRED);
    if (facts) restore_facts(engine, entry, facts);
    engine_entry_deadline(engine, entry, due_ms);
    if (suspect) suspect_charge(engine, entry);
}

static bool was_opened(const struct queue *outbox, uint64_t lane_epoch)
{
    if (lane_epoch == outbox->lane_epoch) return outbox->opened;
    for (size_t i = 0; i < outbox->left_count; i++)
        if (outbox->left[i] == lane_epoch) return true;
    return outbox->left_more;
}

/* Exactly-once: in a lane that was never opened nothing was sent. */
static void restore_doubt(struct entry *entry, bool awaiting)
{
    struct queue *outbox = entry->queue;
    uint64_t lane_epoch = message_lane_epoch(entry->block);
    bool once = entry->profile == EXACTLY_ONCE;
    if (once && !was_opened(outbox, lane_epoch)) entry->unanswered = false;
    if (once && lane_epoch == outbox->lane_epoch && !outbox->opened) outbox->asked = true;
    sender_doubt(entry, entry->unanswered && !awaiting);
}

static void restore_outbox(struct engine *engine, struct entry *entry,
                           const struct record_message *record, const struct record_facts *facts)
{
    queue_insert(entry->queue, entry, ENTRY_WAITING);
    queue_renumber(entry->queue, entry);
    entry->policy = policy_keep(engine, record->has_policy ? &record->policy : NULL);
    entry->give_up_ms = submit_ends_ms(engine, entry->policy, entry->first_ms);
    order_of_outbox(entry);
    if (facts) restore_facts(engine, entry, facts);
    entry->unanswered = true; /* it may have been sent behind its facts, of which nothing is kept */
    restore_doubt(entry, facts && facts->state == ENTRY_AWAITING);
    sender_restore(engine, entry, facts && facts->state == ENTRY_AWAITING);
}

/* Numbers of an outbox come in their order, each once. What is behind the outbox's own record is of
 * one lane; what is before it may have been sent in a lane that was left. */
static bool number_fits(const struct queue *outbox, const struct message *message)
{
    bool known = message->seq < outbox->ceiling, first = !outbox->numbers;
    if (known && outbox->next_number - message->seq > NUMBERS_APART) return false;
    if (!known && !first && message->lane_epoch != outbox->lane_epoch) return false;
    return first || (message->seq >= outbox->base && message->seq - outbox->base <= NUMBERS_APART &&
                     !queue_numbered(outbox, message->seq));
}

/* The owner may have a letter that is in doubt: its number stays its own, unless the lane has let
 * go of it. */
static void hold_number(struct entry *entry)
{
    struct queue *queue = entry->queue;
    struct message message = message_of(entry->block);
    bool doubted = queue->kind == QUEUE_OUTBOX && entry->last_code == CODE_IN_DOUBT &&
                   number_fits(queue, &message);
    if (doubted && queue->ceiling - entry->number < NUMBERS_HELD) queue_renumber(queue, entry);
}

static void restore_letter(struct engine *engine, struct entry *entry,
                           const struct record_message *record, const struct record_facts *facts,
                           struct span why)
{
    queue_insert(entry->queue, entry, ENTRY_DEAD);
    entry->policy = policy_keep(engine, record->has_policy ? &record->policy : NULL);
    if (facts) restore_facts(engine, entry, facts);
    restore_dead(engine, entry, why);
    hold_number(entry);
}

static enum status restore_message(struct engine *engine, uint64_t sequence,
                                   const struct record_message *record)
{
    struct block *facts_value = held_for(&engine->recovery->facts, sequence);
    struct block *dead = held_for(&engine->recovery->dead, sequence);
    struct record_facts facts;
    bool has_facts = facts_value && record_facts_read(block_span(facts_value), &facts) == STATUS_OK;
    struct queue *queue = engine_queue(engine, (enum queue_kind)record->queue_kind, record->name);
    bool mailbox = queue->kind == QUEUE_MAILBOX, suspect = suspect_take(engine, sequence);
    bool bundled = suspect_was_bundled(engine, sequence);
    struct message message;
    ensure(message_decode_kept(record->frame, &message) == STATUS_OK);
    if (mailbox && !has_facts && !dead && message.due_ms == 0 && !suspect && !bundled) {
        backlog_restore(engine, queue, sequence, record->frame.size);
        return STATUS_OK;
    }
    bool fits = mailbox || number_fits(queue, &message);
    if (!fits && !dead) return STATUS_DAMAGED;
    if (!mailbox && fits) submit_restore(queue, message.lane_epoch, message.seq);
    struct entry *entry = entry_restore(engine, queue, sequence, record);
    if (bundled) suspect_single(engine, entry);
    if (dead)
        restore_letter(engine, entry, record, has_facts ? &facts : NULL, block_span(dead));
    else if (mailbox)
        restore_mailbox(engine, entry, has_facts ? &facts : NULL, suspect);
    else
        restore_outbox(engine, entry, record, has_facts ? &facts : NULL);
    return STATUS_OK;
}

/* ---- the other kinds ---- */

static enum status recover_message(struct engine *engine, struct span key, struct span value)
{
    struct record_message record;
    uint64_t sequence = record_sequence(key);
    if (sequence == 0) return STATUS_DAMAGED;
    if (sequence > engine->sequence) engine->sequence = sequence;
    if (sequence > engine->sealed) engine->sealed = sequence; /* entries draw sequences, too */
    enum status status = record_message_read(value, &record);
    return status == STATUS_OK ? restore_message(engine, sequence, &record) : status;
}

static enum status recover_outbox(struct engine *engine, struct span key, struct span value)
{
    struct record_outbox record;
    struct span address = span_of(key.bytes + 1, key.size - 1);
    if (address.size == 0 || address.size > ADDRESS_BYTES_MAX ||
        record_outbox_read(value, &record) != STATUS_OK)
        return STATUS_DAMAGED;
    struct queue *outbox = engine_queue(engine, QUEUE_OUTBOX, address);
    outbox->lane_epoch = record.lane_epoch;
    queue_begin_at(outbox, record.ceiling);
    outbox->next_number = outbox->ceiling = record.ceiling;
    outbox->opened = record.opened;
    outbox->asked = record.asked;
    outbox->left_more = record.left_more;
    outbox->left_count = record.left_count;
    memcpy(outbox->left, record.left, sizeof record.left);
    return STATUS_OK;
}

static enum status recover_hold(struct engine *engine, struct span key, struct span value)
{
    enum hold hold;
    int64_t since_wall_ms;
    struct span address = span_of(key.bytes + 1, key.size - 1);
    if (address.size > ADDRESS_BYTES_MAX ||
        record_hold_read(value, &hold, &since_wall_ms) != STATUS_OK)
        return STATUS_DAMAGED;
    struct queue *mailbox = engine_queue(engine, QUEUE_MAILBOX, address);
    mailbox->hold = (uint8_t)hold;
    mailbox->held_ms = since_wall_ms - engine->wall_ms;
    return STATUS_OK;
}

static enum status recover_lane(struct engine *engine, struct span key, struct span value)
{
    struct lane *lane = record_lane_read(key, value);
    if (!lane) return STATUS_DAMAGED;
    lanes_add(engine, lane);
    return STATUS_OK;
}

enum status engine_recover(struct engine *engine, struct span key, struct span value)
{
    if (key.size < 2) return STATUS_DAMAGED;
    if (!engine->recovery) {
        engine->recovery = calloc(1, sizeof *engine->recovery);
        ensure(engine->recovery != NULL);
    }
    switch (key.bytes[0]) {
    case RECORD_EPOCH: return epoch_recover(engine, key, value);
    case RECORD_OUTBOX: return recover_outbox(engine, key, value);
    case RECORD_HOLD: return recover_hold(engine, key, value);
    case RECORD_LANE: return recover_lane(engine, key, value);
    case RECORD_SEEN: return seen_recover(engine, key, value);
    case RECORD_RESULT: return results_recover(engine, key, value);
    case RECORD_DEAD: hold(&engine->recovery->dead, record_sequence(key), value); break;
    case RECORD_FACTS: hold(&engine->recovery->facts, record_sequence(key), value); break;
    case RECORD_MESSAGE: return recover_message(engine, key, value);
    default: return STATUS_DAMAGED;
    }
    return record_sequence(key) ? STATUS_OK : STATUS_DAMAGED;
}

void engine_recovered(struct engine *engine)
{
    suspect_missing(engine);
    sweep_recovered(engine);
    if (!engine->recovery) return;
    while (engine->recovery->facts.first) drop_first(&engine->recovery->facts);
    while (engine->recovery->dead.first) drop_first(&engine->recovery->dead);
    free(engine->recovery);
    engine->recovery = NULL;
}
