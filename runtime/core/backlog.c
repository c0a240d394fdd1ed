/* The part of a mailbox that waits in the store only.
 *
 * A mailbox holds a window of messages in memory. When that is full, what comes behind it leaves
 * memory as soon as it is put: eight bytes of sequence stay. When half of the window is handled,
 * the next page is asked for, once the batches that hold it have been handed out. What makes a
 * message special (a dedup key, its expiry) is looked at when it comes back: nothing may overtake
 * it meanwhile, because all that comes stands behind it. */
#include "core/parts.h"

enum { RETURNED_FIRST = 2 /* a window asks for more when it holds less than 1 / this */ };

static size_t resident_bytes(const struct queue *mailbox)
{
    return mailbox->own.bytes - mailbox->tail_bytes;
}

static size_t window_count(const struct engine *engine)
{
    bool crowded = engine->inbox.bytes - engine->tail_bytes > RESIDENT_BYTES;
    return crowded ? WINDOW_SMALL : WINDOW_COUNT;
}

bool backlog_is_full(const struct engine *engine, const struct queue *mailbox, size_t count)
{
    return count >= window_count(engine) ||
           (count >= WINDOW_SMALL && resident_bytes(mailbox) >= WINDOW_BYTES);
}

/* ---- out of memory ---- */

bool backlog_wants(const struct engine *engine, const struct queue *mailbox,
                   const struct entry *entry)
{
    if (message_due_ms(entry->block) > 0) return false;
    return mailbox->tail.count > 0 || mailbox->loading > 0 ||
           backlog_is_full(engine, mailbox, mailbox->lists[ENTRY_WAITING].count);
}

void backlog_note(struct engine *engine, struct queue *mailbox, size_t bytes)
{
    queue_count(mailbox, 1, (ptrdiff_t)bytes);
    mailbox->tail_bytes += bytes;
    engine->tail_bytes += bytes;
}

void backlog_admit(struct engine *engine, struct entry *entry)
{
    struct queue *mailbox = entry->queue;
    uint64_t sequence = entry->sequence;
    size_t size = entry->block->size;
    waiter_part(engine, entry);
    engine_drop(engine, entry);
    backlog_restore(engine, mailbox, sequence, size);
    engine_ready(engine, mailbox);
}

void backlog_restore(struct engine *engine, struct queue *mailbox, uint64_t sequence, size_t bytes)
{
    backlog_note(engine, mailbox, bytes);
    sequences_push(&mailbox->tail, sequence);
}

/* ---- back into memory ---- */

struct load *backlog_page(struct engine *engine, struct queue *mailbox)
{
    struct load *load = load_new(mailbox);
    while (load->count < LOAD_MAX && mailbox->tail.count > 0 &&
           sequences_first(&mailbox->tail) <= engine->sealed) {
        struct load_item *item = &load->items[load->count++];
        item->sequence = sequences_take(&mailbox->tail);
        record_key(item->key, RECORD_MESSAGE, item->sequence);
    }
    mailbox->load = load;
    mailbox->loading = load->count;
    effects_add(engine->effects, EFFECT_LOAD)->load = load;
    return load;
}

void backlog_pump(struct engine *engine, struct queue *mailbox)
{
    size_t half = window_count(engine) / RETURNED_FIRST;
    size_t here = mailbox->lists[ENTRY_WAITING].count + mailbox->loading;
    bool wanted = here < WINDOW_SMALL / RETURNED_FIRST ||
                  (here < half && resident_bytes(mailbox) < WINDOW_BYTES / RETURNED_FIRST);
    if (mailbox->tail.count == 0 || mailbox->loading > 0 || !wanted) return;
    if (sequences_first(&mailbox->tail) > engine->sealed) {
        engine->unsealed = true; /* to be looked at again when the open batch is handed out */
        return;
    }
    backlog_page(engine, mailbox);
}

void backlog_sealed(struct engine *engine, uint64_t sequence)
{
    engine->sealed = sequence;
    if (!engine->unsealed) return;
    engine->unsealed = false;
    for (struct queue *queue = engine->queues; queue; queue = queue->next)
        if (queue->tail.count > 0 || queue->hungry) engine_ready(engine, queue);
}

/* A record that is not there, or not what was put, is left alone and said. */
static void set_aside(struct engine *engine, struct queue *mailbox, const struct load_item *item)
{
    engine->counts.damaged++;
    struct fact *fact = engine_fact_of(engine, FACT_DROPPED, mailbox->name);
    if (!fact) return;
    fact->reason = engine_format(
        engine, "message %llu of the store is %s; it stays there (moonpost store check)",
        (unsigned long long)item->sequence, item->value ? "damaged" : "missing");
}

struct entry *backlog_take(struct engine *engine, struct queue *mailbox,
                           const struct load_item *item)
{
    struct record_message record;
    bool good = item->value && !item->damaged &&
                record_message_read(block_span(item->value), &record) == STATUS_OK &&
                record.queue_kind == QUEUE_MAILBOX;
    if (!good) {
        set_aside(engine, mailbox, item);
        return NULL;
    }
    struct entry *entry = entry_restore(engine, mailbox, item->sequence, &record);
    queue_count(mailbox, -1, -(ptrdiff_t)entry->block->size);
    mailbox->tail_bytes -= entry->block->size;
    engine->tail_bytes -= entry->block->size;
    waiter_join(engine, entry);
    return entry;
}

static void take_page(struct engine *engine, const struct load *load)
{
    for (size_t i = 0; i < load->count; i++) {
        struct entry *entry = backlog_take(engine, load->queue, &load->items[i]);
        if (!entry) continue;
        if (away_wants(engine, load->queue, entry)) {
            queue_insert(load->queue, entry, ENTRY_WAITING);
            away_send(engine, entry);
        } else
            owner_restore(engine, entry);
    }
}

void backlog_loaded(struct engine *engine, struct load *load)
{
    struct queue *mailbox = load->queue;
    if (load->use == LOAD_FOR_NOBODY) {
        load_free(load);
        return;
    }
    if (load->use == LOAD_TO_PEEK) {
        peek_loaded(engine, load);
        return;
    }
    if (load->use == LOAD_TO_JOIN) {
        away_loaded(engine, load);
        return;
    }
    mailbox->load = NULL;
    mailbox->loading = 0;
    if (load->use == LOAD_TO_PURGE)
        purge_page(engine, load);
    else
        take_page(engine, load);
    load_free(load);
    engine_ready(engine, mailbox);
    admin_go_on(engine);
}
