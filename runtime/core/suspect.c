/* Suspects: see suspect.h for their way. */
#include "core/suspect.h"

#include "core/parts.h"

enum {
    SUSPECT_QUIET_MS = 1000, /* how long what is in hand may take to end */
    SUSPECT_STILL_MS = 20,   /* when all is quiet: for commits and words on their way out */
    SUSPECT_WARY_MS = 60000, /* by then a sender has sent again what was lost with the process */
};

#define DIED_TEXT "the process died while this was in hand"

/* ---- at start ---- */

void engine_suspect(struct engine *engine, uint64_t sequence)
{
    struct suspects *suspects = &engine->suspects;
    if (sequence == 0 || suspects->named_count == SUSPECTS_NAMED_MAX) return;
    suspects->named[suspects->named_count++] = sequence;
}

void engine_suspect_one_of(struct engine *engine, uint64_t sequence)
{
    struct suspects *suspects = &engine->suspects;
    if (sequence == 0) return;
    array_reserve(suspects->bundled, suspects->bundled_count, suspects->bundled_capacity);
    size_t at = suspects->bundled_count++;
    for (; at > 0 && suspects->bundled[at - 1] > sequence; at--)
        suspects->bundled[at] = suspects->bundled[at - 1];
    suspects->bundled[at] = sequence;
}

void engine_blame(struct engine *engine, const struct inhand *found)
{
    if (found->other_count == 0) engine_suspect(engine, found->running);
    if (found->running == 0 || found->other_count == 0) return;
    engine_suspect_one_of(engine, found->running);
    for (size_t i = 0; i < found->other_count && i < BUNDLE_MAX - 1; i++)
        engine_suspect_one_of(engine, found->others[i]);
}

uint64_t engine_charged(const struct engine *engine)
{
    return engine->suspects.charged;
}

bool suspect_take(struct engine *engine, uint64_t sequence)
{
    struct suspects *suspects = &engine->suspects;
    for (size_t i = 0; i < suspects->named_count; i++) {
        uint64_t named = suspects->named[i];
        if (planted(PLANT_POISON_CHARGED_TO_NEIGHBOUR)) named++;
        if (named != sequence) continue;
        suspects->named[i] = suspects->named[--suspects->named_count];
        return true;
    }
    return false;
}

static int by_sequence(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

bool suspect_was_bundled(struct engine *engine, uint64_t sequence)
{
    struct suspects *suspects = &engine->suspects;
    uint64_t *at = suspects->bundled_count == 0
                       ? NULL
                       : bsearch(&sequence, suspects->bundled, suspects->bundled_count,
                                 sizeof *suspects->bundled, by_sequence);
    if (!at) return false;
    size_t behind = (size_t)(suspects->bundled + suspects->bundled_count - (at + 1));
    memmove(at, at + 1, behind * sizeof *at);
    suspects->bundled_count--;
    return true;
}

void suspect_single(struct engine *engine, struct entry *entry)
{
    entry->singly = true;
    engine->suspects.singles++;
}

void suspect_cleared(struct engine *engine, struct entry *entry)
{
    if (!entry->singly) return;
    entry->singly = false;
    engine->suspects.singles--;
}

/* Nothing begins before what is said of this one now is durable: it might end the process. */
static void hold(struct engine *engine, const struct entry *entry)
{
    engine->suspects.charging++;
    engine_changes(engine, true);
    batch_after(engine->open, AFTER_SUSPECT)->handle = entry->handle;
}

/* Until the charge is durable nothing of it is due. */
void suspect_charge(struct engine *engine, struct entry *entry)
{
    static const struct span none = {NULL, 0};
    entry->attempt++;
    entry->suspect = SUSPECT_CHARGING;
    engine->suspects.unjudged++;
    failure_add(entry, entry->attempt, engine->now_ms, CODE_HANDLER_ERROR, none,
                span_text(DIED_TEXT), none);
    engine_entry_deadline(engine, entry, INT64_MAX);
    engine_put_facts(engine, entry);
    hold(engine, entry);
}

void suspect_missing(struct engine *engine)
{
    if (engine->suspects.named_count + engine->suspects.bundled_count > 0)
        engine->suspects.wary_ms = engine->now_ms + SUSPECT_WARY_MS;
    engine->suspects.named_count = engine->suspects.bundled_count = 0;
}

/* ---- the policy's word ---- */

/* One that waits for another of the same dedup key is judged when it is its turn. */
static void judge(struct engine *engine, struct entry *entry)
{
    struct outcome outcome = {.kind = OUTCOME_RETRY,
                              .code = CODE_HANDLER_ERROR,
                              .delay_ms = -1,
                              .reason = span_text(DIED_TEXT)};
    if (entry->state == ENTRY_BLOCKED) return;
    entry->suspect = SUSPECT_JUDGED;
    engine->suspects.unjudged--;
    hold(engine, entry);
    if (entry->state == ENTRY_DEFERRED || entry->state == ENTRY_WAITING)
        settle_judge(engine, entry, &outcome);
}

void suspect_turn(struct engine *engine, struct entry *entry)
{
    if (entry->suspect == SUSPECT_CHARGED) judge(engine, entry);
}

static void let_all_go(struct engine *engine)
{
    for (struct queue *queue = engine->queues; queue; queue = queue->next)
        if (queue->kind == QUEUE_MAILBOX) engine_ready(engine, queue);
}

static void charged(struct engine *engine, struct entry *entry)
{
    entry->suspect = SUSPECT_CHARGED;
    engine->suspects.charged++;
    if (entry->queue->agent.agent) judge(engine, entry);
}

void suspect_committed(struct engine *engine, uint64_t handle)
{
    struct entry *entry = slots_get(&engine->entries, handle);
    engine->suspects.charging--;
    if (entry && entry->suspect == SUSPECT_CHARGING) charged(engine, entry);
    if (engine->suspects.charging == 0) let_all_go(engine);
}

void suspect_agent_up(struct engine *engine, struct queue *mailbox)
{
    struct entry *next;
    if (engine->suspects.unjudged == 0) return;
    for (struct entry *entry = mailbox->lists[ENTRY_DEFERRED].head; entry; entry = next) {
        next = entry->next;
        if (entry->suspect == SUSPECT_CHARGED) judge(engine, entry);
    }
}

void suspect_purged(struct engine *engine, const struct entry *entry)
{
    if (entry->suspect == SUSPECT_CHARGING || entry->suspect == SUSPECT_CHARGED)
        engine->suspects.unjudged--;
}

/* ---- alone ---- */

/* The first that waits is delivered then; its deadline wakes the engine. */
static void begin_within(struct engine *engine, struct entry *entry, int64_t wait_ms)
{
    engine->suspects.quiet_ms = engine->now_ms + wait_ms;
    engine_entry_deadline(engine, entry, engine->suspects.quiet_ms);
}

void suspect_waits(struct engine *engine, struct entry *entry)
{
    struct suspects *suspects = &engine->suspects;
    for (size_t i = 0; i < suspects->lonely_count; i++)
        if (suspects->lonely[i] == entry->handle) return; /* its time is up */
    array_reserve(suspects->lonely, suspects->lonely_count, suspects->lonely_capacity);
    suspects->lonely[suspects->lonely_count++] = entry->handle;
    if (suspects->lonely_count == 1) begin_within(engine, entry, SUSPECT_QUIET_MS);
}

/* The first of them; NULL: it is gone, or stands otherwise by now. */
static struct entry *first_lonely(const struct engine *engine)
{
    struct entry *entry = slots_get(&engine->entries, engine->suspects.lonely[0]);
    return entry && entry->state == ENTRY_WAITING ? entry : NULL;
}

static void forget_first(struct engine *engine)
{
    struct suspects *suspects = &engine->suspects;
    suspects->lonely_count--;
    memmove(suspects->lonely, suspects->lonely + 1,
            suspects->lonely_count * sizeof *suspects->lonely);
    struct entry *next = suspects->lonely_count > 0 ? first_lonely(engine) : NULL;
    if (next) begin_within(engine, next, SUSPECT_QUIET_MS);
}

/* Answers whether the next one may be looked at. One whose mailbox takes none now goes with the
 * others, in their order. */
static bool try_first(struct engine *engine)
{
    struct entry *entry = first_lonely(engine);
    int64_t still_ms = engine->now_ms + SUSPECT_STILL_MS;
    if (entry && engine->in_hand == 0 && engine->suspects.quiet_ms > still_ms)
        begin_within(engine, entry, SUSPECT_STILL_MS);
    if (entry && engine->now_ms < engine->suspects.quiet_ms) return false;
    forget_first(engine);
    if (!entry) return true;
    engine_entry_deadline(engine, entry, INT64_MAX);
    if (!deliver_takes(engine, entry->queue)) return true;
    deliver_entry(engine, entry);
    return false;
}

void suspect_pump(struct engine *engine)
{
    if (engine->suspects.lonely_count == 0 || engine->suspects.charging > 0) return;
    while (engine->suspects.lonely_count > 0 && try_first(engine)) continue;
    if (engine->suspects.lonely_count == 0) let_all_go(engine);
}

bool suspect_holds(const struct engine *engine)
{
    return engine->suspects.lonely_count > 0 || engine->suspects.charging > 0;
}

/* ---- behind the commit ---- */

bool suspect_is_wary(const struct engine *engine, const struct entry *entry)
{
    if (engine->now_ms >= engine->suspects.wary_ms || !entry->stored) return false;
    uint64_t first_open = engine->batches - (engine->committing ? 1 : 0);
    return entry->put_batch >= first_open;
}

void suspects_deinit(struct suspects *suspects)
{
    free(suspects->lonely);
    free(suspects->bundled);
}
