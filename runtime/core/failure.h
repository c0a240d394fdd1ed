/* What is remembered of each failed attempt of a message. */
#ifndef MOONPOST_FAILURE_H
#define MOONPOST_FAILURE_H

#include "core/queue.h"

struct failure_note {
    struct failure_note *older;
    uint32_t attempt;
    int64_t at_ms;
    uint8_t code;
    size_t size;                         /* of the whole note, in bytes */
    struct span word, reason, traceback; /* owned, behind the struct */
};

/* Note a failure of the entry, which stands in a queue; texts are copied and cut at their limits.
 * Of more than FAILURES_KEPT the first and the newest are kept: the attempt numbers show the gap.
 * Notes count in the bytes of their queue. */
void failure_add(struct entry *entry, uint32_t attempt, int64_t now_ms, uint8_t code,
                 struct span word, struct span reason, struct span traceback);

/* Forget all failures of the entry. */
void failure_clear(struct entry *entry);

#endif
