/* The outbox: what this node has promised to send, and its ACK timers.
 *
 * A message is put, and leaves once its batch is durable. Each transmission is leased to a link,
 * and its ACK timer runs until the owner says `stored`. A timer that fires spends an attempt; a
 * lost link, NO_ROUTE, UNREACHABLE, BUSY and STORE_FULL cost time only. A sender that gives up
 * after an unanswered transmission cannot know what became of it: it files the message as IN_DOUBT.
 * When `handled` is wanted, `stored` makes it awaiting: never transmitted again, only asked about.
 */
#include "core/parts.h"

static struct span no_text(void)
{
    return span_of(NULL, 0);
}

/* ---- deadlines ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void wait_until(struct engine *engine, struct entry *entry, int64_t at_ms)
{
    at_ms = earlier(at_ms, earlier(entry->give_up_ms, entry->expires_ms));
    if (at_ms == INT64_MAX)
        heap_clear(&engine->deadlines, &entry->deadline);
    else
        heap_set(&engine->deadlines, &entry->deadline, at_ms);
}

void sender_wait(struct engine *engine, struct entry *entry)
{
    wait_until(engine, entry, INT64_MAX);
}

static void make_waiting(struct engine *engine, struct entry *entry)
{
    if (entry->state != ENTRY_WAITING) queue_move(entry, ENTRY_WAITING);
    entry->link = NULL;
    wait_until(engine, entry, INT64_MAX);
    engine_ready(engine, entry->queue);
}

/* ---- exactly-once: who has what ---- */

void sender_doubt(struct entry *entry, bool doubtful)
{
    if (entry->profile != EXACTLY_ONCE || entry->queue->kind != QUEUE_OUTBOX) return;
    if (entry->doubtful == doubtful) return;
    entry->doubtful = doubtful;
    entry->queue->doubtful += doubtful ? 1 : (size_t)-1;
}

/* The owner may have it: nobody knows until it answers. */
static void left_unanswered(struct entry *entry)
{
    entry->unanswered = true;
    sender_doubt(entry, true);
}

/* ---- ends ---- */

static void finish(struct engine *engine, struct entry *entry, const struct end *end,
                   const struct receipt *receipt)
{
    bool ok = !(end->flags & RECEIPT_NACK);
    struct fact *fact = engine_fact(engine, ok ? FACT_ACKED : FACT_NACKED, entry);
    if (fact) {
        fact->code = end->code;
        fact->level = end->level;
        fact->dup = end->flags & RECEIPT_DUP;
        fact->reason = arena_copy(&engine->effects->arena, end->reason);
        fact->word = arena_copy(&engine->effects->arena, end->word);
        if (receipt) fact->transmission = receipt->transmission;
    }
    answer_waiter(engine, entry->waiter, receipt ? receipt->transmission : entry->transmissions,
                  receipt ? receipt->facts : 0, end);
}

/* Nothing more will come of it here: the owner has settled it, or holds it as a dead letter. */
static void finish_and_drop(struct engine *engine, struct entry *entry, const struct end *end,
                            const struct receipt *receipt)
{
    struct queue *outbox = entry->queue;
    finish(engine, entry, end, receipt);
    if (entry->number) queue_close_number(outbox, entry->number);
    engine_delete(engine, entry);
    engine_drop(engine, entry);
    engine_ready(engine, outbox);
}

/* It could not be sent, or nobody knows: file it as a dead letter of this node. What the owner may
 * have keeps its number, under which it would recognise it. */
static void finish_and_bury(struct engine *engine, struct entry *entry, enum code code,
                            struct span word, struct span reason, const struct receipt *receipt)
{
    struct end end = {.code = (uint8_t)code,
                      .flags = RECEIPT_NACK,
                      .word = word,
                      .reason = reason,
                      .retry_after_ms = receipt ? receipt->retry_after_ms : 0};
    finish(engine, entry, &end, receipt);
    if (entry->number && code != CODE_IN_DOUBT) queue_close_number(entry->queue, entry->number);
    struct fact *fact = engine_fact(engine, FACT_DEAD, entry);
    if (fact) {
        fact->code = (uint8_t)code;
        fact->attempt = entry->spent;
        fact->reason = arena_copy(&engine->effects->arena, reason);
    }
    entry->link = NULL;
    engine_bury(engine, entry, (uint8_t)code, word, reason);
    engine_ready(engine, entry->queue);
}

static void in_doubt(struct engine *engine, struct entry *entry, const char *why)
{
    finish_and_bury(engine, entry, CODE_IN_DOUBT, no_text(),
                    engine_format(engine, "%s after %u transmission%s; it may have been handled",
                                  why, (unsigned)entry->transmissions,
                                  entry->transmissions == 1 ? "" : "s"),
                    NULL);
}

static void expire(struct engine *engine, struct entry *entry)
{
    struct end end = {.code = CODE_EXPIRED,
                      .flags = RECEIPT_NACK,
                      .reason = span_text("expired before it could be sent")};
    engine->counts.expired++;
    engine_fact(engine, FACT_EXPIRED, entry);
    finish_and_drop(engine, entry, &end, NULL);
}

/* What stood in the way last. */
static struct span last_hindrance(struct engine *engine, const struct queue *outbox, enum code code)
{
    if (code == CODE_NO_ROUTE && outbox->told) return block_span(outbox->told);
    return engine_format(engine, "last: %s", code_name(code));
}

static void give_up(struct engine *engine, struct entry *entry)
{
    enum code code = entry->last_code ? (enum code)entry->last_code : CODE_UNREACHABLE;
    if (entry->unanswered)
        in_doubt(engine, entry,
                 engine->now_ms >= entry->expires_ms ? "it has expired"
                                                     : "the deadline for sending has passed");
    else
        finish_and_bury(engine, entry, code, no_text(),
                        engine_format(engine, "the deadline for sending has passed; %.*s",
                                      SPAN_ARGS(last_hindrance(engine, entry->queue, code))),
                        NULL);
}

/* ---- transmitting ---- */

static uint64_t left_of(uint64_t duration_ms, int64_t since_ms, int64_t now_ms)
{
    uint64_t gone = (uint64_t)(now_ms - since_ms);
    return duration_ms > gone ? duration_ms - gone : 0;
}

static struct transmission next_transmission(const struct engine *engine, const struct entry *entry)
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
    struct transmission transmission = next_transmission(engine, entry);
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

/* Without body, about the number or its lane. */
static void write_flag(struct engine *engine, const struct entry *entry, uint8_t flag,
                       struct link *link)
{
    struct transmission transmission = next_transmission(engine, entry);
    if (transmission.number == 0) transmission.number = 1;
    if (flag == MESSAGE_OPEN) transmission.number = TRANSMISSION_OPEN;
    transmission.flags = flag;
    message_transmit(entry->block, &transmission, &link->out);
    link->sent++;
}

/* Before the first exactly-once message its owner makes a lane for them, durably. A store that has
 * no such lane takes none of them: so what was sent to one owner is never taken by another. That a
 * lane may have been asked for is kept before who asks can be gone. */
static void open_lane(struct engine *engine, struct entry *entry, struct link *link)
{
    entry->queue->asked = true;
    engine_put_outbox(engine, entry->queue);
    entry->link = link;
    queue_move(entry, ENTRY_LEASED);
    entry->opens = entry->queue->opening = true;
    write_flag(engine, entry, MESSAGE_OPEN, link);
    entry->sent_ms = engine->now_ms;
    entry->timer_ms = after_ms(engine->now_ms, (uint64_t)ack_delay(engine, entry));
    heap_set(&engine->deadlines, &entry->deadline, earlier(entry->timer_ms, entry->give_up_ms));
}

static void commit_first(struct engine *engine, struct entry *entry)
{
    queue_move(entry, ENTRY_COMMITTING);
    engine_changes(engine, true);
    batch_after(engine->open, AFTER_RELEASE)->handle = entry->handle;
    sender_wait(engine, entry);
}

static bool is_of_this_lane(const struct entry *entry)
{
    return message_lane_epoch(entry->block) == entry->queue->lane_epoch;
}

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
    struct block *block = message_encode(&message);
    block_release(entry->block);
    entry->block = block;
    engine_put(engine, entry);
    commit_first(engine, entry);
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

static void transmit(struct engine *engine, struct entry *entry, struct link *link)
{
    if (entry->transmissions < UINT16_MAX) entry->transmissions++; /* none has the number 0 */
    entry->link = link;
    queue_move(entry, ENTRY_LEASED);
    write_data(engine, entry, link);
    entry->sent_ms = engine->now_ms;
    entry->timer_ms = after_ms(engine->now_ms, (uint64_t)ack_delay(engine, entry));
    heap_set(&engine->deadlines, &entry->deadline, earlier(entry->timer_ms, entry->give_up_ms));
    note_sent(engine, entry, link);
}

/* The sender does not want to wait for a way. What an earlier transmission led to nobody knows. */
static void stop_trying(struct engine *engine, struct entry *entry, enum code code,
                        struct span reason, const struct receipt *receipt)
{
    if (entry->unanswered)
        in_doubt(engine, entry, code_name(code));
    else
        finish_and_bury(engine, entry, code, no_text(), reason, receipt);
}

/* Why the messages of an outbox cannot go; CODE_NONE: they can. */
static void tell_outbox(struct queue *outbox, enum code code, struct span reason)
{
    outbox->told_code = (uint8_t)code;
    block_release(outbox->told);
    outbox->told = code == CODE_NO_ROUTE && reason.size > 0 ? block_copy(reason) : NULL;
}

/* It cannot go now, at no attempt: try again after a while, or fail at once if so wished. */
static void stall(struct engine *engine, struct entry *entry, enum code code, struct span reason,
                  const struct receipt *receipt)
{
    uint64_t asked_ms = receipt ? receipt->retry_after_ms : 0;
    entry->last_code = (uint8_t)code;
    if (entry->fail_fast) {
        stop_trying(engine, entry, code, reason, receipt);
        return;
    }
    int64_t delay_ms = asked_ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS
                       : asked_ms > 0                ? (int64_t)asked_ms
                                                     : retry_delay(entry->policy, ++entry->stalls,
                                                                   random_spread(&engine->random));
    entry->link = NULL;
    queue_move(entry, ENTRY_DEFERRED);
    delay_ms = some_ms(delay_ms);
    wait_until(engine, entry, after_ms(engine->now_ms, (uint64_t)delay_ms));
    engine_ready(engine, entry->queue); /* its place in the window is free */
    struct fact *fact = engine_fact(engine, FACT_RETRYING, entry);
    bool again = entry->queue->told_code == code;
    tell_outbox(entry->queue, code, reason);
    if (!fact) return;
    fact->again = again;
    fact->code = (uint8_t)code;
    fact->delay_ms = delay_ms;
    fact->reason = arena_copy(&engine->effects->arena, reason);
}

/* No link leads there now. UNREACHABLE is not worth a timer: the link's coming up wakes the queue.
 * A link that went while the message was on it is waited for, also by who does not want to wait. */
static bool has_no_way(struct engine *engine, struct queue *outbox, struct entry *entry)
{
    struct span reason;
    enum code code = route_missing(engine, outbox->name, &reason);
    entry->last_code = (uint8_t)code;
    if (code == CODE_UNREACHABLE && (!entry->fail_fast || entry->unanswered)) return false;
    stall(engine, entry, code, reason, NULL);
    return true;
}

/* ---- order while there is no way ---- */

/* The oldest message that waits for a way to its address, or NULL. What came later must not go
 * before it: the way may be there again by now. */
static struct entry *without_way(const struct queue *outbox)
{
    struct entry *oldest = outbox->lists[ENTRY_DEFERRED].head;
    bool lost = outbox->told_code == CODE_NO_ROUTE || outbox->told_code == CODE_UNREACHABLE;
    return lost && oldest && oldest->last_code == outbox->told_code ? oldest : NULL;
}

/* It is tried again together with the oldest. */
static bool is_held(struct engine *engine, struct queue *outbox, struct entry *entry)
{
    struct entry *oldest = without_way(outbox);
    if (!oldest || entry->fail_fast || oldest->sequence > entry->sequence) return false;
    entry->last_code = oldest->last_code;
    queue_move(entry, ENTRY_DEFERRED);
    wait_until(engine, entry, oldest->deadline.at_ms);
    return true;
}

/* The oldest is the one that looks; a look that is not its own turn does not make it wait longer
 * the next time. */
void sender_look_for_way(struct engine *engine, struct queue *outbox)
{
    struct entry *oldest = without_way(outbox);
    if (!oldest || outbox->lists[ENTRY_LEASED].count > 0) return;
    if (oldest->stalls > 0) oldest->stalls--;
    make_waiting(engine, oldest);
}

/* One has got through, so the others may follow, in order. */
static void way_found(struct engine *engine, struct queue *outbox)
{
    struct entry *oldest;
    while ((oldest = without_way(outbox))) make_waiting(engine, oldest);
    tell_outbox(outbox, CODE_NONE, no_text());
    engine_ready(engine, outbox);
}

static bool is_solo(const struct entry *entry)
{
    return entry && entry->link_deaths >= SOLO_AFTER_LINK_DEATHS;
}

static bool window_is_open(const struct engine *engine, const struct queue *outbox)
{
    const struct entry_list *leased = &outbox->lists[ENTRY_LEASED];
    if (leased->count == 0) return true;
    if (is_solo(leased->head) || is_solo(outbox->lists[ENTRY_WAITING].head)) return false;
    if (outbox->told_code == CODE_NO_ROUTE || outbox->told_code == CODE_UNREACHABLE) return false;
    return leased->count < engine->settings.window;
}

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

/* The first of a lane that is not open asks for it. An owner that was asked before and not heard
 * may have opened that lane, and be another than the next one: so each is asked for one of its own.
 * False: the entry waits for it. */
static bool has_lane(struct engine *engine, struct queue *outbox, struct entry *entry)
{
    if (outbox->opened || !needs_open_lane(entry)) return true;
    if (is_opening(engine, outbox)) return false;
    if (outbox->asked) leave_lane(engine, outbox);
    outbox->opener = entry->handle;
    return true;
}

/* The address is served here by now: what waits for a link goes into the mailbox instead. */
static void deliver_here(struct engine *engine, struct queue *outbox, struct queue *mailbox)
{
    struct entry *entry = outbox->lists[ENTRY_WAITING].head;
    if (entry->doubtful) {
        in_doubt(engine, entry, "its address has moved to this node");
        return;
    }
    struct message message = message_of(entry->block);
    struct submit submit = {.message = message, .retry = entry->policy};
    struct waiter *waiter = entry->waiter;
    if (waiter) {
        submit.waiter = waiter->token;
        submit.timeout_ms = waiter->deadline.position ? waiter->deadline.at_ms - engine->now_ms : 0;
        waiter_free(engine, waiter);
    }
    struct transmission now = next_transmission(engine, entry);
    submit.message.due_ms = now.due_ms;
    submit.message.remaining_ms = now.remaining_ms;
    owner_put(engine, mailbox, &submit, &submit.message, true);
    queue_close_number(outbox, entry->number);
    engine_delete(engine, entry);
    engine_drop(engine, entry);
}

void sender_pump(struct engine *engine, struct queue *outbox)
{
    struct entry *entry;
    while ((entry = outbox->lists[ENTRY_WAITING].head) && !engine->stopping) {
        struct queue *mailbox = owner_mailbox(engine, outbox->name);
        if (mailbox) {
            deliver_here(engine, outbox, mailbox);
            continue;
        }
        if (is_held(engine, outbox, entry)) continue;
        bool upstream;
        struct link *link = route_to(engine, outbox->name, outbox->turn, NULL, &upstream);
        if (!link) {
            if (!has_no_way(engine, outbox, entry)) return;
            continue;
        }
        if (!window_is_open(engine, outbox) || !forward_has_credit(link)) return;
        if (!has_lane(engine, outbox, entry)) return;
        if (!is_opened_durably(engine, entry)) {
            commit_first(engine, entry);
            continue;
        }
        if (is_to_join(entry)) {
            join_lane(engine, entry);
            continue;
        }
        if (needs_open_lane(entry) && !outbox->opened)
            open_lane(engine, entry, link);
        else
            transmit(engine, entry, link);
    }
}

/* ---- at most once: from memory, at once, or not at all ---- */

static void lose(struct engine *engine, struct entry *entry, enum code code, struct span reason)
{
    struct end end = {.code = (uint8_t)code, .flags = RECEIPT_NACK, .reason = reason};
    engine->counts.lost++;
    finish_and_drop(engine, entry, &end, NULL);
}

static void send_at_most_once(struct engine *engine, struct entry *entry)
{
    bool upstream;
    struct span reason;
    struct link *link = route_to(engine, entry->queue->name, 0, NULL, &upstream);
    if (!link) {
        enum code code = route_missing(engine, entry->queue->name, &reason);
        lose(engine, entry, code, reason);
        return;
    }
    if (!forward_has_credit(link)) {
        lose(engine, entry, CODE_BUSY, span_text("the link takes no more for now"));
        return;
    }
    struct end end = {.level = LEVEL_SENT};
    entry->transmissions = 1;
    write_data(engine, entry, link);
    note_sent(engine, entry, link);
    finish_and_drop(engine, entry, &end, NULL);
}

void sender_released(struct engine *engine, uint64_t handle)
{
    struct entry *entry = slots_get(&engine->entries, handle);
    if (!entry) return;
    ensure(entry->state == ENTRY_COMMITTING);
    if (entry->profile == AT_MOST_ONCE)
        send_at_most_once(engine, entry);
    else {
        sender_look_for_way(engine, entry->queue);
        make_waiting(engine, entry);
    }
}

/* ---- farewell ---- */

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

/* ---- timers ---- */

static void ack_overdue(struct engine *engine, struct entry *entry)
{
    entry->spent++;
    if (!entry->opens) left_unanswered(entry);
    struct fact *fact = engine_fact(engine, FACT_TIMED_OUT, entry);
    if (fact) {
        fact->attempt = entry->spent;
        if (entry->opens) fact->transmission = 0; /* the message itself was not on its way */
        if (entry->last_try) fact->code = entry->unanswered ? CODE_IN_DOUBT : CODE_TIMEOUT;
        fact->delay_ms = engine->now_ms - entry->sent_ms; /* how long it was waited for */
        fact->link =
            arena_copy(&engine->effects->arena, entry->link ? entry->link->name : no_text());
    }
    if (entry->last_try && entry->unanswered) {
        in_doubt(engine, entry, "no answer");
        return;
    }
    if (entry->last_try) {
        finish_and_bury(engine, entry, CODE_TIMEOUT, no_text(),
                        span_text("its owner did not answer; it was never sent"), NULL);
        return;
    }
    make_waiting(engine, entry);
    engine_put_facts(engine, entry);
}

/* The receipt of its end may get lost with the owner's process or its link, of which nobody tells:
 * so it is asked about soon, then after twice the time it has been awaited, and at last every 30 s.
 */
static void ask_later(struct engine *engine, struct entry *entry)
{
    int64_t delay_ms = engine->now_ms - entry->timer_ms;
    if (delay_ms < ASK_FIRST_MS) delay_ms = ASK_FIRST_MS;
    heap_set(&engine->deadlines, &entry->deadline,
             engine->now_ms + earlier(delay_ms, ASK_INTERVAL_MS));
}

/* Without body: how far did this number get? An owner that says nothing for as long as an outbox
 * keeps a message is not waited for any longer. */
static void ask(struct engine *engine, struct entry *entry)
{
    bool upstream;
    if (engine->now_ms - entry->sent_ms >= OUTBOX_KEPT_MS) {
        in_doubt(engine, entry, "the owner was not heard of for 7 days");
        return;
    }
    struct link *link = route_to(engine, entry->queue->name, entry->queue->turn, NULL, &upstream);
    ask_later(engine, entry);
    if (!link || !forward_has_credit(link)) return;
    write_flag(engine, entry, planted(PLANT_AWAITING_RESENT) ? 0 : MESSAGE_ASK, link);
}

static bool is_over(struct engine *engine, struct entry *entry)
{
    if (engine->now_ms >= entry->expires_ms && !entry->unanswered)
        expire(engine, entry);
    else if (engine->now_ms >= entry->give_up_ms || engine->now_ms >= entry->expires_ms)
        give_up(engine, entry);
    else
        return false;
    return true;
}

void sender_deadline(struct engine *engine, struct entry *entry)
{
    switch ((enum entry_state)entry->state) {
    case ENTRY_LEASED:
        if (engine->now_ms >= entry->timer_ms)
            ack_overdue(engine, entry);
        else
            in_doubt(engine, entry, "the deadline for sending has passed");
        return;
    case ENTRY_AWAITING: ask(engine, entry); return;
    case ENTRY_DEFERRED:
        if (!is_over(engine, entry)) make_waiting(engine, entry);
        return;
    case ENTRY_WAITING: is_over(engine, entry); return;
    case ENTRY_COMMITTING:
    case ENTRY_BLOCKED:
    case ENTRY_PARKED:
    case ENTRY_DEAD:
    case ENTRY_STATE_COUNT: return; /* over when its commit is here; the others have no timer */
    }
}

/* ---- receipts ---- */

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
    if (entry->state == ENTRY_LEASED) way_found(engine, entry->queue);
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
    ask_later(engine, entry);
    engine_put_facts(engine, entry);
    engine_ready(engine, entry->queue);
}

/* Exactly-once: the owner has the lane now. */
static void lane_opened(struct engine *engine, struct entry *entry)
{
    struct queue *outbox = entry->queue;
    outbox->opened = true;
    outbox->opened_batch = engine->open->number;
    outbox->asked = false;
    engine_put_outbox(engine, outbox);
    commit_first(engine, entry);
}

/* Exactly-once, and the owner has no lane for it: another store than before, or one that has
 * forgotten. What may be there already nobody knows. */
static void lane_missing(struct engine *engine, struct entry *entry, const struct receipt *receipt)
{
    if (receipt->transmission != entry->transmissions) return;
    if (entry->queue->opened && is_of_this_lane(entry)) leave_lane(engine, entry->queue);
    if (entry->doubtful)
        in_doubt(engine, entry, "the address has another owner now");
    else
        make_waiting(engine, entry);
}

/* The head of a lane whose link died with it once more, or what its owner has forgotten once more.
 * Alone on its link it spends attempts: it may be what ends the owner's process. */
static void count_death(struct engine *engine, struct entry *head, const char *why)
{
    bool alone = is_solo(head);
    if (head->link_deaths < UINT8_MAX) head->link_deaths++;
    if (!alone) return;
    head->spent++;
    if (head->last_try || engine_is_last(head->policy, head->spent)) in_doubt(engine, head, why);
}

/* The owner never accepted the number we were told was stored: another store, or a lost one. The
 * time in which the message was there was no time of trying to send it. */
static void unknown_to_owner(struct engine *engine, struct entry *entry,
                             const struct receipt *receipt)
{
    if (entry->state == ENTRY_LEASED && entry->profile == EXACTLY_ONCE) {
        if (entry->opens && receipt->transmission == TRANSMISSION_OPEN)
            lane_opened(engine, entry);
        else if (!entry->opens)
            lane_missing(engine, entry, receipt);
        return;
    }
    if (entry->state != ENTRY_AWAITING) return; /* it has been sent again meanwhile */
    left_unanswered(entry);
    if (entry->give_up_ms != INT64_MAX) entry->give_up_ms += engine->now_ms - entry->timer_ms;
    if (entry->profile == EXACTLY_ONCE)
        in_doubt(engine, entry, "the owner does not know it any more");
    else {
        make_waiting(engine, entry);
        count_death(engine, entry, "the owner has forgotten it each time");
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
        stall(engine, entry, (enum code)receipt->code, receipt->reason, receipt);
}

static void refused(struct engine *engine, struct entry *entry, const struct receipt *receipt)
{
    switch (code_class((enum code)receipt->code)) {
    case CODE_WAITING:
        if (receipt->code == CODE_NO_ROUTE) entry->queue->turn++;
        stall(engine, entry, (enum code)receipt->code, receipt->reason, receipt);
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

void sender_restore(struct engine *engine, struct entry *entry, bool awaiting)
{
    if (!awaiting) {
        make_waiting(engine, entry);
        return;
    }
    queue_move(entry, ENTRY_AWAITING);
    entry->timer_ms = entry->sent_ms = engine->now_ms;
    ask_later(engine, entry);
}

/* ---- links come and go ---- */

void sender_link_up(struct engine *engine, const struct link *link)
{
    bool upstream;
    for (struct queue *queue = engine->queues; queue; queue = queue->next) {
        if (queue->kind != QUEUE_OUTBOX) continue;
        engine_ready(engine, queue);
        if (route_to(engine, queue->name, queue->turn, NULL, &upstream) != link) continue;
        struct entry *next;
        for (struct entry *at = queue->lists[ENTRY_AWAITING].head; at; at = next) {
            next = at->next;
            ask(engine, at);
        }
    }
}

static void take_back(struct engine *engine, struct entry *entry)
{
    if (!entry->opens) left_unanswered(entry);
    if (planted(PLANT_LEASE_NOT_RETURNED))
        heap_clear(&engine->deadlines, &entry->deadline);
    else
        make_waiting(engine, entry);
}

static void give_back(struct engine *engine, struct queue *outbox, struct link *link)
{
    struct entry *previous, *head = NULL;
    for (struct entry *at = outbox->lists[ENTRY_LEASED].tail; at; at = previous) {
        previous = at->previous;
        if (at->link != link) continue;
        if (!at->opens) head = at; /* a wish to have a lane kills no link */
        take_back(engine, at);
    }
    if (head) count_death(engine, head, "the link died each time it was sent");
}

/* What parts are missing nobody could tell: a stream ends with the link that it came over. */
static void break_streams(struct engine *engine, struct queue *outbox, const struct link *link)
{
    static const struct end broken = {.code = CODE_STREAM_BROKEN,
                                      .flags = RECEIPT_NACK,
                                      .reason = {"the link to its owner is gone", 29}};
    struct entry *next;
    for (struct entry *at = outbox->lists[ENTRY_AWAITING].head; at; at = next) {
        next = at->next;
        if (at->link == link && stream_is(at)) finish_and_drop(engine, at, &broken, NULL);
    }
}

void sender_link_down(struct engine *engine, struct link *link)
{
    for (struct queue *queue = engine->queues; queue; queue = queue->next) {
        if (queue->kind != QUEUE_OUTBOX) continue;
        give_back(engine, queue, link);
        break_streams(engine, queue, link);
    }
}

static void tell_owner(struct engine *engine, const struct entry *entry)
{
    bool upstream;
    struct link *link = route_to(engine, entry->queue->name, entry->queue->turn, NULL, &upstream);
    struct message message = message_of(entry->block);
    struct part cancel = {
        .lane_epoch = message.lane_epoch,
        .number = message.seq,
        .origin = message.origin,
        .destination = message.to,
    };
    if (link) frame_write_cancel(&link->out, &cancel);
}

void sender_cancel(struct engine *engine, struct entry *entry, enum code code, const char *reason)
{
    struct end end = {.code = (uint8_t)code, .flags = RECEIPT_NACK, .reason = span_text(reason)};
    if (entry->transmissions > 0) tell_owner(engine, entry);
    finish_and_drop(engine, entry, &end, NULL);
}
