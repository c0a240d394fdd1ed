/* Messages that are removed from their mailbox: those that wait, are deferred, or wait for another.
 *
 * A request removes so many, and its answer says whether there are more; each is removed like one
 * that has ended, in the open batch. What waits in the store only has to be read first, because its
 * number in the lane must not look free, and somebody may wait for its end. */
#include "core/parts.h"

void purge_entry(struct engine *engine, struct entry *entry, enum code code, struct span reason)
{
    struct end end = {
        .code = (uint8_t)code, .level = LEVEL_STORED, .flags = RECEIPT_NACK, .reason = reason};
    struct seen *held = entry->seen && entry->seen->holder == entry ? entry->seen : NULL;
    engine->counts.purged++;
    struct fact *fact = engine_fact(engine, FACT_PURGED, entry);
    if (fact) {
        fact->code = (uint8_t)code;
        fact->reason = arena_copy(&engine->effects->arena, reason);
    }
    suspect_purged(engine, entry);
    lanes_entry_level(engine, entry, LANE_PURGED);
    answer_later(engine, entry, &end);
    if (held) dedup_released(engine, entry->queue, held);
    if (!planted(PLANT_PURGE_NOT_KEPT)) engine_delete(engine, entry);
    engine_drop(engine, entry);
}

static void purge_one(struct engine *engine, struct entry *entry)
{
    purge_entry(engine, entry, CODE_PURGED, span_text(PURGED_TEXT));
}

/* Those that wait for another come first: the end of that one would let them go. */
static const enum entry_state PURGED[] = {ENTRY_BLOCKED, ENTRY_PARKED, ENTRY_DEFERRED,
                                          ENTRY_WAITING};

static void purge_list(struct engine *engine, struct work *work, enum entry_state state)
{
    struct entry *entry;
    while (work->page.purged < work->limit && (entry = work->queue->lists[state].head) &&
           entry->sequence <= work->last) {
        purge_one(engine, entry);
        work->page.purged++;
    }
}

static uint64_t first_of(const struct entry_list *list)
{
    return list->head ? list->head->sequence : UINT64_MAX;
}

/* The first that is left of those that were to go; 0: none. */
static uint64_t first_left(const struct work *work)
{
    const struct queue *mailbox = work->queue;
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < sizeof PURGED / sizeof PURGED[0]; i++)
        if (first_of(&mailbox->lists[PURGED[i]]) < first)
            first = first_of(&mailbox->lists[PURGED[i]]);
    if (mailbox->loading > 0 && mailbox->load->items[0].sequence < first)
        first = mailbox->load->items[0].sequence;
    if (mailbox->tail.count > 0 && sequences_first(&mailbox->tail) < first)
        first = sequences_first(&mailbox->tail);
    return first <= work->last ? first : 0;
}

/* In memory there is nothing left to remove: ask for what is in the store. False: not now. */
static void purge_stored(struct engine *engine, struct work *work)
{
    struct queue *mailbox = work->queue;
    if (mailbox->loading > 0 || mailbox->tail.count == 0) return;
    uint64_t first = sequences_first(&mailbox->tail);
    if (first <= work->last && first <= engine->sealed)
        backlog_page(engine, mailbox)->use = LOAD_TO_PURGE;
}

bool purge_go_on(struct engine *engine, struct work *work)
{
    away_gather(engine, work->queue);
    for (size_t i = 0; i < sizeof PURGED / sizeof PURGED[0]; i++)
        purge_list(engine, work, PURGED[i]);
    engine_ready(engine, work->queue);
    work->page.after = first_left(work);
    if (work->page.after == 0 || work->page.purged >= work->limit) return true;
    purge_stored(engine, work);
    return false;
}

/* Some of a page may be younger than what is to go. */
void purge_page(struct engine *engine, const struct load *load)
{
    struct work *work = engine->asked ? engine->asked->work : NULL;
    for (size_t i = 0; i < load->count; i++) {
        struct entry *entry = backlog_take(engine, load->queue, &load->items[i]);
        if (!entry) continue;
        if (!work || work->queue != load->queue || entry->sequence > work->last) {
            owner_restore(engine, entry);
            continue;
        }
        queue_insert(load->queue, entry, ENTRY_WAITING);
        purge_one(engine, entry);
        work->page.purged++;
    }
}
