/* The reference engine: a skip list in memory (William Pugh, "Skip lists: a probabilistic
 * alternative to balanced trees", 1990). Values borrow the blocks of the batch; nothing is copied
 * but keys and the small heads of records. */
#include "store/store.h"

#include <stdlib.h>
#include "core/ensure.h"
#include "core/random.h"

enum { HEIGHT_MAX = 24 };

struct record {
    struct span key, head;
    struct block *value;
    int height;
    struct record *next[]; /* key and head follow behind */
};

struct memory {
    struct store store;
    struct record *first[HEIGHT_MAX];
    size_t records, bytes;
    uint64_t commits, random;
};

static int compare(struct span a, struct span b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter > 0 ? memcmp(a.bytes, b.bytes, shorter) : 0;
    if (order != 0) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

/* On every level the slot that leads to the first record at or behind the key. */
static struct record *find(struct memory *memory, struct span key,
                           struct record **slots[HEIGHT_MAX])
{
    struct record **level = memory->first;
    for (int height = HEIGHT_MAX - 1; height >= 0; height--) {
        while (level[height] && compare(level[height]->key, key) < 0) level = level[height]->next;
        slots[height] = &level[height];
    }
    return *slots[0];
}

static size_t record_bytes(const struct record *record)
{
    return record->key.size + record->head.size + (record->value ? record->value->size : 0);
}

static void record_free(struct memory *memory, struct record *record)
{
    memory->records--;
    memory->bytes -= record_bytes(record);
    block_release(record->value);
    free(record);
}

static void take_out(struct memory *memory, struct record *record,
                     struct record **slots[HEIGHT_MAX])
{
    for (int height = 0; height < record->height; height++) *slots[height] = record->next[height];
    record_free(memory, record);
}

static int draw_height(struct memory *memory)
{
    uint64_t bits = random_next(&memory->random);
    int height = 1;
    while (height < HEIGHT_MAX && (bits & 3) == 0) {
        height++;
        bits >>= 2;
    }
    return height;
}

static struct span place(char **at, struct span bytes)
{
    struct span copy = span_of(*at, bytes.size);
    if (bytes.size > 0) memcpy(*at, bytes.bytes, bytes.size);
    *at += bytes.size;
    return copy;
}

static void insert(struct memory *memory, const struct op *op, struct record **slots[HEIGHT_MAX])
{
    int height = draw_height(memory);
    size_t links = (size_t)height * sizeof(struct record *);
    struct record *record = malloc(sizeof *record + links + op->key.size + op->head.size);
    ensure(record != NULL);
    char *at = (char *)record->next + links;
    record->height = height;
    record->key = place(&at, op->key);
    record->head = place(&at, op->head);
    record->value = block_retain(op->value);
    for (int i = 0; i < height; i++) {
        record->next[i] = *slots[i];
        *slots[i] = record;
    }
    memory->records++;
    memory->bytes += record_bytes(record);
}

static void change(struct memory *memory, const struct op *op)
{
    struct record **slots[HEIGHT_MAX];
    if (op->kind == OP_NOTHING) return;
    struct record *old = find(memory, op->key, slots);
    if (old && compare(old->key, op->key) == 0) take_out(memory, old, slots);
    if (op->kind == OP_PUT) insert(memory, op, slots);
}

static enum status memory_commit(struct store *store, const struct op *ops, size_t count)
{
    struct memory *memory = (struct memory *)store;
    for (size_t i = 0; i < count; i++) change(memory, &ops[i]);
    memory->commits++;
    return STATUS_OK;
}

static struct block *record_value(const struct record *record)
{
    size_t head = record->head.size, rest = record->value ? record->value->size : 0;
    struct block *value = block_new(head + rest);
    if (head > 0) memcpy(value->bytes, record->head.bytes, head);
    if (rest > 0) memcpy(value->bytes + head, record->value->bytes, rest);
    return value;
}

static enum status memory_get(struct store *store, struct span key, struct block **value)
{
    struct record **slots[HEIGHT_MAX];
    struct record *record = find((struct memory *)store, key, slots);
    if (!record || compare(record->key, key) != 0) return STATUS_NOT_FOUND;
    *value = record_value(record);
    return STATUS_OK;
}

static enum status memory_get_many(struct store *store, struct store_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        records[i].value = NULL;
        records[i].damaged = false;
        memory_get(store, records[i].key, &records[i].value);
    }
    return STATUS_OK;
}

static bool begins_with(struct span key, struct span prefix)
{
    return key.size >= prefix.size &&
           (prefix.size == 0 || memcmp(key.bytes, prefix.bytes, prefix.size) == 0);
}

static enum status memory_scan(struct store *store, struct span prefix, struct span from,
                               struct store_page *page)
{
    struct record **slots[HEIGHT_MAX];
    struct span start = compare(from, prefix) > 0 ? from : prefix;
    struct record *record = find((struct memory *)store, start, slots);
    size_t bytes = 0;
    page->count = 0;
    while (record && begins_with(record->key, prefix) && page->count < STORE_PAGE_MAX &&
           bytes < STORE_PAGE_BYTES) {
        page->records[page->count++] =
            (struct store_record){record->key, record_value(record), false};
        bytes += record_bytes(record);
        record = record->next[0];
    }
    page->more = record && begins_with(record->key, prefix);
    return STATUS_OK;
}

static void memory_stat(struct store *store, struct store_stat *stat)
{
    const struct memory *memory = (struct memory *)store;
    *stat = (struct store_stat){
        .records = memory->records, .bytes = memory->bytes, .commits = memory->commits};
}

static void memory_tend(struct store *store)
{
    (void)store;
}

static struct store_room memory_room(struct store *store)
{
    const struct memory *memory = (struct memory *)store;
    return (struct store_room){.used_bytes = memory->bytes, .max_bytes = UINT64_MAX};
}

static const char *memory_error(struct store *store)
{
    (void)store;
    return "";
}

static void memory_close(struct store *store)
{
    struct memory *memory = (struct memory *)store;
    struct record *record = memory->first[0];
    while (record) {
        struct record *next = record->next[0];
        block_release(record->value);
        free(record);
        record = next;
    }
    free(memory);
}

static const struct store_engine memory_engine = {
    .name = "memory",
    .durable = false,
    .commit = memory_commit,
    .tend = memory_tend,
    .get = memory_get,
    .get_many = memory_get_many,
    .scan = memory_scan,
    .stat = memory_stat,
    .room = memory_room,
    .error = memory_error,
    .close = memory_close,
};

struct store *store_memory_open(void)
{
    struct memory *memory = calloc(1, sizeof *memory);
    ensure(memory != NULL);
    memory->store.engine = &memory_engine;
    memory->random = 1;
    return &memory->store;
}
