/* A lane at the owner: which numbers of one sender's store to one address were accepted, and how
 * far they got.
 *
 *   number:  (unknown) --> accepted --> stored --> handled
 *                                          |-----> dead | expired | purged
 *
 * Numbers below `base` are closed: the sender has their final receipt. Gaps are normal. Neighbours
 * of one level are kept as one run, so a lane costs memory by what is open in it, not by how far
 * its numbers have come. */
#ifndef MOONPOST_LANE_H
#define MOONPOST_LANE_H

#include <stdbool.h>
#include "core/results.h"
#include "core/span.h"
#include "core/limits.h"

enum lane_level {
    LANE_UNKNOWN,
    LANE_ACCEPTED, /* taken, not durable yet */
    LANE_STORED,
    LANE_HANDLED,
    LANE_DEAD,
    LANE_EXPIRED,
    LANE_PURGED,
};

enum { LANE_RUNS_MAX = 65536 /* runs that a lane remembers; beyond, it takes no new number */ };

/* Numbers from `first` up to the next run's first, or to the lane's end. */
struct lane_run {
    uint64_t first;
    uint8_t level; /* enum lane_level */
};

struct lane {
    struct lane *next, *previous; /* all lanes, least recently used first */
    uint64_t handle;
    uint64_t epoch, base, end; /* the runs cover the numbers in [base, end) */
    struct lane_run *runs;     /* by first; neighbours differ in level */
    size_t run_count, run_capacity;
    bool once;                   /* opened for exactly-once */
    struct lane_results results; /* of exactly-once messages, from base on */
    uint64_t open;               /* numbers that are accepted or stored */
    uint64_t touched_batch;      /* number of the batch that will write its record */
    int64_t used_ms;
    uint8_t origin_size;
    uint8_t destination_size;
    char key[ORIGIN_BYTES_MAX + sizeof(uint64_t) +
             ADDRESS_BYTES_MAX]; /* origin, epoch, destination */
};

enum { LANE_KEY_MAX = ORIGIN_BYTES_MAX + 8 + ADDRESS_BYTES_MAX };

/* Compose the key of a lane; answers a span into `buffer` (LANE_KEY_MAX bytes). */
struct span lane_key(char *buffer, struct span origin, uint64_t epoch, struct span destination);

struct lane *lane_new(struct span origin, uint64_t epoch, struct span destination, uint64_t base);
void lane_free(struct lane *lane);

struct span lane_key_of(const struct lane *lane);
struct span lane_origin(const struct lane *lane);
struct span lane_destination(const struct lane *lane);

/* Add the numbers [first, end), which begin where the lane ends, at one level. */
void lane_fill(struct lane *lane, uint64_t first, uint64_t end, enum lane_level level);

/* The sender has the final receipts of all numbers below `base`: forget them. */
void lane_advance(struct lane *lane, uint64_t base);

/* How far the number got; numbers below base answer LANE_HANDLED. */
enum lane_level lane_level(const struct lane *lane, uint64_t number);

/* Every number from base up to this one, itself not included, is known. */
bool lane_is_whole(const struct lane *lane, uint64_t number);

/* Whether the lane can remember one more number. */
bool lane_has_room(const struct lane *lane);

/* Note the level of a number at or above base; a level never goes back. */
void lane_set(struct lane *lane, uint64_t number, enum lane_level level);

/* No number is between accepted and its end. */
bool lane_is_closed(const struct lane *lane);

#endif
