/* What a fuzzer gives, as a tape of small decisions. A tape that has run out answers zeros, so that
 * every input is a whole play. */
#ifndef MOONPOST_FUZZ_TAPE_H
#define MOONPOST_FUZZ_TAPE_H

#include <stdbool.h>
#include "core/ensure.h"
#include "core/span.h"

/* What libFuzzer and replay.c call: one input. Whatever is wrong aborts. Answers 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct tape {
    const uint8_t *at, *end;
};

static inline struct tape tape_of(const uint8_t *bytes, size_t size)
{
    return (struct tape){bytes, bytes + size};
}

static inline bool tape_ended(const struct tape *tape)
{
    return tape->at == tape->end;
}

static inline uint8_t tape_byte(struct tape *tape)
{
    return tape_ended(tape) ? 0 : *tape->at++;
}

/* One of 0 .. count - 1. */
static inline unsigned tape_choice(struct tape *tape, unsigned count)
{
    return tape_byte(tape) % count;
}

static inline bool tape_bit(struct tape *tape)
{
    return tape_byte(tape) & 1;
}

/* Any number, big-endian, of so many bytes. */
static inline uint64_t tape_number(struct tape *tape, int bytes)
{
    uint64_t number = 0;
    while (bytes-- > 0) number = number << 8 | tape_byte(tape);
    return number;
}

/* The next bytes of the tape; fewer at its end. */
static inline struct span tape_span(struct tape *tape, size_t size)
{
    size_t left = (size_t)(tape->end - tape->at);
    if (size > left) size = left;
    struct span span = span_of((const char *)tape->at, size);
    tape->at += size;
    return span;
}

#endif
