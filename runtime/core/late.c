/* What a fault makes late or double on its way to a link. Only hooks that are faults ask for it; no
 * frame is ever held back otherwise. A link that goes down loses what is late on it, like all that
 * is on its way. */
#include <stdlib.h>
#include "core/parts.h"

enum { BEHIND_MS = 500 /* what is to be overtaken waits no longer for somebody who does */ };

struct late {
    struct deadline deadline;
    struct link *link;
    struct late *next;
    bool behind; /* the next frame that passes overtakes it */
    struct block *frame;
};

static void late_free(struct engine *engine, struct late *late)
{
    struct late **slot = &late->link->late;
    while (*slot != late) slot = &(*slot)->next;
    *slot = late->next;
    heap_clear(&engine->deadlines, &late->deadline);
    block_release(late->frame);
    free(late);
}

void late_link_gone(struct engine *engine, struct link *link)
{
    while (link->late) late_free(engine, link->late);
}

/* Behind all that is late on the link already, so that it keeps its order. */
static struct late *late_add(struct engine *engine, struct link *link, struct span frame,
                             int64_t delay_ms)
{
    struct late *late = calloc(1, sizeof *late), **slot = &link->late;
    ensure(late != NULL);
    late->deadline.kind = DEADLINE_LATE;
    late->link = link;
    late->frame = block_copy(frame);
    while (*slot) slot = &(*slot)->next;
    *slot = late;
    heap_set(&engine->deadlines, &late->deadline, after_ms(engine->now_ms, (uint64_t)delay_ms));
    return late;
}

void late_deadline(struct engine *engine, struct deadline *deadline)
{
    struct late *late = (struct late *)((char *)deadline - offsetof(struct late, deadline));
    if (late->link->state == LINK_UP) buffer_put(&late->link->out, block_span(late->frame));
    late_free(engine, late);
}

/* Who was to be overtaken has been. */
static void let_follow(struct engine *engine, struct link *link)
{
    for (struct late *late = link->late, *next; late; late = next) {
        next = late->next;
        if (late->behind) late_deadline(engine, &late->deadline);
    }
}

void late_apply(struct engine *engine, struct link *link, size_t from, const struct fate *fate)
{
    struct span all = buffer_span(&link->out), frame = span_of(all.bytes + from, all.size - from);
    if (fate->delay_ms > 0 || fate->behind) {
        int64_t delay_ms = fate->delay_ms > 0 ? fate->delay_ms : BEHIND_MS;
        late_add(engine, link, frame, delay_ms)->behind = fate->behind;
        if (fate->twice) late_add(engine, link, frame, delay_ms);
        link->out.used = from;
        return;
    }
    if (fate->twice) {
        struct block *copy = block_copy(frame);
        buffer_put(&link->out, block_span(copy));
        block_release(copy);
    }
    if (link->late) let_follow(engine, link);
}
