/* A durable home for records: keys of bytes, ordered as memcmp orders them, with values.
 *
 * Contract, the same for every engine (spec/store/contract_spec.lua runs on each):
 *   - commit is one atomic batch: after STATUS_OK all of it is there, otherwise none of it; later
 *     changes of a batch win over earlier ones of the same key.
 *   - get, get_many and scan see whole batches only.
 *   - calls may block; the shell keeps them off the loop thread where that matters. One thread at a
 *     time uses a store.
 *   - a record whose bytes are not those that were put is `damaged`: it is given as it is, so that
 *     whoever reads can set it aside and go on.
 *   - keys have 1 to STORE_KEY_MAX bytes; the key "\0moonpost" is the engine's own. */
#ifndef MOONPOST_STORE_H
#define MOONPOST_STORE_H

#include "core/batch.h"
#include "core/load.h"
#include "core/status.h"

enum {
    STORE_KEY_MAX = 511,
    STORE_PAGE_MAX = 256,       /* records a scan gives at once */
    STORE_PAGE_BYTES = 4 << 20, /* a page ends with the record that reaches this size */
    STORE_ERROR_BYTES = 512,    /* a sentence about what went wrong */
};

struct store;

struct store_record {
    struct span key;     /* of a page: borrowed until it is released; of get_many: the caller's */
    struct block *value; /* one reference is the page's or, of get_many, given; NULL: not there */
    bool damaged;        /* the value is not what was put */
};

struct store_page {
    struct store_record records[STORE_PAGE_MAX];
    size_t count;
    bool more; /* there are records behind the last one */
};

struct store_stat {
    size_t records;
    size_t bytes;     /* keys and values; of an engine on disk: the pages they take */
    uint64_t commits; /* since it was opened */
    /* Of an engine on disk, else 0. */
    uint64_t map_bytes, file_bytes, max_bytes;
    uint64_t used_pages, free_pages, page_bytes;
    uint64_t format;
};

/* What is left. From `full` on nothing new may be accepted: the rest is for settling what is there,
 * since a change to a store on disk, even a deletion, needs free pages. */
struct store_room {
    uint64_t used_bytes, max_bytes; /* max: what it may grow to; UINT64_MAX: no bound */
    bool full;
};

struct store_engine {
    const char *name;
    bool durable; /* survives its process */
    bool relaxed; /* a power cut may undo the last commits */

    /* FULL, IO: `error` says why; what is on disk is unknown then, and no other call is allowed but
     * `error` and `close`. Keys, heads and values are only read. */
    enum status (*commit)(struct store *store, const struct op *ops, size_t count);

    /* What can wait until the result of a commit was told: growing ahead, giving memory back. */
    void (*tend)(struct store *store);

    /* The value of a key; the block is given, also when it is DAMAGED. NOT_FOUND, IO. */
    enum status (*get)(struct store *store, struct span key, struct block **value);

    /* The values of many keys, as they were at one moment. IO: none was given. */
    enum status (*get_many)(struct store *store, struct store_record *records, size_t count);

    /* The first records whose key is `from` or behind it and begins with `prefix`. IO: the page is
     * empty. */
    enum status (*scan)(struct store *store, struct span prefix, struct span from,
                        struct store_page *page);

    /* The same as get and scan, from a thread beside the one that uses the store, at any time; NULL
     * where those can be used so. A failed read finds nothing. */
    enum status (*peek)(struct store *store, struct span key, struct block **value);
    enum status (*peek_page)(struct store *store, struct span prefix, struct span from,
                             struct store_page *page);
    void (*stat)(struct store *store, struct store_stat *stat);
    struct store_room (*room)(struct store *store);

    /* What the last failed call failed of, and what to do about it; "" when none did. Borrowed
     * until the next call. */
    const char *(*error)(struct store *store);
    void (*close)(struct store *store);
};

struct store {
    const struct store_engine *engine;
};

/* Give a page of messages their values, as they are at one moment. IO: it has none. */
enum status store_load(struct store *store, struct load *load);

/* See `peek` and `peek_page`. */
enum status store_peek(struct store *store, struct span key, struct block **value);
enum status store_peek_page(struct store *store, struct span prefix, struct span from,
                            struct store_page *page);

/* A store that lives as long as its process. */
struct store *store_memory_open(void);

/* The key right behind this one, in `buffer` (STORE_KEY_MAX + 1 bytes): where the next page begins.
 */
struct span store_key_behind(struct span key, char *buffer);

/* Release what a page holds. */
void store_page_release(struct store_page *page);

#endif
