/* Results that a lane keeps for exactly-once: what a handler answered to a number, until the sender
 * says that it has the receipt. */
#ifndef MOONPOST_RESULTS_H
#define MOONPOST_RESULTS_H

#include "core/block.h"

enum { RESULTS_BYTES_MAX = 64 << 20 /* of all lanes; a further one is forgotten at once */ };

struct lane_result {
    uint64_t number;
    struct block *bytes; /* NULL: it was too much to be kept */
    uint8_t encoding;
};

struct lane_results {
    struct lane_result *items; /* by number */
    size_t count, capacity;
};

void results_free(struct lane_results *results);

#endif
