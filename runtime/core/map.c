/* Open addressing with linear probing; removal shifts the run back, so there are no tombstones. */
#include "core/map.h"

#include <stdlib.h>
#include "core/ensure.h"

enum { MAP_FIRST = 16 };

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

/* Eight bytes at a time through a multiply-and-fold mix (after Rich Felker's and Pelle Evensen's
 * published mixers), keyed by the map's seed. */
uint64_t map_hash(const struct map *map, struct span key)
{
    uint64_t hash = map->seed ^ (key.size * 0x9e3779b97f4a7c15u);
    const char *at = key.bytes;
    size_t left = key.size;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = mix(hash ^ word) * 0x9e3779b97f4a7c15u;
    }
    uint64_t word = 0;
    if (left > 0) memcpy(&word, at, left);
    return mix(mix(hash ^ word) * 0x9e3779b97f4a7c15u);
}

static size_t map_probe(const struct map *map, struct span key, uint64_t hash)
{
    size_t at = hash & (map->capacity - 1);
    while (map->slots[at].value) {
        const struct map_slot *slot = &map->slots[at];
        if (slot->hash == hash && span_equal(slot->key, key)) break;
        at = (at + 1) & (map->capacity - 1);
    }
    return at;
}

void *map_find(const struct map *map, struct span key)
{
    if (map->count == 0) return NULL;
    return map->slots[map_probe(map, key, map_hash(map, key))].value;
}

void *map_find_again(struct map *map, struct span key)
{
    if (map->count == 0) return NULL;
    if (map->last.value && span_equal(map->last.key, key)) return map->last.value;
    map->last = map->slots[map_probe(map, key, map_hash(map, key))];
    return map->last.value;
}

static void map_grow(struct map *map)
{
    struct map old = *map;
    map->capacity = old.capacity ? old.capacity * 2 : MAP_FIRST;
    map->slots = calloc(map->capacity, sizeof *map->slots);
    ensure(map->slots != NULL);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].value)
            map->slots[map_probe(map, old.slots[i].key, old.slots[i].hash)] = old.slots[i];
    free(old.slots);
}

void map_add(struct map *map, struct span key, void *value)
{
    ensure(value != NULL);
    if ((map->count + 1) * 4 > map->capacity * 3) map_grow(map);
    uint64_t hash = map_hash(map, key);
    size_t at = map_probe(map, key, hash);
    ensure(!map->slots[at].value);
    map->slots[at] = (struct map_slot){key, value, hash};
    map->count++;
}

/* Close the gap at `hole`: move back whatever could not stand where it belongs. */
static void map_shift(struct map *map, size_t hole)
{
    size_t mask = map->capacity - 1;
    for (size_t at = (hole + 1) & mask; map->slots[at].value; at = (at + 1) & mask) {
        size_t home = map->slots[at].hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        map->slots[hole] = map->slots[at];
        hole = at;
    }
    map->slots[hole] = (struct map_slot){0};
}

void *map_remove(struct map *map, struct span key)
{
    if (map->count == 0) return NULL;
    map->last.value = NULL;
    size_t at = map_probe(map, key, map_hash(map, key));
    void *value = map->slots[at].value;
    if (!value) return NULL;
    map_shift(map, at);
    map->count--;
    return value;
}

void map_deinit(struct map *map)
{
    free(map->slots);
    *map = (struct map){.seed = map->seed};
}
