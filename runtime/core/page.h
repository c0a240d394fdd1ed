/* What a request of $node that takes more than one step comes to: a page of a queue, or how much
 * was purged. */
#ifndef MOONPOST_PAGE_H
#define MOONPOST_PAGE_H

#include "core/block.h"

enum { PAGE_MAX = 256 /* messages of a page */ };

struct page_item {
    uint64_t sequence;
    struct block *block;  /* the message; one reference is the page's */
    struct block *reason; /* of its latest failure, or NULL */
    uint8_t state;        /* enum entry_state */
    uint8_t code;         /* enum code, of that failure */
    bool in_store;        /* its body was not in memory */
    uint32_t attempt;     /* deliveries begun, or transmissions that went unanswered */
    int64_t first_ms, due_ms, expires_ms; /* INT64_MAX: never */
};

struct page {
    size_t count, capacity;
    struct page_item *items;
    uint64_t after; /* the sequence to go on after; 0: those were all */
    bool outbox;
    size_t purged;
    uint64_t last; /* of a purge: messages up to this sequence are to go */
};

void page_deinit(struct page *page);

#endif
