/* Looking in: what is where, for specs, worlds and `$node`. Nothing here changes anything. */
#include "core/parts.h"

/* ---- what is not finished ---- */

/* What stands in the way of the messages of an outbox. */
static struct span hindrance(const struct queue *queue, const struct entry *entry)
{
    bool told = queue->kind == QUEUE_OUTBOX && entry->last_code == CODE_NO_ROUTE && queue->told;
    return told ? block_span(queue->told) : span_of(NULL, 0);
}

static size_t pending_in(const struct queue *queue, enum entry_state state,
                         void (*each)(void *, const struct pending *), void *user)
{
    size_t elsewhere =
        state == ENTRY_WAITING ? queue->tail.count + queue->loading + queue->away : 0;
    if (!each) return queue->lists[state].count + elsewhere;
    for (const struct entry *entry = queue->lists[state].head; entry; entry = entry->next) {
        struct pending pending = {
            .address = queue->name,
            .id = message_id(entry->block),
            .state = entry_state_name(state),
            .due_ms = entry->deadline.position ? entry->deadline.at_ms : INT64_MAX,
            .why = hindrance(queue, entry),
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

/* ---- dead letters ---- */

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
        .handle = entry->handle,
        .sequence = entry->sequence,
        .outbox = entry->queue->kind == QUEUE_OUTBOX,
        .block = entry->block,
        .code = why->code,
        .word = why->word,
        .reason = why->reason,
        .attempts = entry->queue->kind == QUEUE_MAILBOX ? entry->attempt : entry->spent,
        .first_ms = entry->first_ms,
        .last_ms = why->at_ms,
        .expires_ms = entry->expires_ms,
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

/* One queue's place in a walk over all dead letters by age. */
struct cursor {
    struct deadline deadline; /* first; its moment is the sequence of `at` */
    const struct entry *at;
};

static void cursor_move(struct heap *heap, struct cursor *cursor, const struct entry *at)
{
    cursor->at = at;
    if (at)
        heap_set(heap, &cursor->deadline, (int64_t)at->sequence);
    else
        heap_clear(heap, &cursor->deadline);
}

static bool has_part(struct span text, struct span part)
{
    return part.size == 0 ||
           (text.size >= part.size && memmem(text.bytes, text.size, part.bytes, part.size));
}

static bool is_code(const struct failure_note *why, struct span word)
{
    struct span own = why->word.size > 0 ? why->word : span_text(code_name((enum code)why->code));
    return word.size == 0 || span_equal(own, word);
}

/* It died of it, or its attempts are over and the last one failed with it. */
static bool died_of(const struct failure_note *why, struct span word)
{
    return is_code(why, word) ||
           (why->code == CODE_DEAD && why->older && is_code(why->older, word));
}

static bool is_wanted(const struct entry *entry, const struct dead_query *query)
{
    const struct failure_note *why = entry->failures;
    if (query->since_ms && why->at_ms < query->since_ms) return false;
    if (query->until_ms && why->at_ms > query->until_ms) return false;
    if (!died_of(why, query->code) || !has_part(why->reason, query->reason)) return false;
    return query->id.size == 0 || span_equal(message_id(entry->block), query->id);
}

static const struct entry *first_behind(const struct queue *queue, uint64_t sequence)
{
    const struct entry *entry = queue->lists[ENTRY_DEAD].head;
    while (entry && entry->sequence <= sequence) entry = entry->next;
    return entry;
}

/* One cursor for each queue that has something; the caller frees them. */
static struct cursor *cursors_begin(const struct engine *engine, const struct dead_query *query,
                                    struct heap *heap)
{
    size_t count = engine->mailboxes.count + engine->outboxes.count;
    struct cursor *cursors = calloc(count + 1, sizeof *cursors), *next = cursors;
    ensure(cursors != NULL);
    for (const struct queue *queue = engine->queues; queue; queue = queue->next) {
        if (query->address.size > 0 && !span_equal(queue->name, query->address)) continue;
        if (queue->lists[ENTRY_DEAD].head)
            cursor_move(heap, next++, first_behind(queue, query->after));
    }
    return cursors;
}

uint64_t engine_letters(const struct engine *engine, const struct dead_query *query,
                        void (*each)(void *, const struct dead_letter *), void *user)
{
    struct heap heap = {0};
    struct cursor *cursors = cursors_begin(engine, query, &heap), *cursor;
    uint64_t last = query->after;
    size_t left = query->limit;
    while ((cursor = (struct cursor *)heap_first(&heap))) {
        const struct entry *entry = cursor->at;
        bool wanted = is_wanted(entry, query);
        if (wanted && left == 0) break;
        if (wanted) {
            last = entry->sequence;
            left--;
            dead_letter(entry, each, user);
        }
        cursor_move(&heap, cursor, entry->next);
    }
    bool more = heap_first(&heap) != NULL;
    heap_deinit(&heap);
    free(cursors);
    return more ? last : 0;
}

/* ---- queues ---- */

static size_t waiting_in(const struct queue *queue)
{
    return queue->lists[ENTRY_COMMITTING].count + queue->lists[ENTRY_WAITING].count +
           queue->lists[ENTRY_BLOCKED].count + queue->lists[ENTRY_PARKED].count +
           queue->tail.count + queue->loading + queue->away;
}

static struct queue_view view_of(const struct queue *queue)
{
    const struct entry *oldest = queue->lists[ENTRY_WAITING].head;
    return (struct queue_view){
        .address = queue->name,
        .outbox = queue->kind == QUEUE_OUTBOX,
        .served = queue->agent.agent != 0,
        .hold = queue->hold,
        .held_ms = queue->held_ms,
        .oldest_ms = oldest ? oldest->first_ms : INT64_MAX,
        .waiting = waiting_in(queue),
        .leased = queue->lists[ENTRY_LEASED].count,
        .deferred = queue->lists[ENTRY_DEFERRED].count,
        .awaiting = queue->lists[ENTRY_AWAITING].count,
        .dead = queue->lists[ENTRY_DEAD].count,
        .bytes = queue->own.bytes,
        .agent = queue->agent,
    };
}

void engine_queues(const struct engine *engine, void (*each)(void *, const struct queue_view *),
                   void *user)
{
    for (const struct queue *queue = engine->queues; queue; queue = queue->next) {
        struct queue_view view = view_of(queue);
        each(user, &view);
    }
}

/* ---- links ---- */

static const char *state_of(const struct link *link)
{
    switch ((enum link_state)link->state) {
    case LINK_DOWN: return "down";
    case LINK_DIALING: return "dialing";
    case LINK_GREETING: return "greeting";
    case LINK_UP: return "up";
    case LINK_CLOSING:
    case LINK_CLOSED: return "closing";
    case LINK_FAILED: return "failed";
    }
    return "unknown";
}

void engine_links(const struct engine *engine, void (*each)(void *, const struct link_view *),
                  void *user)
{
    for (const struct link *link = engine->links; link; link = link->next) {
        bool waits = link->state == LINK_DOWN && link->deadline.position != 0;
        struct link_view view = {
            .name = link->name,
            .address = link->settings ? link->settings->address : span_of(NULL, 0),
            .state = state_of(link),
            .role = link->role,
            .why = link->why,
            .up_ms = link->state == LINK_UP ? link->up_ms : 0,
            .down_ms = link->down_ms,
            .next_ms = waits ? link->deadline.at_ms : INT64_MAX,
            .dials = link->dials,
            .unwritten = link->unwritten,
        };
        each(user, &view);
    }
}

size_t engine_attached(const struct engine *engine, size_t limit,
                       void (*each)(void *, struct span address, struct span link), void *user)
{
    for (const struct attachment *at = engine->attached; at && limit > 0; at = at->next, limit--)
        each(user, at->address, at->link->name);
    return engine->attachments.count;
}

/* ---- counts ---- */

void engine_count(const struct engine *engine, struct engine_counts *counts)
{
    *counts = engine->counts;
    for (const struct queue *queue = engine->queues; queue; queue = queue->next) {
        counts->waiting +=
            queue->lists[ENTRY_WAITING].count + queue->tail.count + queue->loading + queue->away;
        counts->leased += queue->lists[ENTRY_LEASED].count;
        counts->deferred += queue->lists[ENTRY_DEFERRED].count;
        counts->awaiting += queue->lists[ENTRY_AWAITING].count;
        counts->dead_now += queue->lists[ENTRY_DEAD].count;
    }
    counts->store_full = engine->store_full;
    counts->lanes = engine->lanes.count;
    for (const struct link *link = engine->links; link; link = link->next)
        counts->links_up += link->state == LINK_UP;
}
