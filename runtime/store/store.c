/* What all engines share. */
#include "store/store.h"

void store_page_release(struct store_page *page)
{
    for (size_t i = 0; i < page->count; i++) block_release(page->records[i].value);
    page->count = 0;
}

struct span store_key_behind(struct span key, char *buffer)
{
    memcpy(buffer, key.bytes, key.size);
    buffer[key.size] = 0;
    return span_of(buffer, key.size + 1);
}

enum status store_load(struct store *store, struct load *load)
{
    struct store_record records[LOAD_MAX];
    for (size_t i = 0; i < load->count; i++)
        records[i].key = span_of(load->items[i].key, sizeof load->items[i].key);
    enum status status = store->engine->get_many(store, records, load->count);
    for (size_t i = 0; i < load->count && status == STATUS_OK; i++) {
        load->items[i].value = records[i].value;
        load->items[i].damaged = records[i].damaged;
    }
    return status;
}

enum status store_peek(struct store *store, struct span key, struct block **value)
{
    const struct store_engine *engine = store->engine;
    return (engine->peek ? engine->peek : engine->get)(store, key, value);
}

enum status store_peek_page(struct store *store, struct span prefix, struct span from,
                            struct store_page *page)
{
    const struct store_engine *engine = store->engine;
    return (engine->peek_page ? engine->peek_page : engine->scan)(store, prefix, from, page);
}
