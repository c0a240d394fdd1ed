/* What went wrong and what to do about it, as one sentence for people. */
#ifndef MOONPOST_COMPLAINT_H
#define MOONPOST_COMPLAINT_H

#include <stdbool.h>
#include "core/span.h"

struct complaint {
    char text[1024]; /* cut off when longer */
    bool usage;      /* the command was called wrongly */
};

/* Write the sentence; answers false, so that `return complain(...)` reads well. */
bool complain(struct complaint *complaint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline struct span complaint_span(const struct complaint *complaint)
{
    return span_text(complaint->text);
}

#endif
