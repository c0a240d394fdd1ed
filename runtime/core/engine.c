/* The step: take the events, do what is due, look at the queues that have something to do, and hand
 * out what has gathered.
 *
 * Group commit. Changes gather in the open batch while another batch is with the store. It is
 * handed out as soon as the store is free, with two exceptions: a step that started handlers holds
 * it for a moment, so that a message handled at once is put and settled in one commit; and changes
 * that nobody waits for stay up to LAZY_COMMIT_MS for company. */
#include "core/parts.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    COMMIT_HOLD_MS = 2,       /* how long started handlers may hold a batch */
    SPARE_ENTRIES_MAX = 4096, /* kept for the next messages */
    COMMIT_HOLD_OPS = 8192,   /* ... and how large it may grow meanwhile */
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
                          &engine->origins,   &engine->epochs};
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
    engine->open = batch_new();
    engine->batches = engine->open->number = 1;
    engine_seed(engine);
    return engine;
}

static void free_queues(struct engine *engine)
{
    while (engine->queues) {
        struct queue *queue = engine->queues;
        for (int state = 0; state < ENTRY_STATE_COUNT; state++)
            while (queue->lists[state].head) engine_drop(engine, queue->lists[state].head);
        seen_clear(queue);
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
    route_free(engine);
    session_free(engine);
    epoch_free(engine);
    free_settings(engine);
    map_deinit(&engine->mailboxes);
    map_deinit(&engine->outboxes);
    slots_deinit(&engine->entries);
    slots_deinit(&engine->leases);
    slots_deinit(&engine->lane_handles);
    heap_deinit(&engine->deadlines);
    buffer_deinit(&engine->scratch);
    batch_free(engine->open);
    batch_free(engine->spare);
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
    if (at_ms > entry->expires_ms) at_ms = entry->expires_ms;
    if (at_ms == INT64_MAX)
        heap_clear(&engine->deadlines, &entry->deadline);
    else
        heap_set(&engine->deadlines, &entry->deadline, at_ms);
}

/* ---- the open batch ---- */

void engine_changes(struct engine *engine, bool urgent)
{
    if (engine->open->op_count == 0 && engine->open->after_count == 0)
        engine->opened_ms = engine->now_ms;
    engine->urgent |= urgent;
}

static struct span scratch_taken(struct engine *engine)
{
    return buffer_span(&engine->scratch);
}

/* Once in a while: which numbers of the outbox may have been used. */
static void put_numbers(struct engine *engine, const struct entry *entry)
{
    char key[RECORD_KEY_MAX];
    struct queue *outbox = entry->queue;
    if (outbox->kind != QUEUE_OUTBOX || entry->number < outbox->ceiling) return;
    outbox->ceiling = entry->number + NUMBERS_AHEAD;
    engine->scratch.used = 0;
    record_outbox(outbox, &engine->scratch);
    batch_put(engine->open, record_outbox_key(key, outbox->name), scratch_taken(engine), NULL);
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
    queue_move(entry, ENTRY_DEAD);
    engine->counts.dead++;
    if (!entry->stored) return;
    if (entry->failures->older) engine_put_facts(engine, entry);
    engine_changes(engine, true);
    engine->scratch.used = 0;
    record_dead(entry, engine->wall_ms, &engine->scratch);
    batch_put(engine->open, record_key(key, RECORD_DEAD, entry->sequence), scratch_taken(engine),
              NULL);
}

/* Lanes that changed are written once a batch. */
static void write_lanes(struct engine *engine)
{
    char key[RECORD_KEY_MAX];
    for (size_t i = 0; i < engine->touched_count; i++) {
        engine->scratch.used = 0;
        record_lane(engine->touched[i], &engine->scratch);
        batch_put(engine->open, record_lane_key(key, engine->touched[i]), scratch_taken(engine),
                  NULL);
    }
    engine->touched_count = 0;
}

/* When the links' frames in this batch are dealt with, their senders get credit again. */
static void note_credits(struct engine *engine)
{
    for (struct link *link = engine->links; link; link = link->next) {
        if (link->open_puts == 0) continue;
        struct after *after = batch_after(engine->open, AFTER_CREDIT);
        after->connection = link->connection;
        after->handle = link->session;
        after->count = link->open_puts;
        link->open_puts = 0;
    }
}

static bool batch_is_empty(const struct engine *engine)
{
    return engine->open->op_count == 0 && engine->open->after_count == 0;
}

static int64_t commit_due_ms(const struct engine *engine)
{
    if (engine->committing || batch_is_empty(engine)) return INT64_MAX;
    return engine->urgent ? engine->opened_ms : engine->opened_ms + LAZY_COMMIT_MS;
}

static bool commit_is_held(const struct engine *engine)
{
    return engine->ran && engine->now_ms - engine->opened_ms < COMMIT_HOLD_MS &&
           engine->open->op_count < COMMIT_HOLD_OPS;
}

static void flush_batch(struct engine *engine)
{
    if (commit_due_ms(engine) > engine->now_ms || commit_is_held(engine)) return;
    write_lanes(engine);
    note_credits(engine);
    backlog_sealed(engine);
    effects_add(engine->effects, EFFECT_COMMIT)->batch = engine->open;
    engine->committing = true;
    engine->urgent = false;
    engine->open = engine->spare ? engine->spare : batch_new();
    engine->spare = NULL;
    engine->open->number = ++engine->batches;
}

bool engine_settled(const struct engine *engine)
{
    return !engine->committing && batch_is_empty(engine);
}

static void take_committed(struct engine *engine, struct batch *batch)
{
    ensure(engine->committing && batch->number + 1 == engine->batches);
    engine->committing = false;
    answer_committed(engine, batch);
    batch_reset(batch);
    if (engine->spare)
        batch_free(batch);
    else
        engine->spare = batch;
}

/* ---- facts, texts ---- */

bool engine_wants_fact(const struct engine *engine, enum fact_kind kind)
{
    return (engine->facts >> kind) & 1;
}

struct fact *engine_fact_of(struct engine *engine, enum fact_kind kind, struct span subject)
{
    if (!engine_wants_fact(engine, kind)) return NULL;
    struct fact *fact = &effects_add(engine->effects, EFFECT_FACT)->fact;
    fact->kind = kind;
    fact->subject = arena_copy(&engine->effects->arena, subject);
    fact->delay_ms = -1;
    return fact;
}

struct fact *engine_fact(struct engine *engine, enum fact_kind kind, const struct entry *entry)
{
    if (!engine_wants_fact(engine, kind)) return NULL;
    struct fact *fact = engine_fact_of(engine, kind, message_id(entry->block));
    fact->block = block_retain(entry->block);
    fact->attempt = entry->attempt;
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
    if (waiter) waiter_free(engine, waiter);
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
    switch (event->kind) {
    case EVENT_START: session_start(engine); return;
    case EVENT_ACCEPTED: session_accepted(engine, event->connection); return;
    case EVENT_CONNECTED: session_connected(engine, event->dial, event->connection); return;
    case EVENT_DIAL_FAILED: session_dial_failed(engine, event->dial, event->reason); return;
    case EVENT_BYTES: session_bytes(engine, event->connection, event->bytes); return;
    case EVENT_WRITTEN: credit_written(engine, event->connection, event->size); return;
    case EVENT_CLOSED: session_closed(engine, event->connection, event->reason); return;
    case EVENT_COMMITTED:
        engine->store_full = event->store_full;
        take_committed(engine, event->batch);
        return;
    case EVENT_LOADED: backlog_loaded(engine, event->load); return;
    case EVENT_AGENT_UP: owner_agent_up(engine, event->agent); return;
    case EVENT_AGENT_DOWN: owner_agent_down(engine, event->agent->address); return;
    case EVENT_SUBMIT: sender_submit(engine, event->submit); return;
    case EVENT_OUTCOME: owner_outcome(engine, event->outcome); return;
    case EVENT_WAIT: take_wait(engine, event); return;
    case EVENT_FORGET: take_forget(engine, event->waiter); return;
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
            owner_deadline(engine, entry);
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
    }
}

static void take_deadlines(struct engine *engine)
{
    struct deadline *first;
    while ((first = heap_first(&engine->deadlines)) && first->at_ms <= engine->now_ms) {
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
            owner_pump(engine, queue);
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
    take_deadlines(engine);
    pump(engine);
    flush_batch(engine);
    session_flush(engine);
    engine->effects = NULL;
}

int64_t engine_deadline_ms(const struct engine *engine)
{
    const struct deadline *first = heap_first(&engine->deadlines);
    int64_t commit_ms = commit_due_ms(engine);
    return first && first->at_ms < commit_ms ? first->at_ms : commit_ms;
}

/* ---- looking in ---- */

static size_t pending_in(const struct queue *queue, enum entry_state state,
                         void (*each)(void *, const struct pending *), void *user)
{
    size_t elsewhere = state == ENTRY_WAITING ? queue->tail.count + queue->loading : 0;
    if (!each) return queue->lists[state].count + elsewhere;
    for (const struct entry *entry = queue->lists[state].head; entry; entry = entry->next) {
        struct pending pending = {
            .address = queue->name,
            .id = message_id(entry->block),
            .state = entry_state_name(state),
            .due_ms = entry->deadline.position ? entry->deadline.at_ms : INT64_MAX,
        };
        each(user, &pending);
    }
    return queue->lists[state].count + elsewhere;
}

size_t engine_pending(const struct engine *engine, void (*each)(void *, const struct pending *),
                      void *user)
{
    size_t count = 0;
    for (const struct queue *queue = engine->queues; queue; queue = queue->next)
        for (int state = 0; state < ENTRY_DEAD; state++)
            count += pending_in(queue, (enum entry_state)state, each, user);
    return count;
}

/* The letter's notes, oldest first. The newest note tells why it died and is not an attempt. */
static void dead_letter(const struct entry *entry, void (*each)(void *, const struct dead_letter *),
                        void *user)
{
    struct dead_failure failures[FAILURES_KEPT];
    size_t first = FAILURES_KEPT;
    const struct failure_note *why = entry->failures;
    for (const struct failure_note *note = why->older; note && first > 0; note = note->older)
        failures[--first] = (struct dead_failure){note->attempt, note->at_ms,  note->code,
                                                  note->word,    note->reason, note->traceback};
    struct dead_letter letter = {
        .block = entry->block,
        .code = why->code,
        .word = why->word,
        .reason = why->reason,
        .attempts = entry->queue->kind == QUEUE_MAILBOX ? entry->attempt : entry->spent,
        .first_ms = entry->first_ms,
        .last_ms = why->at_ms,
        .failures = failures + first,
        .failure_count = FAILURES_KEPT - first,
    };
    each(user, &letter);
}

void engine_dead(const struct engine *engine, struct span address,
                 void (*each)(void *, const struct dead_letter *), void *user)
{
    const struct map *maps[] = {&engine->mailboxes, &engine->outboxes};
    for (int i = 0; i < 2; i++) {
        const struct queue *queue = map_find(maps[i], address);
        if (!queue) continue;
        for (const struct entry *entry = queue->lists[ENTRY_DEAD].head; entry; entry = entry->next)
            dead_letter(entry, each, user);
    }
}

void engine_count(const struct engine *engine, struct engine_counts *counts)
{
    *counts = engine->counts;
    for (const struct queue *queue = engine->queues; queue; queue = queue->next) {
        counts->waiting += queue->lists[ENTRY_WAITING].count + queue->tail.count + queue->loading;
        counts->leased += queue->lists[ENTRY_LEASED].count;
        counts->deferred += queue->lists[ENTRY_DEFERRED].count;
        counts->awaiting += queue->lists[ENTRY_AWAITING].count;
        counts->dead_now += queue->lists[ENTRY_DEAD].count;
    }
    counts->lanes = engine->lanes.count;
    for (const struct link *link = engine->links; link; link = link->next)
        counts->links_up += link->state == LINK_UP;
}
