/* What is in handlers' hands, on a page that may outlive the process.
 *
 * Whoever runs handlers writes it with plain stores, so it costs nothing worth measuring. A node
 * with a store on disk maps it from a file (store/inhand.h): after a crash it says whose handler
 * ran. A delivery that waits has no part in a crash and leaves no record before it fails, so of
 * those only the count is here. */
#ifndef MOONPOST_INHAND_H
#define MOONPOST_INHAND_H

#include <stdint.h>
#include "core/limits.h"

struct inhand {
    uint64_t running;     /* sequence of the message whose handler runs right now; 0: none does */
    uint64_t count;       /* messages in hand, waiting ones too */
    uint64_t other_count; /* messages that the running handler has beside that one ... */
    uint64_t others[BUNDLE_MAX - 1]; /* ... and their sequences; 0: it was settled before */
};

#endif
