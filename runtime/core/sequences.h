/* Sequence numbers in order, eight bytes each: what is left of messages whose bodies are not in
 * memory. Numbers come in at the end and leave at the front. */
#ifndef MOONPOST_SEQUENCES_H
#define MOONPOST_SEQUENCES_H

#include <stddef.h>
#include <stdint.h>

struct sequence_chunk;

struct sequences {
    struct sequence_chunk *first, *last;
    size_t taken, filled; /* of the first chunk, and of the last one */
    size_t count;
};

/* Add a number behind all others. */
void sequences_push(struct sequences *sequences, uint64_t sequence);

/* The first number; there must be one. */
uint64_t sequences_first(const struct sequences *sequences);

/* Take the first number; there must be one. */
uint64_t sequences_take(struct sequences *sequences);

void sequences_deinit(struct sequences *sequences);

#endif
