/* What a node of a world keeps its store on. It outlives the node: what was committed is there at
 * the next start, and nothing else. Each record carries the sum that a disk's has, so a flipped bit
 * is found. */
#ifndef MOONPOST_MEDIUM_H
#define MOONPOST_MEDIUM_H

#include "store/store.h"

/* Lying: it says that a commit is done, and keeps nothing of it. */
enum medium_state { MEDIUM_OK, MEDIUM_FULL, MEDIUM_FAILING, MEDIUM_LYING };

struct medium {
    struct store *image; /* what is durable */
    enum medium_state state;
    int64_t commit_ms_max; /* a commit takes up to so long */
    uint64_t commits;      /* that were done */
    uint64_t fails_at;     /* the commit of this number fails, once; 0: none */
};

struct medium *medium_new(void);
void medium_free(struct medium *medium);

/* A store on it, for one life of a node: closing it leaves the medium as it is. */
struct store *medium_open(struct medium *medium);

/* What a process that died had handed to its disk was written after all. */
void medium_keep(struct medium *medium, const struct batch *batch);

/* One bit of one record changes. Answers the kind of the record, or 0: there is none of this kind
 * (0: of any but the identity). */
char medium_flip(struct medium *medium, char kind, uint64_t draw);

#endif
