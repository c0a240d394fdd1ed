/* The sender's messages on a link: their frames, and the ACK timer that runs from then on. */
#include "core/parts.h"

static uint64_t left_of(uint64_t duration_ms, int64_t since_ms, int64_t now_ms)
{
    uint64_t gone = (uint64_t)(now_ms - since_ms);
    return duration_ms > gone ? duration_ms - gone : 0;
}

struct transmission transmit_fields(const struct engine *engine, const struct entry *entry)
{
    struct message message = message_of(entry->block);
    bool forever = message.remaining_ms == REMAINING_FOREVER;
    return (struct transmission){
        .number = entry->transmissions,
        .after = order_after(entry),
        .base = planted(PLANT_BASE_MOVED_TOO_EARLY)
                    ? entry->number
                    : queue_durable_base(entry->queue, engine_changed(engine), engine->committed),
        .due_ms = left_of(message.due_ms, entry->first_ms, engine->now_ms),
        .remaining_ms = forever ? REMAINING_FOREVER
                                : left_of(message.remaining_ms, entry->first_ms, engine->now_ms),
    };
}

static void write_altered(const struct entry *entry, const struct block *altered,
                          const struct transmission *transmission, struct link *link)
{
    struct message message = message_of(altered), original = message_of(entry->block);
    message.lane_epoch = original.lane_epoch;
    message.seq = original.seq;
    message.base = transmission->base;
    message.after = transmission->after;
    message.transmission = transmission->number;
    message.due_ms = transmission->due_ms;
    message.remaining_ms = transmission->remaining_ms;
    message_write(&message, &link->out);
}

/* Put the frame on the link, unless a hook drops it on the way: then it is lost like any frame. */
static void write_data(struct engine *engine, struct entry *entry, struct link *link)
{
    struct hop hop = {HOP_LOCAL, (uint8_t)link_end(link), link->name};
    struct transmission transmission = transmit_fields(engine, entry);
    struct message message = message_of(entry->block);
    struct block *altered;
    struct fate fate;
    size_t from = link->out.used;
    message.transmission = transmission.number;
    if (!hook_message(engine, HOOK_FORWARD, &message, &hop, &altered, &fate)) return;
    if (altered)
        write_altered(entry, altered, &transmission, link);
    else
        message_transmit(entry->block, &transmission, &link->out);
    block_release(altered);
    data_written(engine, link, from, message.seq, &fate);
}

/* Without body, about the number or its lane. */
static void write_flag(struct engine *engine, const struct entry *entry, uint8_t flag,
                       struct link *link)
{
    struct transmission transmission = transmit_fields(engine, entry);
    if (transmission.number == 0) transmission.number = 1;
    if (flag == MESSAGE_OPEN) transmission.number = TRANSMISSION_OPEN;
    transmission.flags = flag;
    message_transmit(entry->block, &transmission, &link->out);
    link->sent++;
}

static int64_t ack_delay(struct engine *engine, struct entry *entry)
{
    struct message message = message_of(entry->block);
    struct failure failure = {
        .attempt = entry->spent + 1,
        .code = CODE_TIMEOUT,
        .error = span_text("no answer in time"),
        .elapsed_ms = engine->now_ms - entry->first_ms,
        .address = message.to,
        .method = message.method,
        .key = message.key,
    };
    int64_t delay_ms = -1;
    struct span reason;
    entry->last_try = !engine_retry(engine, entry->policy, &failure, &delay_ms, &reason);
    return some_ms(delay_ms >= 0 ? delay_ms : retry_delay(entry->policy, failure.attempt, 0));
}

static void note_sent(struct engine *engine, const struct entry *entry, const struct link *link)
{
    engine->counts.transmissions++;
    struct fact *fact = engine_fact(engine, FACT_SENT, entry);
    if (fact) fact->link = arena_copy(&engine->effects->arena, link->name);
}

static void start_ack_timer(struct engine *engine, struct entry *entry)
{
    entry->sent_ms = engine->now_ms;
    entry->timer_ms = after_ms(engine->now_ms, (uint64_t)ack_delay(engine, entry));
    bool ends_before = entry->give_up_ms < entry->timer_ms;
    heap_set(&engine->deadlines, &entry->deadline,
             ends_before ? entry->give_up_ms : entry->timer_ms);
}

void transmit_entry(struct engine *engine, struct entry *entry, struct link *link)
{
    if (entry->transmissions < UINT16_MAX) entry->transmissions++; /* none has the number 0 */
    entry->link = link;
    queue_move(entry, ENTRY_LEASED);
    write_data(engine, entry, link);
    start_ack_timer(engine, entry);
    note_sent(engine, entry, link);
}

void transmit_open(struct engine *engine, struct entry *entry, struct link *link)
{
    entry->link = link;
    queue_move(entry, ENTRY_LEASED);
    entry->opens = entry->queue->opening = true;
    write_flag(engine, entry, MESSAGE_OPEN, link);
    start_ack_timer(engine, entry);
}

void transmit_once(struct engine *engine, struct entry *entry, struct link *link)
{
    entry->transmissions = 1;
    write_data(engine, entry, link);
    note_sent(engine, entry, link);
}

void transmit_ask(struct engine *engine, const struct entry *entry, struct link *link)
{
    write_flag(engine, entry, planted(PLANT_AWAITING_RESENT) ? 0 : MESSAGE_ASK, link);
}
