/* A walk over all records of a store: checksums, forms, and whether they agree with each other. */
#ifndef MOONPOST_CHECK_H
#define MOONPOST_CHECK_H

#include "store/store.h"

struct check_counts {
    size_t records, messages, dead, facts, lanes, outboxes, epochs;
    size_t findings;
};

struct check_calls {
    void *user;
    /* Something is wrong with this record; the key is borrowed, `what` is a sentence without its
     * subject, such as "does not match its checksum". */
    void (*found)(void *user, struct span key, const char *what);
};

/* IO: the store could not be read, `error` of the store says why. */
enum status store_check(struct store *store, const struct check_calls *calls,
                        struct check_counts *counts);

#endif
