/* A store in memory for what is durable, and a store before it that sums what it writes and checks
 * what it reads. */
#include "sim/medium.h"

#include <stdlib.h>
#include "core/buffer.h"
#include "core/ensure.h"
#include "core/record.h"
#include "store/crc32c.h"

enum { SUM_BYTES = 4 };

struct medium_store {
    struct store store;
    struct medium *medium;
    const char *error;
};

static struct medium *medium_of(struct store *store)
{
    return ((struct medium_store *)store)->medium;
}

static struct store *image_of(struct store *store)
{
    return medium_of(store)->image;
}

/* ---- writing ---- */

static uint32_t sum_of(struct span key, struct span head, struct span value)
{
    uint32_t sum = crc32c(0, key.bytes, key.size);
    if (head.size > 0) sum = crc32c(sum, head.bytes, head.size);
    return value.size > 0 ? crc32c(sum, value.bytes, value.size) : sum;
}

static struct op summed(struct arena *arena, const struct op *op)
{
    struct op made = *op;
    if (op->kind != OP_PUT) return made;
    struct span value = op->value ? block_span(op->value) : span_of(NULL, 0);
    char *head = arena_take(arena, SUM_BYTES + op->head.size);
    put_u32(head, sum_of(op->key, op->head, value));
    if (op->head.size > 0) memcpy(head + SUM_BYTES, op->head.bytes, op->head.size);
    made.head = span_of(head, SUM_BYTES + op->head.size);
    return made;
}

static enum status write_all(struct medium *medium, const struct op *ops, size_t count)
{
    struct arena arena = {0};
    struct op *made = calloc(count ? count : 1, sizeof *made);
    ensure(made != NULL);
    for (size_t i = 0; i < count; i++) made[i] = summed(&arena, &ops[i]);
    enum status status = medium->image->engine->commit(medium->image, made, count);
    free(made);
    arena_deinit(&arena);
    return status;
}

static enum status medium_commit(struct store *store, const struct op *ops, size_t count)
{
    struct medium *medium = medium_of(store);
    medium->commits++;
    if (medium->state == MEDIUM_LYING) return STATUS_OK;
    if (medium->state != MEDIUM_FAILING && medium->commits != medium->fails_at)
        return write_all(medium, ops, count);
    ((struct medium_store *)store)->error = "the disk of this world fails: input/output error";
    return STATUS_IO;
}

void medium_keep(struct medium *medium, const struct batch *batch)
{
    write_all(medium, batch->ops, batch->op_count);
}

/* ---- reading ---- */

/* The value without its sum (given); the one with it is taken. */
static struct block *checked(struct span key, struct block *summed_value, bool *damaged)
{
    struct span all = block_span(summed_value);
    struct span value = span_of(all.bytes + SUM_BYTES, all.size - SUM_BYTES);
    *damaged = get_u32(all.bytes) != sum_of(key, span_of(NULL, 0), value);
    struct block *block = block_copy(value);
    block_release(summed_value);
    return block;
}

static enum status medium_get(struct store *store, struct span key, struct block **value)
{
    struct block *found;
    bool damaged;
    enum status status = image_of(store)->engine->get(image_of(store), key, &found);
    if (status != STATUS_OK) return status;
    *value = checked(key, found, &damaged);
    return damaged ? STATUS_DAMAGED : STATUS_OK;
}

static void check_records(struct store_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (records[i].value)
            records[i].value = checked(records[i].key, records[i].value, &records[i].damaged);
}

static enum status medium_get_many(struct store *store, struct store_record *records, size_t count)
{
    enum status status = image_of(store)->engine->get_many(image_of(store), records, count);
    if (status == STATUS_OK) check_records(records, count);
    return status;
}

static enum status medium_scan(struct store *store, struct span prefix, struct span from,
                               struct store_page *page)
{
    enum status status = image_of(store)->engine->scan(image_of(store), prefix, from, page);
    if (status == STATUS_OK) check_records(page->records, page->count);
    return status;
}

/* ---- the rest of the contract ---- */

static void medium_stat(struct store *store, struct store_stat *stat)
{
    image_of(store)->engine->stat(image_of(store), stat);
}

static void medium_tend(struct store *store)
{
    (void)store;
}

static struct store_room medium_room(struct store *store)
{
    struct store_room room = image_of(store)->engine->room(image_of(store));
    room.full = medium_of(store)->state == MEDIUM_FULL;
    return room;
}

static const char *medium_error(struct store *store)
{
    return ((struct medium_store *)store)->error;
}

static void medium_close(struct store *store)
{
    free(store);
}

static const struct store_engine medium_engine = {
    .name = "world",
    .durable = true,
    .commit = medium_commit,
    .tend = medium_tend,
    .get = medium_get,
    .get_many = medium_get_many,
    .scan = medium_scan,
    .stat = medium_stat,
    .room = medium_room,
    .error = medium_error,
    .close = medium_close,
};

/* ---- life ---- */

struct medium *medium_new(void)
{
    struct medium *medium = calloc(1, sizeof *medium);
    ensure(medium != NULL);
    medium->image = store_memory_open();
    return medium;
}

void medium_free(struct medium *medium)
{
    if (!medium) return;
    medium->image->engine->close(medium->image);
    free(medium);
}

struct store *medium_open(struct medium *medium)
{
    struct medium_store *store = calloc(1, sizeof *store);
    ensure(store != NULL);
    store->store.engine = &medium_engine;
    store->medium = medium;
    store->error = "";
    return &store->store;
}

/* ---- a bit flips ---- */

/* Records that may be hit, of the first page of their kind. */
static size_t keep_hittable(struct store_page *page, char kind)
{
    size_t kept = 0;
    for (size_t i = 0; i < page->count; i++) {
        if (kind == 0 && page->records[i].key.bytes[0] == RECORD_IDENTITY) continue;
        struct store_record hit = page->records[i];
        page->records[i] = page->records[kept];
        page->records[kept++] = hit;
    }
    return kept;
}

static void flip(struct store *image, const struct store_record *record, uint64_t draw)
{
    struct block *value = block_copy(block_span(record->value));
    value->bytes[(draw >> 3) % value->size] ^= (char)(1 << (draw & 7));
    struct op op = {.kind = OP_PUT, .key = record->key, .value = value};
    ensure(image->engine->commit(image, &op, 1) == STATUS_OK);
    block_release(value);
}

char medium_flip(struct medium *medium, char kind, uint64_t draw)
{
    struct store_page *page = calloc(1, sizeof *page);
    ensure(page != NULL);
    struct span prefix = span_of(&kind, kind ? 1 : 0);
    enum status status = medium->image->engine->scan(medium->image, prefix, span_of(NULL, 0), page);
    ensure(status == STATUS_OK);
    size_t count = keep_hittable(page, kind);
    char hit = 0;
    if (count > 0) {
        const struct store_record *record = &page->records[(draw >> 32) % count];
        hit = record->key.bytes[0];
        char key[STORE_KEY_MAX];
        struct store_record copy = {span_of(key, record->key.size), record->value, false};
        memcpy(key, record->key.bytes, record->key.size);
        flip(medium->image, &copy, draw);
    }
    store_page_release(page);
    free(page);
    return hit;
}
