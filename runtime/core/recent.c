/* The life of a message, as far as it is known here: where it is, and the latest facts about it.
 *
 * The facts are notes of fixed size in a ring, written whether anybody listens or not. Whatever was
 * found out after a fact was made (its reason, its code) is taken over from the effect when the
 * step ends; facts that have more to tell always become effects. */
#include "core/parts.h"

enum { TEXT_BYTES = 40 };

struct recent_note {
    int64_t at_ms, delay_ms;
    struct block *reason; /* or NULL */
    uint32_t attempt;
    uint16_t transmission;
    uint8_t kind, code, level;
    bool outbox;
    uint8_t id_size, to_size;
    char id[TEXT_BYTES], to[TEXT_BYTES];
};

/* ---- texts in their places ---- */

/* The whole text, or its two ends, which tell ids apart that begin with a long name. */
static void keep_text(char *to, struct span text)
{
    if (text.size <= TEXT_BYTES) {
        if (text.size > 0) memcpy(to, text.bytes, text.size);
        return;
    }
    memcpy(to, text.bytes, TEXT_BYTES / 2);
    memcpy(to + TEXT_BYTES / 2, text.bytes + text.size - TEXT_BYTES / 2, TEXT_BYTES / 2);
}

static bool is_text(const char *kept, uint8_t size, struct span text)
{
    char other[TEXT_BYTES];
    if (size != text.size) return false;
    keep_text(other, text);
    return memcmp(kept, other, size < TEXT_BYTES ? size : TEXT_BYTES) == 0;
}

/* ---- noting ---- */

static struct recent_note *place_for(struct engine *engine)
{
    if (!engine->recent) engine->recent = calloc(RECENT_FACTS, sizeof *engine->recent);
    ensure(engine->recent != NULL);
    struct recent_note *note = &engine->recent[engine->recent_count++ % RECENT_FACTS];
    if (note->reason) block_release(note->reason);
    note->reason = NULL;
    return note;
}

static void fill(struct engine *engine, struct recent_note *note, enum fact_kind kind,
                 struct span id, struct span to)
{
    note->at_ms = engine->now_ms;
    note->delay_ms = -1;
    note->kind = (uint8_t)kind;
    note->code = note->level = 0;
    note->attempt = note->transmission = 0;
    note->outbox = false;
    note->id_size = (uint8_t)id.size;
    note->to_size = (uint8_t)to.size;
    keep_text(note->id, id);
    keep_text(note->to, to);
}

void recent_note(struct engine *engine, enum fact_kind kind, const struct entry *entry)
{
    if (engine->settings.role == ROLE_CLIENT) return;
    struct recent_note *note = place_for(engine);
    fill(engine, note, kind, message_id(entry->block), entry->queue->name);
    note->outbox = entry->queue->kind == QUEUE_OUTBOX;
    note->attempt = entry->attempt;
    note->transmission = note->outbox ? entry->transmissions : entry->transmission;
}

void recent_note_of(struct engine *engine, enum fact_kind kind, struct span id)
{
    if (engine->settings.role == ROLE_CLIENT || id.size > ID_BYTES_MAX) return;
    if (kind == FACT_DROPPED || kind == FACT_NACKED)
        fill(engine, place_for(engine), kind, id, span_of(NULL, 0));
}

/* ---- what was found out since ---- */

static void complete(struct engine *engine, const struct fact *fact)
{
    if (engine->recent_count - fact->note >= RECENT_FACTS) return;
    struct recent_note *note = &engine->recent[(fact->note - 1) % RECENT_FACTS];
    note->code = fact->code;
    note->level = fact->level;
    note->attempt = fact->attempt;
    note->transmission = fact->transmission;
    note->delay_ms = fact->delay_ms;
    size_t size = fact->reason.size < RECENT_REASON_BYTES ? fact->reason.size : RECENT_REASON_BYTES;
    if (size > 0) note->reason = block_copy(span_of(fact->reason.bytes, size));
}

void recent_complete(struct engine *engine)
{
    for (size_t i = 0; engine->recent_open > 0 && i < engine->effects->count; i++) {
        const struct effect *effect = &engine->effects->items[i];
        if (effect->kind != EFFECT_FACT || effect->fact.note == 0) continue;
        complete(engine, &effect->fact);
        engine->recent_open--;
    }
}

void recent_free(struct engine *engine)
{
    for (size_t i = 0; engine->recent && i < RECENT_FACTS; i++)
        block_release(engine->recent[i].reason);
    free(engine->recent);
}

/* ---- looking ---- */

static struct recent_view view_of(const struct recent_note *note)
{
    size_t shown = note->to_size <= TEXT_BYTES ? note->to_size : 0;
    return (struct recent_view){
        .kind = (enum fact_kind)note->kind,
        .at_ms = note->at_ms,
        .delay_ms = note->delay_ms,
        .address = span_of(note->to, shown),
        .outbox = note->outbox,
        .code = note->code,
        .level = note->level,
        .attempt = note->attempt,
        .transmission = note->transmission,
        .reason = block_span(note->reason),
    };
}

int64_t engine_recent(const struct engine *engine, struct span id,
                      void (*each)(void *, const struct recent_view *), void *user)
{
    uint64_t count = engine->recent_count;
    uint64_t first = count > RECENT_FACTS ? count - RECENT_FACTS : 0;
    for (uint64_t i = first; i < count; i++) {
        const struct recent_note *note = &engine->recent[i % RECENT_FACTS];
        if (!is_text(note->id, note->id_size, id)) continue;
        struct recent_view view = view_of(note);
        each(user, &view);
    }
    return first > 0 ? engine->recent[first % RECENT_FACTS].at_ms : INT64_MIN;
}

/* ---- where it is ---- */

/* The notes of an entry, oldest first; the newest of a dead one tells why it died. */
static size_t notes_of(const struct entry *entry, struct dead_failure *failures)
{
    size_t count = 0;
    for (const struct failure_note *note = entry->failures; note; note = note->older) count++;
    if (count > FAILURES_KEPT) count = FAILURES_KEPT;
    size_t place = count;
    for (const struct failure_note *note = entry->failures; note && place > 0; note = note->older)
        failures[--place] = (struct dead_failure){note->attempt, note->at_ms,  note->code,
                                                  note->word,    note->reason, note->traceback};
    return count;
}

static void show(const struct engine *engine, const struct entry *entry,
                 void (*each)(void *, const struct trace_view *), void *user)
{
    struct dead_failure failures[FAILURES_KEPT];
    const struct lane *lane = entry->lane ? slots_get(&engine->lane_handles, entry->lane) : NULL;
    struct trace_view view = {
        .block = entry->block,
        .address = entry->queue->name,
        .outbox = entry->queue->kind == QUEUE_OUTBOX,
        .paused = entry->queue->hold == HOLD_PAUSED,
        .state = entry_state_name((enum entry_state)entry->state),
        .first_ms = entry->first_ms,
        .due_ms = entry->deadline.position ? entry->deadline.at_ms : INT64_MAX,
        .expires_ms = entry->expires_ms,
        .attempts = entry->queue->kind == QUEUE_MAILBOX ? entry->attempt : entry->spent,
        .transmissions =
            entry->queue->kind == QUEUE_MAILBOX ? entry->transmission : entry->transmissions,
        .number = entry->number,
        .lane_base = lane ? lane->base : entry->queue->base,
        .link = entry->state == ENTRY_LEASED && entry->link ? entry->link->name : span_of(NULL, 0),
        .failures = failures,
    };
    view.failure_count = notes_of(entry, failures);
    each(user, &view);
}

size_t engine_trace(const struct engine *engine, struct span id,
                    void (*each)(void *, const struct trace_view *), void *user)
{
    size_t unread = 0;
    for (const struct queue *queue = engine->queues; queue; queue = queue->next) {
        unread += queue->tail.count + queue->loading + queue->away;
        for (int state = 0; state < ENTRY_STATE_COUNT; state++)
            for (const struct entry *at = queue->lists[state].head; at; at = at->next)
                if (span_equal(message_id(at->block), id)) show(engine, at, each, user);
    }
    return unread;
}
