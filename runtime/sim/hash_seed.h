/* What makes a process of worlds the same in each run: the seeds of Lua's string hashes, and
 * addresses. */
#ifndef MOONPOST_HASH_SEED_H
#define MOONPOST_HASH_SEED_H

#include <stdint.h>

/* From here on all Lua states of this process draw the seeds of their hashes from one that is
 * always the same: for processes that have nothing but worlds. */
void hash_seed_fix(void);

/* While there is a world, all draw from the seed of the latest. */
void hash_seed_world_begins(uint64_t seed);
void hash_seed_world_ends(void);

/* Start this process anew without address randomisation, with the arguments of main, if that is
 * allowed and it is not so already; else return. */
void addresses_fix(char **argv);

#endif
