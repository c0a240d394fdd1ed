/* A page of messages on its way from the store into memory. The engine fills in the sequences,
 * hands it out with EFFECT_LOAD and gets it back with EVENT_LOADED; in between it belongs to the
 * shell. */
#ifndef MOONPOST_LOAD_H
#define MOONPOST_LOAD_H

#include "core/block.h"

enum { LOAD_MAX = 256 /* messages of a page */ };

struct queue;
struct chain;

struct load_item {
    uint64_t sequence;
    char key[9];         /* of its record */
    struct block *value; /* answer, given: the record; NULL: it is not there */
    bool damaged;        /* answer: the value is not what was put */
};

enum load_use {
    LOAD_TO_WAIT,
    LOAD_TO_JOIN, /* `chain` */
    LOAD_TO_PURGE,
    LOAD_TO_PEEK,
    LOAD_FOR_NOBODY, /* what it has is asked for anew */
};

struct load {
    struct queue *queue; /* the engine's business, like `use` */
    enum load_use use;
    struct chain *chain;
    uint64_t request; /* to peek: whose */
    size_t count;
    struct load_item items[LOAD_MAX];
};

struct load *load_new(struct queue *queue);

/* Releases the values it holds. */
void load_free(struct load *load);

#endif
