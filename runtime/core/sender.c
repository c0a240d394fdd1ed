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

/* ---- waiting ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void sender_wait_until(struct engine *engine, struct entry *entry, int64_t at_ms)
{
    at_ms = earlier(at_ms, earlier(entry->give_up_ms, entry->expires_ms));
    if (at_ms == INT64_MAX)
        heap_clear(&engine->deadlines, &entry->deadline);
    else
        heap_set(&engine->deadlines, &entry->deadline, later(at_ms, engine->now_ms));
}

void sender_wait(struct engine *engine, struct entry *entry)
{
    sender_wait_until(engine, entry, INT64_MAX);
}

void sender_make_waiting(struct engine *engine, struct entry *entry)
{
    if (entry->state != ENTRY_WAITING) queue_move(entry, ENTRY_WAITING);
    entry->link = NULL;
    sender_wait_until(engine, entry, INT64_MAX);
    engine_ready(engine, entry->queue);
}

void sender_commit_first(struct engine *engine, struct entry *entry)
{
    queue_move(entry, ENTRY_COMMITTING);
    engine_changes(engine, true);
    batch_after(engine->open, AFTER_RELEASE)->handle = entry->handle;
    sender_wait(engine, entry);
}

/* ---- what its owner may have, and what it may have done to it ---- */

void sender_doubt(struct entry *entry, bool doubtful)
{
    if (entry->profile != EXACTLY_ONCE || entry->queue->kind != QUEUE_OUTBOX) return;
    if (entry->doubtful == doubtful) return;
    entry->doubtful = doubtful;
    entry->queue->doubtful += doubtful ? 1 : (size_t)-1;
}

void sender_left_unanswered(struct entry *entry)
{
    entry->unanswered = true;
    sender_doubt(entry, true);
}

static bool is_solo(const struct entry *entry)
{
    return entry && entry->link_deaths >= SOLO_AFTER_LINK_DEATHS;
}

/* The head of a lane whose link died with it once more, or what its owner has forgotten once more.
 * Alone on its link it spends attempts: it may be what ends the owner's process. */
void sender_count_death(struct engine *engine, struct entry *head, const char *why)
{
    bool alone = is_solo(head);
    if (head->link_deaths < UINT8_MAX) head->link_deaths++;
    if (!alone) return;
    head->spent++;
    if (head->last_try || engine_is_last(head->policy, head->spent))
        finish_in_doubt(engine, head, why);
}

/* ---- whose turn it is ---- */

static bool window_is_open(const struct engine *engine, const struct queue *outbox)
{
    const struct entry_list *leased = &outbox->lists[ENTRY_LEASED];
    if (leased->count == 0) return true;
    if (is_solo(leased->head) || is_solo(outbox->lists[ENTRY_WAITING].head)) return false;
    if (outbox->told_code == CODE_NO_ROUTE || outbox->told_code == CODE_UNREACHABLE) return false;
    return leased->count < engine->settings.window;
}

/* The address is served here by now: what waits for a link goes into the mailbox instead. */
static void deliver_here(struct engine *engine, struct queue *outbox, struct queue *mailbox)
{
    struct entry *entry = outbox->lists[ENTRY_WAITING].head;
    if (entry->doubtful) {
        finish_in_doubt(engine, entry, "its address has moved to this node");
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
    struct transmission now = transmit_fields(engine, entry);
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
        if (stall_behind(engine, outbox, entry)) continue;
        bool upstream;
        struct link *link = route_to(engine, outbox->name, outbox->turn, NULL, &upstream);
        if (!link) {
            if (!stall_for_way(engine, outbox, entry)) return;
            continue;
        }
        if (!window_is_open(engine, outbox) || !forward_has_credit(link)) return;
        if (!sender_lane_admits(engine, outbox, entry)) return;
        sender_lane_transmit(engine, entry, link);
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
    transmit_once(engine, entry, link);
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
        sender_make_waiting(engine, entry);
    }
}

/* ---- timers ---- */

static void ack_overdue(struct engine *engine, struct entry *entry)
{
    entry->spent++;
    if (!entry->opens) sender_left_unanswered(entry);
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
        finish_in_doubt(engine, entry, "no answer");
        return;
    }
    if (entry->last_try) {
        finish_and_bury(engine, entry, CODE_TIMEOUT, no_text(),
                        span_text("its owner did not answer; it was never sent"), NULL);
        return;
    }
    sender_make_waiting(engine, entry);
    engine_put_facts(engine, entry);
}

/* The receipt of its end may get lost with the owner's process or its link, of which nobody tells:
 * so it is asked about soon, then after twice the time it has been awaited, and at last every 30 s.
 */
void sender_ask_later(struct engine *engine, struct entry *entry)
{
    int64_t delay_ms = engine->now_ms - entry->timer_ms;
    if (delay_ms < ASK_FIRST_MS) delay_ms = ASK_FIRST_MS;
    heap_set(&engine->deadlines, &entry->deadline,
             engine->now_ms + earlier(delay_ms, ASK_INTERVAL_MS));
}

/* How far did this number get? An owner that says nothing for as long as an outbox keeps a message
 * is not waited for any longer. */
static void ask(struct engine *engine, struct entry *entry)
{
    bool upstream;
    if (engine->now_ms - entry->sent_ms >= OUTBOX_KEPT_MS) {
        finish_in_doubt(engine, entry, "the owner was not heard of for 7 days");
        return;
    }
    struct link *link = route_to(engine, entry->queue->name, entry->queue->turn, NULL, &upstream);
    sender_ask_later(engine, entry);
    if (!link || !forward_has_credit(link)) return;
    transmit_ask(engine, entry, link);
}

void sender_deadline(struct engine *engine, struct entry *entry)
{
    switch ((enum entry_state)entry->state) {
    case ENTRY_LEASED:
        if (engine->now_ms >= entry->timer_ms)
            ack_overdue(engine, entry);
        else
            finish_in_doubt(engine, entry, "the deadline for sending has passed");
        return;
    case ENTRY_AWAITING: ask(engine, entry); return;
    case ENTRY_DEFERRED:
        if (!finish_if_over(engine, entry)) sender_make_waiting(engine, entry);
        return;
    case ENTRY_WAITING: finish_if_over(engine, entry); return;
    case ENTRY_COMMITTING:
    case ENTRY_BLOCKED:
    case ENTRY_PARKED:
    case ENTRY_DEAD:
    case ENTRY_STATE_COUNT: return; /* over when its commit is here; the others have no timer */
    }
}

void sender_restore(struct engine *engine, struct entry *entry, bool awaiting)
{
    if (!awaiting) {
        sender_make_waiting(engine, entry);
        return;
    }
    queue_move(entry, ENTRY_AWAITING);
    entry->timer_ms = entry->sent_ms = engine->now_ms;
    sender_ask_later(engine, entry);
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
    if (!entry->opens) sender_left_unanswered(entry);
    if (planted(PLANT_LEASE_NOT_RETURNED))
        heap_clear(&engine->deadlines, &entry->deadline);
    else
        sender_make_waiting(engine, entry);
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
    if (head) sender_count_death(engine, head, "the link died each time it was sent");
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

/* ---- taken back ---- */

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
