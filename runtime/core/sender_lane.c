/* The lane at its sender: the numbers under which an outbox sends, and whether the owner has a lane
 * for them, which exactly-once needs.
 *
 *   not asked --> asked --> opened --> left, for a new one that is not asked
 *                   |------------------^
 *
 * A message that was not sent in the lane that was left joins the new one. */
#include "core/parts.h"

static bool is_of_this_lane(const struct entry *entry)
{
    return message_lane_epoch(entry->block) == entry->queue->lane_epoch;
}

/* ---- opened ---- */

/* It may go only in a lane that was opened for it. Where an owner may have it already, it stays. */
static bool needs_open_lane(const struct entry *entry)
{
    return entry->profile == EXACTLY_ONCE && !entry->doubtful;
}

/* Somebody asks for the lane, or will as soon as it is durable. */
static bool is_opening(const struct engine *engine, const struct queue *outbox)
{
    const struct entry *opener = slots_get(&engine->entries, outbox->opener);
    return outbox->opening || (opener && opener->queue == outbox &&
                               opener->state == ENTRY_COMMITTING && is_of_this_lane(opener));
}

/* Nothing is sent in a lane before it is kept that it is open: a start would take it for unsent. */
static bool is_opened_durably(const struct engine *engine, const struct entry *entry)
{
    const struct queue *outbox = entry->queue;
    return !needs_open_lane(entry) || !outbox->opened || engine->committed >= outbox->opened_batch;
}

static void remember_lane(struct queue *outbox)
{
    if (outbox->left_count == LANES_LEFT_MAX) {
        outbox->left_more = true;
        memmove(outbox->left, outbox->left + 1, (LANES_LEFT_MAX - 1) * sizeof *outbox->left);
        outbox->left_count--;
    }
    outbox->left[outbox->left_count++] = outbox->lane_epoch;
}

/* Another store than the one that had the lane owns the address: what is not sent yet goes to that
 * in a lane of its own. */
static void leave_lane(struct engine *engine, struct queue *outbox)
{
    if (outbox->opened) remember_lane(outbox);
    outbox->opened = outbox->asked = false;
    outbox->lane_epoch = random_next(&engine->random);
    engine_put_outbox(engine, outbox);
}

/* The first of a lane that is not open asks for it. An owner that was asked before and not heard
 * may have opened that lane, and be another than the next one: so each is asked for one of its own.
 */
bool sender_lane_admits(struct engine *engine, struct queue *outbox, struct entry *entry)
{
    if (outbox->opened || !needs_open_lane(entry)) return true;
    if (is_opening(engine, outbox)) return false;
    if (outbox->asked) leave_lane(engine, outbox);
    outbox->opener = entry->handle;
    return true;
}

/* Before the first exactly-once message its owner makes a lane for them, durably. A store that has
 * no such lane takes none of them: so what was sent to one owner is never taken by another. That a
 * lane may have been asked for is kept before who asks can be gone. */
static void open_lane(struct engine *engine, struct entry *entry, struct link *link)
{
    entry->queue->asked = true;
    engine_put_outbox(engine, entry->queue);
    transmit_open(engine, entry, link);
}

static void lane_opened(struct engine *engine, struct entry *entry)
{
    struct queue *outbox = entry->queue;
    outbox->opened = true;
    outbox->opened_batch = engine->open->number;
    outbox->asked = false;
    engine_put_outbox(engine, outbox);
    sender_commit_first(engine, entry);
}

/* The owner has no lane for it: another store than before, or one that has forgotten. What may be
 * there already nobody knows. */
static void lane_missing(struct engine *engine, struct entry *entry, const struct receipt *receipt)
{
    if (receipt->transmission != entry->transmissions) return;
    if (entry->queue->opened && is_of_this_lane(entry)) leave_lane(engine, entry->queue);
    if (entry->doubtful)
        finish_in_doubt(engine, entry, "the address has another owner now");
    else
        sender_make_waiting(engine, entry);
}

void sender_lane_unknown(struct engine *engine, struct entry *entry, const struct receipt *receipt)
{
    if (entry->opens && receipt->transmission == TRANSMISSION_OPEN)
        lane_opened(engine, entry);
    else if (!entry->opens)
        lane_missing(engine, entry, receipt);
}

/* ---- joined ---- */

/* The outbox has a new lane, and this message was not sent in the old one. What was sent stays
 * where its owner would recognise it, and each copy of it that is still on its way. */
static bool is_to_join(const struct entry *entry)
{
    if (entry->unanswered || is_of_this_lane(entry)) return false;
    return entry->profile == EXACTLY_ONCE || entry->transmissions == 0;
}

/* It gets its number there, durably before it is sent. */
static void join_lane(struct engine *engine, struct entry *entry)
{
    struct message message = message_of(entry->block);
    message.lane_epoch = entry->queue->lane_epoch;
    queue_set_block(entry, message_encode(&message));
    engine_put(engine, entry);
    sender_commit_first(engine, entry);
}

/* ---- sent in, and closed ---- */

void sender_lane_transmit(struct engine *engine, struct entry *entry, struct link *link)
{
    if (!is_opened_durably(engine, entry))
        sender_commit_first(engine, entry);
    else if (is_to_join(entry))
        join_lane(engine, entry);
    else if (needs_open_lane(entry) && !entry->queue->opened)
        open_lane(engine, entry, link);
    else
        transmit_entry(engine, entry, link);
}

/* With the number that would come next, behind all that is closed. */
void sender_farewell(struct engine *engine, const struct queue *outbox)
{
    bool upstream;
    bool open = outbox->base < outbox->next_number || outbox->next_number == 1;
    struct link *link = open ? NULL : route_to(engine, outbox->name, outbox->turn, NULL, &upstream);
    if (!link || !forward_has_credit(link)) return;
    struct message message = {
        .flags = MESSAGE_FAREWELL,
        .profile = AT_LEAST_ONCE,
        .level = LEVEL_STORED,
        .transmission = 1,
        .lane_epoch = outbox->lane_epoch,
        .seq = outbox->next_number,
        .base = outbox->next_number,
        .remaining_ms = REMAINING_FOREVER,
        .id = span_text("-"), /* it has none, and a data frame must */
        .origin = engine->origin,
        .to = outbox->name,
    };
    message_write(&message, &link->out);
    link->sent++;
}

void sender_stop(struct engine *engine)
{
    for (struct queue *queue = engine->queues; queue; queue = queue->next)
        if (queue->kind == QUEUE_OUTBOX) sender_farewell(engine, queue);
}
