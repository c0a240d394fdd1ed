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

/* A place among the numbers; it holds until one of them is taken. */
struct sequence_cursor {
    const struct sequence_chunk *chunk;
    size_t at;
};

/* The place of the first number that is larger than `sequence`. */
struct sequence_cursor sequences_behind(const struct sequences *sequences, uint64_t sequence);

/* The number at this place, 0: there is none; move on. */
uint64_t sequences_at(const struct sequences *sequences, struct sequence_cursor cursor);
void sequences_next(struct sequence_cursor *cursor);

void sequences_deinit(struct sequences *sequences);

#endif
