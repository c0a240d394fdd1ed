/* What comes for a mailbox over a link. A number of a lane that was accepted before is a resend:
 * without a dedup policy it is handed over again, with one it is only acknowledged again. */
#include "core/parts.h"

static void note_resend(struct engine *engine, const struct message *message)
{
    engine->counts.duplicates++;
    struct fact *fact = engine_fact_of(engine, FACT_DUPLICATE, message->id);
    if (!fact) return;
    fact->block = message_encode(message);
    fact->transmission = message->transmission;
    fact->dup = true;
}

static void accept_stored(struct engine *engine, struct link *from, const struct message *message,
                          struct queue *mailbox, struct lane *lane)
{
    struct block *block = owner_through_hook(engine, message, from);
    if (!block) return;
    struct entry *entry = engine_entry(engine, block);
    entry->lane = lane->handle;
    entry->number = message->seq;
    entry->transmission = message->transmission;
    lane_set(lane, message->seq, LANE_ACCEPTED);
    lanes_touch(engine, lane);
    owner_describe(engine, entry, message);
    from->open_puts++;
    owner_place(engine, mailbox, entry);
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
        [LANE_PURGED] = {.level = LEVEL_STORED, .code = CODE_PURGED, .flags = RECEIPT_NACK},
    };
    if (level == LANE_ACCEPTED) return; /* the commit will say it */
    if (message->level < LEVEL_HANDLED) level = LANE_STORED;
    struct end end = ends[level];
    if (level == LANE_DEAD) end.reason = span_text("a dead letter at its owner");
    if (level == LANE_EXPIRED) end.reason = span_text("expired before it was handled");
    if (level == LANE_PURGED) end.reason = span_text(PURGED_TEXT);
    answer_again(engine, lane, mailbox, message, &end);
}

/* The end of a number that is known to be handled, with its result while the key is remembered. */
static struct end handled_before(struct engine *engine, struct queue *mailbox, struct span key)
{
    const struct seen *seen = seen_find(engine, mailbox, key);
    if (seen && !seen->holder) return dedup_end(seen);
    return (struct end){.level = LEVEL_HANDLED,
                        .flags = RECEIPT_DUP | RECEIPT_FORGOT,
                        .result_encoding = NO_RESULT};
}

/* A question has no body of which a dedup policy could make a key: only the id leads to a result.
 */
static void say_handled(struct engine *engine, const struct lane *lane, struct queue *mailbox,
                        const struct message *message)
{
    struct end end = handled_before(engine, mailbox, message->id);
    end.flags &= (uint8_t)~RECEIPT_DUP;
    answer_again(engine, lane, mailbox, message, &end);
}

/* How far a number got, as its sender may know it. At most once, the lane says `handled` from
 * before the handler begins, so that it never runs again; what it comes to is not known before its
 * end. */
static enum lane_level known_level(const struct queue *mailbox, const struct lane *lane,
                                   uint64_t number)
{
    enum lane_level level = lane_level(lane, number);
    if (level != LANE_HANDLED) return level;
    const struct entry *entry = mailbox->lists[ENTRY_LEASED].head;
    while (entry &&
           !(entry->settled_first && entry->lane == lane->handle && entry->number == number))
        entry = entry->next;
    return entry ? LANE_STORED : level;
}

/* Exactly-once: as it was answered the first time. */
static struct end handled_once(const struct lane *lane, uint64_t number)
{
    const struct lane_result *result = results_find(lane, number);
    struct end end = {.level = LEVEL_HANDLED, .flags = RECEIPT_DUP, .result_encoding = NO_RESULT};
    if (result && !result->bytes) end.flags |= RECEIPT_FORGOT;
    if (!result || !result->bytes) return end;
    end.result = block_span(result->bytes);
    end.result_encoding = result->encoding;
    return end;
}

static void say_once(struct engine *engine, const struct lane *lane, const struct queue *mailbox,
                     const struct message *message)
{
    struct end end = handled_once(lane, message->seq);
    end.flags &= (uint8_t)~RECEIPT_DUP;
    answer_again(engine, lane, mailbox, message, &end);
}

static void receive_ask(struct engine *engine, struct link *from, const struct message *message,
                        struct queue *mailbox)
{
    static const struct end unknown = {.level = LEVEL_UNKNOWN};
    bool by_id = mailbox->agent.dedup != DEDUP_NONE && !mailbox->agent.asks_dedup;
    struct lane *lane = lanes_find(engine, message);
    if (lane) lanes_advance(engine, lane, message->base);
    enum lane_level level = lane ? known_level(mailbox, lane, message->seq) : LANE_UNKNOWN;
    if (level == LANE_UNKNOWN)
        answer_now(engine, from, message, &unknown);
    else if (level == LANE_HANDLED && message->profile == EXACTLY_ONCE)
        say_once(engine, lane, mailbox, message);
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
    if (level == LANE_HANDLED && message->profile == EXACTLY_ONCE)
        end = handled_once(lane, message->seq);
    else if (level == LANE_HANDLED)
        end = handled_before(engine, mailbox, dedup_key(engine, mailbox, message));
    if (message->level < end.level) end.level = message->level;
    answer_again(engine, lane, mailbox, message, &end);
}

/* Dead letters keep their place: none is dropped to make room, so new messages wait. */
static struct span full_reason(struct engine *engine, const struct queue *mailbox)
{
    return engine_format(engine,
                         "the mailbox is at its limit: %zu messages, %zu of them dead letters",
                         mailbox->own.count, mailbox->lists[ENTRY_DEAD].count);
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
    else if (mailbox->hold == HOLD_DRAINING)
        refuse(engine, from, message, CODE_STOPPING, span_text(DRAINING_TEXT));
    else if (engine->store_full)
        refuse(engine, from, message, CODE_STORE_FULL, span_text(STORE_FULL_TEXT));
    else if (owner_is_full(engine, mailbox))
        refuse(engine, from, message, CODE_BUSY, full_reason(engine, mailbox));
    else if (order_lacks_key(engine, mailbox, message))
        refuse(engine, from, message, CODE_NO_KEY, span_text(NO_KEY_TEXT));
    else if (order_is_overtaking(mailbox, lane, message))
        refuse(engine, from, message, CODE_OUT_OF_ORDER,
               span_text("one that was sent before it is not here yet"));
    else
        return false;
    return true;
}

/* Whether a number that was accepted before is not handed over once more. One that takes nothing
 * new need not refuse what it has. */
static bool recognises(const struct queue *mailbox, const struct message *message)
{
    return message->profile == EXACTLY_ONCE || mailbox->agent.dedup != DEDUP_NONE ||
           mailbox->agent.profile == AT_MOST_ONCE || mailbox->hold == HOLD_DRAINING;
}

/* Exactly-once needs a lane that was opened for it: a store without it may be another one than that
 * which has what was sent before. */
static bool lacks_lane(const struct engine *engine, const struct message *message)
{
    const struct lane *lane = lanes_find(engine, message);
    if (planted(PLANT_LANE_NOT_OPENED)) return false;
    return message->profile == EXACTLY_ONCE && !(lane && lane->once);
}

/* The answer leaves when the lane is durable. */
static void receive_open(struct engine *engine, const struct message *message,
                         const struct queue *mailbox)
{
    static const struct end unknown = {.level = LEVEL_UNKNOWN};
    struct lane *lane = lanes_of(engine, message);
    lane->once = true;
    lanes_touch(engine, lane);
    answer_again(engine, lane, mailbox, message, &unknown);
}

static void receive_stored(struct engine *engine, struct link *from, const struct message *message,
                           struct queue *mailbox)
{
    static const struct end unknown = {.level = LEVEL_UNKNOWN};
    if (lacks_lane(engine, message)) {
        answer_now(engine, from, message, &unknown);
        return;
    }
    struct lane *lane = lanes_of(engine, message);
    enum lane_level level = known_level(mailbox, lane, message->seq);
    bool ended = message->seq < lane->base || level >= LANE_DEAD;
    if (ended)
        say_level(engine, lane, mailbox, message, level);
    else if (level != LANE_UNKNOWN && recognises(mailbox, message) &&
             !planted(PLANT_RESEND_TAKEN_ANEW))
        receive_resend(engine, message, mailbox, lane, level);
    else if (!refuse_stored(engine, from, message, mailbox, lane))
        accept_stored(engine, from, message, mailbox, lane);
}

static void receive_at_most_once(struct engine *engine, struct link *from,
                                 const struct message *message, struct queue *mailbox)
{
    if (owner_is_full(engine, mailbox) || mailbox->hold == HOLD_DRAINING ||
        message->remaining_ms == 0) {
        engine->counts.lost++;
        return;
    }
    struct block *block = owner_through_hook(engine, message, from);
    if (!block) return;
    struct entry *entry = engine_entry(engine, block);
    entry->transmission = 1;
    owner_describe(engine, entry, message);
    owner_enter(engine, mailbox, entry);
    dedup_settle(engine, entry);
}

void receive_message(struct engine *engine, struct link *from, const struct message *message,
                     struct queue *mailbox)
{
    if (message->flags & MESSAGE_FAREWELL)
        lanes_farewell(engine, message);
    else if (message->flags & MESSAGE_ASK)
        receive_ask(engine, from, message, mailbox);
    else if (message->flags & MESSAGE_OPEN)
        receive_open(engine, message, mailbox);
    else if (owner_is_too_weak(engine, mailbox, message))
        refuse(engine, from, message, CODE_PROFILE_MISMATCH,
               span_text("the agent asks for a stronger profile"));
    else if (message->profile == AT_MOST_ONCE)
        receive_at_most_once(engine, from, message, mailbox);
    else
        receive_stored(engine, from, message, mailbox);
}
