/* Sequence numbers in chunks of a page. */
#include "core/sequences.h"

#include <stdlib.h>
#include "core/ensure.h"

enum { CHUNK_NUMBERS = 511 /* with the pointer, 4 KiB */ };

struct sequence_chunk {
    struct sequence_chunk *next;
    uint64_t numbers[CHUNK_NUMBERS];
};

static void grow(struct sequences *sequences)
{
    struct sequence_chunk *chunk = malloc(sizeof *chunk);
    ensure(chunk != NULL);
    chunk->next = NULL;
    *(sequences->last ? &sequences->last->next : &sequences->first) = chunk;
    sequences->last = chunk;
    sequences->filled = 0;
}

void sequences_push(struct sequences *sequences, uint64_t sequence)
{
    if (!sequences->last || sequences->filled == CHUNK_NUMBERS) grow(sequences);
    sequences->last->numbers[sequences->filled++] = sequence;
    sequences->count++;
}

uint64_t sequences_first(const struct sequences *sequences)
{
    ensure(sequences->count > 0);
    return sequences->first->numbers[sequences->taken];
}

static void drop_first(struct sequences *sequences)
{
    struct sequence_chunk *gone = sequences->first;
    sequences->first = gone->next;
    if (!sequences->first) sequences->last = NULL;
    sequences->taken = 0;
    free(gone);
}

uint64_t sequences_take(struct sequences *sequences)
{
    uint64_t sequence = sequences_first(sequences);
    sequences->taken++;
    sequences->count--;
    if (sequences->taken == CHUNK_NUMBERS || sequences->count == 0) drop_first(sequences);
    return sequence;
}

/* Where the numbers of a chunk end. */
static size_t chunk_end(const struct sequences *sequences, const struct sequence_chunk *chunk)
{
    return chunk == sequences->last ? sequences->filled : CHUNK_NUMBERS;
}

struct sequence_cursor sequences_behind(const struct sequences *sequences, uint64_t sequence)
{
    struct sequence_cursor cursor = {sequences->first, sequences->taken};
    while (cursor.chunk && cursor.chunk != sequences->last &&
           cursor.chunk->numbers[CHUNK_NUMBERS - 1] <= sequence)
        cursor = (struct sequence_cursor){cursor.chunk->next, 0};
    for (uint64_t at; (at = sequences_at(sequences, cursor)) && at <= sequence;)
        sequences_next(&cursor);
    return cursor;
}

uint64_t sequences_at(const struct sequences *sequences, struct sequence_cursor cursor)
{
    if (!cursor.chunk || cursor.at >= chunk_end(sequences, cursor.chunk)) return 0;
    return cursor.chunk->numbers[cursor.at];
}

void sequences_next(struct sequence_cursor *cursor)
{
    if (++cursor->at < CHUNK_NUMBERS) return;
    *cursor = (struct sequence_cursor){cursor->chunk->next, 0};
}

void sequences_deinit(struct sequences *sequences)
{
    while (sequences->first) drop_first(sequences);
    sequences->count = 0;
}
