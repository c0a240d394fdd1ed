/* A durable home for records: keys of bytes, ordered as memcmp orders them, with values.
 *
 * Contract, the same for every engine (spec/store/contract_spec.lua runs on each):
 *   - commit is one atomic batch: after STATUS_OK all of it is there, otherwise none of it; later
 *     changes of a batch win over earlier ones of the same key.
 *   - get and scan see whole batches only.
 *   - calls may block; the shell keeps them off the loop thread where that matters. */
#ifndef MOONPOST_STORE_H
#define MOONPOST_STORE_H

#include "core/batch.h"
#include "core/status.h"

enum { STORE_PAGE_MAX = 256 /* records a scan gives at once */ };

struct store;

struct store_record {
    struct span key;     /* borrowed until the page is released */
    struct block *value; /* one reference is the page's */
};

struct store_page {
    struct store_record records[STORE_PAGE_MAX];
    size_t count;
    bool more; /* there are records behind the last one */
};

struct store_stat {
    size_t records, bytes; /* keys and values */
    uint64_t commits;
};

struct store_engine {
    const char *name;
    bool durable; /* survives its process */
    enum status (*commit)(struct store *store, const struct op *ops, size_t count);

    /* The value of a key; the block is given. NOT_FOUND. */
    enum status (*get)(struct store *store, struct span key, struct block **value);

    /* The first records whose key is `from` or behind it and begins with `prefix`. */
    enum status (*scan)(struct store *store, struct span prefix, struct span from,
                        struct store_page *page);
    void (*stat)(struct store *store, struct store_stat *stat);
    void (*close)(struct store *store);
};

struct store {
    const struct store_engine *engine;
};

/* A store that lives as long as its process. */
struct store *store_memory_open(void);

/* Release what a page holds. */
void store_page_release(struct store_page *page);

#endif
