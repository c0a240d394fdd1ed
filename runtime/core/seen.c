/* The memory of a dedup policy: see seen.h. */
#include "core/seen.h"

#include <stdlib.h>
#include "core/parts.h"

static void seen_free(struct seen *seen)
{
    if (!seen) return;
    block_release(seen->result);
    free(seen);
}

static struct seen *seen_new(struct span key)
{
    struct seen *seen = calloc(1, sizeof *seen + key.size + 1);
    ensure(seen != NULL);
    char *copy = (char *)(seen + 1);
    if (key.size > 0) memcpy(copy, key.bytes, key.size);
    seen->key = span_of(copy, key.size);
    return seen;
}

static uint64_t fingerprint_of(const struct queue *mailbox, struct span key)
{
    return map_hash(&mailbox->seen, key);
}

/* ---- forgetting ---- */

static void delete_record(struct engine *engine, uint64_t sequence)
{
    char key[RECORD_KEY_MAX];
    engine_changes(engine, false);
    batch_delete(engine->open, record_key(key, RECORD_SEEN, sequence));
}

static void forget_old(struct engine *engine, struct queue *mailbox)
{
    const struct print *oldest;
    while ((oldest = prints_oldest(&mailbox->prints)) &&
           (oldest->forget_ms <= engine->now_ms || mailbox->prints.count > SEEN_MAX)) {
        delete_record(engine, oldest->sequence);
        prints_drop_oldest(&mailbox->prints);
    }
}

static void index_seen(struct queue *mailbox, const struct seen *seen)
{
    prints_add(&mailbox->prints, &(struct print){seen->sequence, fingerprint_of(mailbox, seen->key),
                                                 seen->forget_ms});
}

/* Those whose record can be read need no more than their fingerprint. */
static void age_young(struct engine *engine, struct queue *mailbox)
{
    struct seen *young;
    while ((young = mailbox->seen_oldest) && young->put_batch <= engine->committed) {
        mailbox->seen_oldest = young->newer;
        if (!young->newer) mailbox->seen_newest = NULL;
        index_seen(mailbox, young);
        map_remove(&mailbox->seen, young->key);
        seen_free(young);
    }
}

/* ---- finding ---- */

static struct block *fetch(struct engine *engine, uint64_t sequence)
{
    char key[RECORD_KEY_MAX];
    struct block *value = NULL;
    if (!engine->policies.fetch) return NULL;
    struct span name = record_key(key, RECORD_SEEN, sequence);
    return engine->policies.fetch(engine->policies.store_user, &name, &value) ? value : NULL;
}

static struct seen *read_seen(struct engine *engine, uint64_t sequence,
                              const struct record_seen *record)
{
    struct seen *seen = seen_new(record->key);
    seen->sequence = sequence;
    seen->forget_ms =
        record->forget_wall_ms == INT64_MAX ? INT64_MAX : record->forget_wall_ms - engine->wall_ms;
    seen->has_version = record->has_version;
    seen->version = record->version;
    seen->forgot = record->forgot;
    seen->result_encoding = record->result_encoding;
    if (record->result.size > 0) seen->result = block_copy(record->result);
    return seen;
}

/* The record, if it is of this key. How long it is remembered does not depend on the wall clock
 * while the process lives. */
static struct seen *confirm(struct engine *engine, const struct print *print, struct span key)
{
    struct record_seen record;
    struct seen *seen = NULL;
    struct block *value = fetch(engine, print->sequence);
    if (value && record_seen_read(block_span(value), &record) == STATUS_OK &&
        span_equal(record.key, key)) {
        seen = read_seen(engine, print->sequence, &record);
        seen->forget_ms = print->forget_ms;
    }
    block_release(value);
    return seen;
}

static struct seen *find_indexed(struct engine *engine, struct queue *mailbox, struct span key)
{
    uint64_t fingerprint = fingerprint_of(mailbox, key);
    const struct print *print;
    size_t cursor = 0;
    struct seen *seen = NULL;
    while (!seen && (print = prints_next(&mailbox->prints, fingerprint, &cursor)))
        seen = confirm(engine, print, key);
    return seen;
}

/* One that was to be remembered for less than those before it stays until it is its turn. */
static bool is_over(const struct engine *engine, const struct seen *seen)
{
    return !seen->holder && seen->forget_ms <= engine->now_ms;
}

struct seen *seen_find(struct engine *engine, struct queue *mailbox, struct span key)
{
    age_young(engine, mailbox);
    forget_old(engine, mailbox);
    struct seen *seen = map_find(&mailbox->seen, key);
    if (seen) return is_over(engine, seen) ? NULL : seen;
    seen_free(mailbox->seen_read);
    seen = mailbox->seen_read = find_indexed(engine, mailbox, key);
    return seen && !is_over(engine, seen) ? seen : NULL;
}

/* ---- the way of a key ---- */

/* One that is over, or of an older version, makes room: its record goes when the new one comes. */
static uint64_t supersede(struct queue *mailbox, struct span key)
{
    struct seen *old = map_find(&mailbox->seen, key);
    if (!old)
        return mailbox->seen_read && span_equal(mailbox->seen_read->key, key)
                   ? mailbox->seen_read->sequence
                   : 0;
    struct seen **slot = &mailbox->seen_oldest, *previous = NULL;
    for (; *slot != old; slot = &previous->newer) previous = *slot;
    *slot = old->newer;
    if (mailbox->seen_newest == old) mailbox->seen_newest = previous;
    index_seen(mailbox, old);
    map_remove(&mailbox->seen, key);
    uint64_t sequence = old->sequence;
    seen_free(old);
    return sequence;
}

struct seen *seen_hold(struct queue *mailbox, struct span key, struct entry *holder)
{
    uint64_t replaces = supersede(mailbox, key);
    struct seen *seen = seen_new(key);
    seen->replaces = replaces;
    seen->holder = holder;
    map_add(&mailbox->seen, seen->key, seen);
    return seen;
}

static void put_record(struct engine *engine, const struct queue *mailbox, const struct seen *seen)
{
    char key[RECORD_KEY_MAX];
    if (planted(PLANT_SEEN_NOT_KEPT)) return;
    engine_changes(engine, false);
    engine->scratch.used = 0;
    record_seen(seen, mailbox->name, engine->wall_ms, &engine->scratch);
    batch_put(engine->open, record_key(key, RECORD_SEEN, seen->sequence),
              buffer_span(&engine->scratch), seen->result);
}

void seen_end(struct seen *seen, struct block *result, uint8_t encoding)
{
    seen->holder = NULL;
    seen->result = block_retain(result);
    seen->result_encoding = encoding;
}

void seen_settle(struct engine *engine, struct queue *mailbox, struct seen *seen,
                 struct block *result, uint8_t encoding)
{
    seen_end(seen, result, encoding);
    if (seen->replaces) {
        prints_remove(&mailbox->prints, fingerprint_of(mailbox, seen->key), seen->replaces);
        delete_record(engine, seen->replaces);
    }
    seen->forget_ms = seen->ttl_ms == DURATION_FOREVER
                          ? INT64_MAX
                          : after_ms(engine->now_ms, (uint64_t)seen->ttl_ms);
    seen->sequence = ++engine->seen_sequence;
    seen->put_batch = engine->open->number;
    put_record(engine, mailbox, seen);
    *(mailbox->seen_newest ? &mailbox->seen_newest->newer : &mailbox->seen_oldest) = seen;
    mailbox->seen_newest = seen;
}

void seen_drop(struct queue *mailbox, struct seen *seen)
{
    map_remove(&mailbox->seen, seen->key);
    seen_free(seen);
}

/* ---- back from the store ---- */

enum status seen_recover(struct engine *engine, struct span key, struct span value)
{
    struct record_seen record;
    uint64_t sequence = record_sequence(key);
    if (sequence == 0 || record_seen_read(value, &record) != STATUS_OK) return STATUS_DAMAGED;
    struct queue *mailbox = engine_queue(engine, QUEUE_MAILBOX, record.mailbox);
    struct seen *seen = read_seen(engine, sequence, &record);
    index_seen(mailbox, seen);
    seen_free(seen);
    if (sequence > engine->seen_sequence) engine->seen_sequence = sequence;
    return STATUS_OK;
}

void seen_clear(struct queue *mailbox)
{
    for (size_t i = 0; i < mailbox->seen.capacity; i++)
        if (mailbox->seen.slots[i].value) seen_free(mailbox->seen.slots[i].value);
    map_deinit(&mailbox->seen);
    prints_deinit(&mailbox->prints);
    seen_free(mailbox->seen_read);
    mailbox->seen_read = mailbox->seen_oldest = mailbox->seen_newest = NULL;
}
