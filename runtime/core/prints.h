/* Fingerprints of keys, oldest first: an index of records in the store that does not hold the keys.
 * A hit has to be confirmed by the record. 32 bytes a key: a ring of what is remembered, and a hash
 * table (open addressing) of places in the ring. */
#ifndef MOONPOST_PRINTS_H
#define MOONPOST_PRINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct print {
    uint64_t sequence;    /* of its record; 0: taken out */
    uint64_t fingerprint; /* a hash of the key */
    int64_t forget_ms;    /* INT64_MAX: never */
};

struct prints {
    struct print *ring; /* by number & (capacity - 1) */
    uint32_t *slots;    /* number & (capacity - 1), plus one; 0: free */
    size_t capacity;    /* of the ring: a power of two, or 0; of the slots twice as much */
    uint64_t first, end;
    size_t count; /* without those taken out */
};

void prints_add(struct prints *prints, const struct print *print);

/* The next one with this fingerprint, or NULL. Begin with `*cursor` 0. */
const struct print *prints_next(const struct prints *prints, uint64_t fingerprint, size_t *cursor);

/* The oldest, or NULL. */
const struct print *prints_oldest(const struct prints *prints);
void prints_drop_oldest(struct prints *prints);

/* Take out the one of this record. */
void prints_remove(struct prints *prints, uint64_t fingerprint, uint64_t sequence);
void prints_deinit(struct prints *prints);

#endif
