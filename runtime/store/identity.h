/* Who a node is, kept in its store: made once, and an epoch that grows at every start. */
#ifndef MOONPOST_IDENTITY_H
#define MOONPOST_IDENTITY_H

#include "core/limits.h"
#include "store/store.h"

struct identity {
    char store_id[STORE_ID_BYTES];
    uint64_t epoch;                   /* 0: this store was never used */
    char name[ADDRESS_BYTES_MAX + 1]; /* "": it has none */
};

/* Read it; of a store without one it is all zero. DAMAGED, IO. */
enum status identity_read(struct store *store, struct identity *identity);

/* Write it, in a commit of its own. What `commit` of the store fails of. */
enum status identity_write(struct store *store, const struct identity *identity);

#endif
