/* The step: take the events, do what is due, look at the queues that have something to do, and hand
 * out what has gathered.
 */
#include "core/parts.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    SPARE_ENTRIES_MAX = 4096, /* kept for the next messages */
    FORMAT_MAX = 1024,
};

/* ---- memory of entries ---- */

/* Zeroed memory for one, mostly of one that is gone. */
static struct entry *spare_entry(struct engine *engine)
{
    struct entry *entry = engine->spare_entries;
    if (!entry) {
        entry = calloc(1, sizeof *entry);
        ensure(entry != NULL);
        return entry;
    }
    engine->spare_entries = entry->next;
    engine->spare_entry_count--;
    memset(entry, 0, sizeof *entry);
    return entry;
}

static void keep_spare(struct engine *engine, struct entry *entry)
{
    if (engine->spare_entry_count >= SPARE_ENTRIES_MAX) {
        free(entry);
        return;
    }
    entry->next = engine->spare_entries;
    engine->spare_entries = entry;
    engine->spare_entry_count++;
}

static void free_spares(struct engine *engine)
{
    while (engine->spare_entries) free(spare_entry(engine));
}

/* ---- life ---- */

static struct span copy_text(struct span text)
{
    char *copy = malloc(text.size + 1);
    ensure(copy != NULL);
    if (text.size > 0) memcpy(copy, text.bytes, text.size);
    return span_of(copy, text.size);
}

static void copy_links(struct engine_settings *settings)
{
    struct link_settings *links = calloc(settings->link_count + 1, sizeof *links);
    ensure(links != NULL);
    for (size_t i = 0; i < settings->link_count; i++) {
        links[i] = settings->links[i];
        links[i].address = copy_text(settings->links[i].address);
    }
    settings->links = links;
}

static void engine_seed(struct engine *engine)
{
    engine->random = engine->settings.seed;
    struct map *maps[] = {&engine->mailboxes, &engine->outboxes, &engine->lanes,
                          &engine->waiters,   &engine->absent,   &engine->attachments,
                          &engine->origins,   &engine->epochs,   &engine->states.records};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        maps[i]->seed = random_next(&engine->random);
}

struct engine *engine_new(const struct engine_settings *settings, const struct policies *policies)
{
    struct engine *engine = calloc(1, sizeof *engine);
    ensure(engine != NULL);
    engine->settings = *settings;
    engine->settings.name = copy_text(settings->name);
    copy_links(&engine->settings);
    engine->policies = *policies;
    memcpy(engine->origin_bytes, settings->store_id, STORE_ID_BYTES);
    put_u16(engine->origin_bytes + STORE_ID_BYTES, settings->engine_index);
    engine->origin = span_of(engine->origin_bytes, sizeof engine->origin_bytes);
    engine->queues_tail = &engine->queues;
    engine->links_tail = &engine->links;
    engine->ready_tail = &engine->ready;
    commit_init(engine);
    engine->requests_tail = &engine->requests;
    engine_seed(engine);
    return engine;
}

/* The last lists first: what is dropped may let one of a later list go to an earlier one. */
static void free_queues(struct engine *engine)
{
    while (engine->queues) {
        struct queue *queue = engine->queues;
        away_free(queue);
        for (int state = ENTRY_STATE_COUNT - 1; state >= 0; state--)
            while (queue->lists[state].head) engine_drop(engine, queue->lists[state].head);
        seen_clear(queue);
        heap_clear(&engine->deadlines, &queue->gathered); /* links are still to leave the heap */
        engine->queues = queue->next;
        queue_free(queue);
    }
}

static void free_waiters(struct engine *engine)
{
    for (size_t i = 0; i < engine->waiters.capacity; i++) {
        struct waiter *waiter = engine->waiters.slots[i].value;
        if (!waiter) continue;
        heap_clear(&engine->deadlines, &waiter->deadline); /* links are still to leave the heap */
        policy_release(engine, waiter->policy);
        block_release(waiter->block);
        free(waiter);
    }
    map_deinit(&engine->absent);
    map_deinit(&engine->waiters);
}

static void free_lanes(struct engine *engine)
{
    while (engine->lane_oldest) {
        struct lane *lane = engine->lane_oldest;
        engine->lane_oldest = lane->next;
        lane_free(lane);
    }
    map_deinit(&engine->lanes);
}

static void free_settings(struct engine *engine)
{
    for (size_t i = 0; i < engine->settings.link_count; i++)
        free((char *)engine->settings.links[i].address.bytes);
    free((struct link_settings *)engine->settings.links);
    free((char *)engine->settings.name.bytes);
}

void engine_free(struct engine *engine)
{
    if (!engine) return;
    engine_recovered(engine);
    free_queues(engine);
    free_spares(engine);
    free_waiters(engine);
    free_lanes(engine);
    heap_clear(&engine->deadlines, &engine->states.sweep);
    states_deinit(&engine->states);
    route_free(engine);
    session_free(engine);
    epoch_free(engine);
    admin_free(engine);
    recent_free(engine);
    free_settings(engine);
    map_deinit(&engine->mailboxes);
    map_deinit(&engine->outboxes);
    slots_deinit(&engine->entries);
    slots_deinit(&engine->leases);
    slots_deinit(&engine->lane_handles);
    heap_deinit(&engine->deadlines);
    buffer_deinit(&engine->scratch);
    commit_free(engine);
    suspects_deinit(&engine->suspects);
    free(engine->touched);
    free(engine);
}

void engine_set_clock(struct engine *engine, int64_t now_ms, int64_t wall_ms)
{
    if (engine->now_ms == 0) engine->now_ms = now_ms;
    engine->wall_ms = wall_ms - now_ms;
}

void engine_watch(struct engine *engine, uint32_t facts, uint32_t hook_steps)
{
    engine->facts = facts;
    engine->hook_steps = hook_steps;
}

/* ---- queues and entries ---- */

struct queue *engine_queue(struct engine *engine, enum queue_kind kind, struct span name)
{
    struct map *map = kind == QUEUE_MAILBOX ? &engine->mailboxes : &engine->outboxes;
    struct queue *queue = map_find_again(map, name);
    if (queue) return queue;
    queue = queue_new(kind, name, random_next(&engine->random));
    queue->lane_epoch = random_next(&engine->random);
    queue->shared = kind == QUEUE_OUTBOX ? &engine->outbox : &engine->inbox;
    map_add(map, queue->name, queue);
    engine_push_queue(engine, queue);
    return queue;
}

void engine_push_queue(struct engine *engine, struct queue *queue)
{
    queue->next = NULL;
    *engine->queues_tail = queue;
    engine->queues_tail = &queue->next;
}

struct queue *engine_pop_queue(struct engine *engine)
{
    struct queue *queue = engine->queues;
    if (!queue) return NULL;
    engine->queues = queue->next;
    if (!engine->queues) engine->queues_tail = &engine->queues;
    return queue;
}

void engine_ready(struct engine *engine, struct queue *queue)
{
    if (queue->ready) return;
    queue->ready = true;
    queue->ready_next = NULL;
    *engine->ready_tail = queue;
    engine->ready_tail = &queue->ready_next;
}

struct entry *engine_entry(struct engine *engine, struct block *block)
{
    struct entry *entry = spare_entry(engine);
    entry->deadline.kind = DEADLINE_ENTRY;
    entry->block = block;
    entry->handle = slots_add(&engine->entries, entry);
    entry->sequence = ++engine->sequence;
    entry->first_ms = engine->now_ms;
    entry->expires_ms = INT64_MAX;
    return entry;
}

void engine_drop(struct engine *engine, struct entry *entry)
{
    failure_clear(entry);
    order_leave(engine, entry);
    sender_doubt(entry, false);
    suspect_cleared(engine, entry);
    queue_take(entry);
    heap_clear(&engine->deadlines, &entry->deadline);
    slots_remove(&engine->entries, entry->handle);
    slots_remove(&engine->leases, entry->delivery);
    if (entry->waiter) entry->waiter->entry = NULL;
    reservations_release(entry);
    policy_release(engine, entry->policy);
    block_release(entry->block);
    keep_spare(engine, entry);
}

void engine_entry_deadline(struct engine *engine, struct entry *entry, int64_t at_ms)
{
    if (at_ms > entry->expires_ms && !planted(PLANT_EXPIRED_DELIVERED)) at_ms = entry->expires_ms;
    if (at_ms == INT64_MAX)
        heap_clear(&engine->deadlines, &entry->deadline);
    else
        heap_set(&engine->deadlines, &entry->deadline, at_ms);
}

/* ---- the open batch ---- */

static struct span scratch_taken(struct engine *engine)
{
    return buffer_span(&engine->scratch);
}

void engine_put_outbox(struct engine *engine, const struct queue *outbox)
{
    char key[RECORD_KEY_MAX];
    engine_changes(engine, true);
    engine->scratch.used = 0;
    record_outbox(outbox, &engine->scratch);
    batch_put(engine->open, record_outbox_key(key, outbox->name), scratch_taken(engine), NULL);
}

/* Once in a while: which numbers of the outbox may have been used. */
static void put_numbers(struct engine *engine, const struct entry *entry)
{
    struct queue *outbox = entry->queue;
    if (outbox->kind != QUEUE_OUTBOX || entry->number < outbox->ceiling) return;
    outbox->ceiling = entry->number + NUMBERS_AHEAD;
    engine_put_outbox(engine, outbox);
}

void engine_put(struct engine *engine, struct entry *entry)
{
    char key[RECORD_KEY_MAX];
    bool own_policy = entry->policy && entry->policy != &engine->settings.send;
    engine_changes(engine, true);
    put_numbers(engine, entry);
    engine->scratch.used = 0;
    record_message_head(entry, own_policy ? entry->policy : NULL, engine->wall_ms,
                        &engine->scratch);
    entry->put_op = batch_put(engine->open, record_key(key, RECORD_MESSAGE, entry->sequence),
                              scratch_taken(engine), entry->block);
    entry->put_batch = engine->open->number;
    entry->stored = true;
}

void engine_delete(struct engine *engine, struct entry *entry)
{
    char key[RECORD_KEY_MAX];
    if (!entry->stored) return;
    engine_changes(engine, false);
    entry->stored = false;
    if (planted(PLANT_SETTLED_NOT_DELETED) && entry->queue->kind == QUEUE_MAILBOX) return;
    if (entry->put_batch == engine->open->number)
        batch_annul(engine->open, entry->put_op);
    else
        batch_delete(engine->open, record_key(key, RECORD_MESSAGE, entry->sequence));
    if (entry->facts_stored)
        batch_delete(engine->open, record_key(key, RECORD_FACTS, entry->sequence));
}

void engine_put_facts(struct engine *engine, struct entry *entry)
{
    char key[RECORD_KEY_MAX];
    if (!entry->stored) return;
    engine_changes(engine, false);
    entry->facts_stored = true;
    engine->scratch.used = 0;
    record_facts(entry, engine->now_ms, engine->wall_ms, &engine->scratch);
    batch_put(engine->open, record_key(key, RECORD_FACTS, entry->sequence), scratch_taken(engine),
              NULL);
}

void engine_bury(struct engine *engine, struct entry *entry, uint8_t code, struct span word,
                 struct span reason)
{
    char key[RECORD_KEY_MAX];
    entry->last_code = code;
    heap_clear(&engine->deadlines, &entry->deadline);
    slots_remove(&engine->leases, entry->delivery);
    failure_add(entry, 0, engine->now_ms, code, word, reason, span_of(NULL, 0));
    order_leave(engine, entry);
    sender_doubt(entry, false);
    queue_move(entry, ENTRY_DEAD);
    engine->counts.dead++;
    if (!entry->stored) return;
    if (entry->failures->older || entry->spent > 0) engine_put_facts(engine, entry);
    engine_changes(engine, true);
    engine->scratch.used = 0;
    record_dead(entry, engine->wall_ms, &engine->scratch);
    batch_put(engine->open, record_key(key, RECORD_DEAD, entry->sequence), scratch_taken(engine),
              NULL);
}

/* ---- facts, texts ---- */

bool engine_wants_fact(const struct engine *engine, enum fact_kind kind)
{
    return (engine->facts >> kind) & 1;
}

/* What a transmission, its silence or the begin of a delivery changes in the store is said by other
 * facts. */
static bool is_of_commit(enum fact_kind kind)
{
    return kind != FACT_SENT && kind != FACT_TIMED_OUT && kind != FACT_DELIVERED;
}

/* The note that was made of the fact last is completed by it. */
static struct fact *add_fact(struct engine *engine, enum fact_kind kind, struct span subject,
                             bool noted)
{
    struct fact *fact = &effects_add(engine->effects, EFFECT_FACT)->fact;
    fact->kind = kind;
    fact->subject = arena_copy(&engine->effects->arena, subject);
    fact->delay_ms = -1;
    if (noted) fact->note = engine->recent_count;
    engine->recent_open += noted;
    return fact;
}

struct fact *engine_fact_of(struct engine *engine, enum fact_kind kind, struct span subject)
{
    uint64_t before = engine->recent_count;
    recent_note_of(engine, kind, subject);
    if (!engine_wants_fact(engine, kind)) return NULL;
    return add_fact(engine, kind, subject, engine->recent_count > before);
}

struct fact *engine_fact(struct engine *engine, enum fact_kind kind, const struct entry *entry)
{
    uint64_t before = engine->recent_count;
    recent_note(engine, kind, entry);
    if (!engine_wants_fact(engine, kind)) return NULL;
    struct fact *fact =
        add_fact(engine, kind, message_id(entry->block), engine->recent_count > before);
    fact->block = block_retain(entry->block);
    if (is_of_commit(kind)) fact->batch = engine->open->number;
    fact->attempt = entry->attempt;
    fact->notice = entry->notice;
    fact->transmission =
        entry->queue->kind == QUEUE_OUTBOX ? entry->transmissions : entry->transmission;
    return fact;
}

struct span engine_format(struct engine *engine, const char *format, ...)
{
    char text[FORMAT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t used = size < 0 ? 0 : (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    return arena_copy(&engine->effects->arena, span_of(text, used));
}

/* ---- the step ---- */

static void take_wait(struct engine *engine, const struct event *event)
{
    waiter_new(engine, event->waiter, NULL, event->delay_ms > 0 ? event->delay_ms : 0);
}

static void take_forget(struct engine *engine, uint64_t token)
{
    struct waiter *waiter = waiter_find(engine, token);
    if (waiter)
        waiter_free(engine, waiter);
    else
        admin_waiter_gone(engine, token);
}

static void take_stop(struct engine *engine)
{
    engine->stopping = true;
    owner_stop(engine);
    sender_stop(engine);
    session_stop(engine);
    engine_fact_of(engine, FACT_STOP, engine->settings.name);
}

static void take_event(struct engine *engine, const struct event *event)
{
    commit_bound(engine);
    switch (event->kind) {
    case EVENT_START: session_start(engine); return;
    case EVENT_ACCEPTED: session_accepted(engine, event->connection, event->own); return;
    case EVENT_CONNECTED: session_connected(engine, event->dial, event->connection); return;
    case EVENT_DIAL_FAILED: session_dial_failed(engine, event->dial, event->reason); return;
    case EVENT_BYTES: session_bytes(engine, event->connection, event->bytes); return;
    case EVENT_WRITTEN: credit_written(engine, event->connection, event->size); return;
    case EVENT_CLOSED: session_closed(engine, event->connection, event->reason); return;
    case EVENT_COMMITTED:
        engine->store_full = event->store_full;
        commit_done(engine, event->batch);
        return;
    case EVENT_LOADED: backlog_loaded(engine, event->load); return;
    case EVENT_AGENT_UP: owner_agent_up(engine, event->agent); return;
    case EVENT_SUBMIT: sender_submit(engine, event->submit); return;
    case EVENT_TRANSACT: sender_transact(engine, event->transaction); return;
    case EVENT_OUTCOME: settle_outcome(engine, event->outcome); return;
    case EVENT_EXTEND: settle_extend(engine, event->delivery, event->delay_ms); return;
    case EVENT_STATE: state_apply(engine, event->address, event->outcome); return;
    case EVENT_WAIT: take_wait(engine, event); return;
    case EVENT_FORGET: take_forget(engine, event->waiter); return;
    case EVENT_REQUEUE: admin_requeue(engine, event->waiter, event->requeue); return;
    case EVENT_REMOVE: admin_remove(engine, event->waiter, event->letter); return;
    case EVENT_HOLD: admin_hold(engine, event->waiter, event->address, event->hold); return;
    case EVENT_PEEK: admin_peek(engine, event->waiter, event->peek); return;
    case EVENT_PURGE: admin_purge(engine, event->waiter, event->purge); return;
    case EVENT_ADMINISTERED: admin_answer(engine, event->waiter, event->administered); return;
    case EVENT_STREAM: stream_open(engine, event->waiter); return;
    case EVENT_PART: stream_part(engine, event->waiter, event->part); return;
    case EVENT_CANCEL: stream_cancel(engine, event->waiter); return;
    case EVENT_CANCEL_MESSAGE: cancel_asked(engine, event); return;
    case EVENT_DRAIN: drain_begin(engine); return;
    case EVENT_STOP: take_stop(engine); return;
    }
}

static void take_deadline(struct engine *engine, struct deadline *deadline)
{
    switch ((enum deadline_kind)deadline->kind) {
    case DEADLINE_ENTRY: {
        struct entry *entry = (struct entry *)((char *)deadline - offsetof(struct entry, deadline));
        if (entry->queue->kind == QUEUE_OUTBOX)
            sender_deadline(engine, entry);
        else
            settle_deadline(engine, entry);
        return;
    }
    case DEADLINE_WAITER:
        waiter_deadline(engine,
                        (struct waiter *)((char *)deadline - offsetof(struct waiter, deadline)));
        return;
    case DEADLINE_LINK:
        session_deadline(engine,
                         (struct link *)((char *)deadline - offsetof(struct link, deadline)));
        return;
    case DEADLINE_SWEEP: sweep_deadline(engine); return;
    case DEADLINE_BUNDLE:
        engine_ready(engine, (struct queue *)((char *)deadline - offsetof(struct queue, gathered)));
        return;
    case DEADLINE_LATE: late_deadline(engine, deadline); return;
    }
}

/* How long this may still wait, because the engine stood still: what peers said meanwhile is to be
 * read first, then handlers go on, and then their time is looked at. Once, or an engine that is
 * always late would never. 0: not at all. */
static int64_t catch_up_ms(const struct engine *engine, const struct deadline *deadline)
{
    if (deadline->postponed || engine->now_ms - deadline->at_ms <= STOOD_STILL_MS) return 0;
    if (deadline->kind != DEADLINE_ENTRY)
        return deadline->kind == DEADLINE_LINK || deadline->kind == DEADLINE_WAITER ? CATCH_UP_MS
                                                                                    : 0;
    const struct entry *entry =
        (const struct entry *)((const char *)deadline - offsetof(struct entry, deadline));
    if (entry->queue->kind == QUEUE_OUTBOX) return CATCH_UP_MS;
    return entry->state == ENTRY_LEASED ? 2 * CATCH_UP_MS : 0;
}

static void take_deadlines(struct engine *engine)
{
    struct deadline *first;
    while ((first = heap_first(&engine->deadlines)) && first->at_ms <= engine->now_ms) {
        int64_t wait_ms = catch_up_ms(engine, first);
        if (wait_ms > 0) {
            heap_set(&engine->deadlines, first, engine->now_ms + wait_ms);
            first->postponed = true;
            continue;
        }
        heap_clear(&engine->deadlines, first);
        take_deadline(engine, first);
    }
}

static void pump(struct engine *engine)
{
    suspect_pump(engine);
    while (engine->ready) {
        struct queue *queue = engine->ready;
        engine->ready = queue->ready_next;
        if (!engine->ready) engine->ready_tail = &engine->ready;
        queue->ready = false;
        if (queue->kind == QUEUE_OUTBOX)
            sender_pump(engine, queue);
        else
            deliver_pump(engine, queue);
    }
}

void engine_step(struct engine *engine, const struct event *events, size_t count, int64_t now_ms,
                 struct effects *effects)
{
    ensure(now_ms >= engine->now_ms);
    engine->now_ms = now_ms;
    engine->effects = effects;
    engine->ran = false;
    for (size_t i = 0; i < count; i++) take_event(engine, &events[i]);
    state_arrived(engine);
    take_deadlines(engine);
    pump(engine);
    commit_flush(engine);
    recent_complete(engine);
    stream_flush(engine);
    session_flush(engine);
    engine->effects = NULL;
}

int64_t engine_deadline_ms(const struct engine *engine)
{
    const struct deadline *first = heap_first(&engine->deadlines);
    int64_t commit_ms = commit_due_ms(engine);
    return first && first->at_ms < commit_ms ? first->at_ms : commit_ms;
}
