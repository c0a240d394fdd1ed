/* What is remembered of each failed attempt of a message. */
#ifndef MOONPOST_FAILURE_H
#define MOONPOST_FAILURE_H

#include "core/queue.h"

struct failure_note {
    struct failure_note *older;
    uint32_t attempt;
    int64_t at_ms;
    uint8_t code;
    struct span word, reason, traceback; /* owned, behind the struct */
};

/* Note a failure of the entry; texts are copied and cut at their limits. */
void failure_add(struct entry *entry, uint32_t attempt, int64_t now_ms, uint8_t code,
                 struct span word, struct span reason, struct span traceback);

/* Forget all failures of the entry. */
void failure_clear(struct entry *entry);

#endif
