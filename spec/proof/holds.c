/* What a store holds: a line "pending NUMBER" or "dead NUMBER" for each message of the sender
 * (sender.c), in the order in which they were stored.
 *
 *   holds FOLDER */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/record.h"
#include "store/store_lmdb.h"

/* The number in the id "<m-NUMBER>"; 0: it is none of the sender's. */
static unsigned long long number_in(const struct block *value)
{
    char text[24] = "";
    const char *at = memmem(value->bytes, value->size, "<m-", 3);
    if (!at || value->size - (size_t)(at - value->bytes) < sizeof text) return 0;
    memcpy(text, at + 3, sizeof text - 1);
    return strtoull(text, NULL, 10);
}

static bool is_dead(struct store *store, uint64_t sequence)
{
    char key[RECORD_KEY_MAX];
    struct block *value;
    enum status status = store->engine->get(store, record_key(key, RECORD_DEAD, sequence), &value);
    if (status == STATUS_OK) block_release(value);
    return status == STATUS_OK;
}

static void tell(struct store *store, const struct store_record *record)
{
    unsigned long long number = number_in(record->value);
    bool dead = is_dead(store, record_sequence(record->key));
    if (number && !record->damaged) printf("%s %llu\n", dead ? "dead" : "pending", number);
}

static bool tell_page(struct store *store, char *from, size_t *size)
{
    static struct store_page page;
    struct span prefix = span_text("m");
    if (store->engine->scan(store, prefix, span_of(from, *size), &page) != STATUS_OK) exit(1);
    for (size_t i = 0; i < page.count; i++) tell(store, &page.records[i]);
    if (page.more) *size = store_key_behind(page.records[page.count - 1].key, from).size;
    bool more = page.more;
    store_page_release(&page);
    return more;
}

int main(int argc, char **argv)
{
    char error[STORE_ERROR_BYTES], from[STORE_KEY_MAX + 1];
    size_t size = 0;
    if (argc != 2) return 2;
    struct store_lmdb_options options = {.folder = argv[1], .read_only = true};
    struct store *store = store_lmdb_open(&options, error);
    if (!store) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    while (tell_page(store, from, &size)) continue;
    store->engine->close(store);
    return 0;
}
