/* A page of what a queue holds, by age: what is in memory as it stands there, and what waits in the
 * store only by a page that is read for this alone, so that neither order nor window change. */
#include "core/parts.h"

#include <stdlib.h>

void page_deinit(struct page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        block_release(page->items[i].block);
        block_release(page->items[i].reason);
    }
    free(page->items);
    *page = (struct page){0};
}

/* ---- what comes next ---- */

/* Places in the lists of a queue's states, in the page on its way into memory and in the tail. */
struct places {
    const struct entry *entries[ENTRY_STATE_COUNT];
    size_t loading;
    struct sequence_cursor tail;
};

/* What one of them leads to: an entry, or a message of the store. */
struct found {
    uint64_t sequence; /* 0: nothing is left */
    const struct entry *entry;
};

static bool is_wanted(const struct work *work, enum entry_state state)
{
    return work->states >> state & 1;
}

static const struct entry *first_behind(const struct entry_list *list, uint64_t sequence)
{
    const struct entry *entry = list->head;
    while (entry && entry->sequence <= sequence) entry = entry->next;
    return entry;
}

static struct places places_of(const struct work *work)
{
    const struct queue *queue = work->queue;
    struct places places = {.tail = sequences_behind(&queue->tail, work->after)};
    for (int state = 0; state < ENTRY_STATE_COUNT; state++)
        if (is_wanted(work, (enum entry_state)state))
            places.entries[state] = first_behind(&queue->lists[state], work->after);
    while (places.loading < queue->loading &&
           queue->load->items[places.loading].sequence <= work->after)
        places.loading++;
    return places;
}

static void take_earlier(struct found *found, uint64_t sequence, const struct entry *entry)
{
    if (sequence == 0 || (found->sequence && found->sequence < sequence)) return;
    *found = (struct found){sequence, entry};
}

static struct found earliest(const struct work *work, const struct places *places)
{
    const struct queue *queue = work->queue;
    struct found found = {0};
    for (int state = 0; state < ENTRY_STATE_COUNT; state++)
        if (places->entries[state])
            take_earlier(&found, places->entries[state]->sequence, places->entries[state]);
    if (!is_wanted(work, ENTRY_WAITING)) return found;
    if (places->loading < queue->loading)
        take_earlier(&found, queue->load->items[places->loading].sequence, NULL);
    take_earlier(&found, sequences_at(&queue->tail, places->tail), NULL);
    return found;
}

static void move_on(const struct work *work, struct places *places, const struct found *found)
{
    const struct queue *queue = work->queue;
    if (found->entry)
        places->entries[found->entry->state] = found->entry->next;
    else if (places->loading < queue->loading &&
             queue->load->items[places->loading].sequence == found->sequence)
        places->loading++;
    else
        sequences_next(&places->tail);
}

/* ---- items ---- */

static struct page_item *add_item(struct page *page, uint64_t sequence)
{
    array_reserve(page->items, page->count, page->capacity);
    struct page_item *item = &page->items[page->count++];
    *item = (struct page_item){.sequence = sequence, .due_ms = INT64_MAX, .expires_ms = INT64_MAX};
    return item;
}

static void describe(struct page_item *item, const struct entry *entry)
{
    bool outbox = entry->queue->kind == QUEUE_OUTBOX;
    item->block = block_retain(entry->block);
    item->state = entry->state;
    item->attempt = outbox ? entry->spent : entry->attempt;
    item->first_ms = entry->first_ms;
    item->expires_ms = entry->expires_ms;
    if (entry->state == ENTRY_DEFERRED && entry->deadline.position)
        item->due_ms = entry->deadline.at_ms;
    if (!entry->failures) return;
    item->code = entry->failures->code;
    item->reason = block_copy(entry->failures->reason);
}

/* As much as a window holds is read for a page, by what these messages have on average. */
static size_t load_max(const struct queue *queue)
{
    size_t count = queue->tail.count + queue->loading;
    size_t bytes = count > 0 ? queue->tail_bytes / count : 0;
    size_t most = WINDOW_BYTES / (bytes + 1);
    return most < 1 ? 1 : most < LOAD_MAX ? most : LOAD_MAX;
}

static void want(struct load *load, uint64_t sequence)
{
    struct load_item *item = &load->items[load->count++];
    item->sequence = sequence;
    record_key(item->key, RECORD_MESSAGE, sequence);
}

/* What the store has to be asked for is left open in the page. Answers whether there is more. */
static bool gather(struct engine *engine, struct work *work, struct load *load)
{
    struct places places = places_of(work);
    struct page *page = &work->page;
    size_t most = load_max(work->queue);
    struct found found;
    while ((found = earliest(work, &places)).sequence) {
        bool readable = found.entry || (load->count < most && found.sequence <= engine->sealed);
        if (page->count == work->limit || !readable) break;
        struct page_item *item = add_item(page, found.sequence);
        if (found.entry)
            describe(item, found.entry);
        else
            want(load, found.sequence);
        move_on(work, &places, &found);
    }
    page->after = found.sequence && page->count ? page->items[page->count - 1].sequence : 0;
    page->outbox = work->queue->kind == QUEUE_OUTBOX;
    return found.sequence != 0;
}

bool peek_go_on(struct engine *engine, struct work *work)
{
    if (work->loading) return false;
    away_gather(engine, work->queue);
    struct load *load = load_new(work->queue);
    load->use = LOAD_TO_PEEK;
    load->request = work->request;
    bool more = gather(engine, work, load);
    if (load->count == 0) {
        load_free(load);
        return work->page.count > 0 || !more; /* or the next one cannot be read yet */
    }
    work->loading = true;
    effects_add(engine->effects, EFFECT_LOAD)->load = load;
    return false;
}

/* ---- from the store ---- */

static bool fill(struct engine *engine, struct page_item *item, const struct load_item *from)
{
    struct record_message record;
    if (!from->value || from->damaged ||
        record_message_read(block_span(from->value), &record) != STATUS_OK)
        return false;
    struct message message;
    ensure(message_decode_kept(record.frame, &message) == STATUS_OK);
    item->block = block_copy(record.frame);
    item->state = ENTRY_WAITING;
    item->in_store = true;
    item->first_ms = record.first_wall_ms - engine->wall_ms;
    if (message.remaining_ms != REMAINING_FOREVER)
        item->expires_ms = after_ms(item->first_ms, message.remaining_ms);
    return true;
}

/* One that is not there any more was handled meanwhile. */
static void fill_page(struct engine *engine, struct page *page, const struct load *load)
{
    size_t kept = 0, next = 0;
    for (size_t i = 0; i < page->count; i++) {
        struct page_item *item = &page->items[i];
        if (!item->block && !fill(engine, item, &load->items[next++])) continue;
        page->items[kept++] = *item;
    }
    page->count = kept;
}

void peek_loaded(struct engine *engine, struct load *load)
{
    struct request *request = engine->asked;
    if (request && request->token == load->request) {
        fill_page(engine, &request->work->page, load);
        admin_show(engine, request);
    }
    load_free(load);
}
