/* Bytes to pointer: a hash table with open addressing. Keys are borrowed from the values they lead
 * to and must live as long as they are in the map. Iteration order is not defined, so nothing that
 * leaves the engine may come from it. */
#ifndef MOONPOST_MAP_H
#define MOONPOST_MAP_H

#include "core/span.h"

struct map_slot {
    struct span key;
    void *value; /* NULL: free */
    uint64_t hash;
};

struct map {
    struct map_slot *slots;
    size_t count, capacity; /* capacity is 0 or a power of two */
    uint64_t seed;          /* of the hash; set before the first use */
    struct map_slot last;   /* a copy of what was found last: it is often asked for again */
};

/* The hash of a key in this map. */
uint64_t map_hash(const struct map *map, struct span key);

/* The value of the key, or NULL. */
void *map_find(const struct map *map, struct span key);

/* The same for a key that is often asked for twice in a row: the map remembers what it found. */
void *map_find_again(struct map *map, struct span key);

/* Add a key that is not there yet; value is not NULL. */
void map_add(struct map *map, struct span key, void *value);

/* Remove a key; answers its value, or NULL when it was not there. */
void *map_remove(struct map *map, struct span key);

void map_deinit(struct map *map);

#endif
