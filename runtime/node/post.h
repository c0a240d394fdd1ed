/* Events waiting for the next step, with copies of everything they point at. */
#ifndef MOONPOST_POST_H
#define MOONPOST_POST_H

#include "core/event.h"

struct post {
    struct event *events;
    size_t count, capacity;
    struct arena arena;
};

/* Append a deep copy of the event. */
void post_add(struct post *post, const struct event *event);

/* Forget all events, keeping the memory. */
void post_reset(struct post *post);
void post_deinit(struct post *post);

#endif
