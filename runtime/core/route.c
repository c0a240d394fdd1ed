/* Which way a message goes, and the way back for its receipts.
 *
 * An address is served here, or by whoever attached it over a link, or is looked for upstream, at
 * the nodes that we dialled. Receipts go back to the link over which the sender's store was last
 * heard; that is learned from the data frames themselves. */
#include "core/parts.h"

#include <stdio.h>

enum {
    NAME_COLUMNS = 64,         /* longer names are not compared */
    NEAREST_CANDIDATES = 1000, /* a hint is not worth looking at more */
};

static struct link *upstream_link(const struct engine *engine, uint32_t turn,
                                  const struct link *from)
{
    struct link *first = NULL;
    uint32_t up = 0;
    for (struct link *link = engine->links; link; link = link->next)
        if (link->settings && link->state == LINK_UP && link != from) up++;
    if (up == 0) return NULL;
    turn %= up;
    for (struct link *link = engine->links; link && !first; link = link->next)
        if (link->settings && link->state == LINK_UP && link != from && turn-- == 0) first = link;
    return first;
}

struct link *route_to(struct engine *engine, struct span address, uint32_t turn,
                      const struct link *from, bool *upstream)
{
    struct attachment *held = route_attachment(engine, address);
    *upstream = !held;
    if (held) return held->link->state == LINK_UP && held->link != from ? held->link : NULL;
    return upstream_link(engine, turn, from);
}

static bool has_upstream(const struct engine *engine)
{
    for (const struct link *link = engine->links; link; link = link->next)
        if (link->settings && link->state != LINK_FAILED) return true;
    return false;
}

enum code route_missing(struct engine *engine, struct span address, struct span *reason)
{
    if (route_attachment(engine, address) || has_upstream(engine)) {
        *reason = span_text("the link is down");
        return CODE_UNREACHABLE;
    }
    struct span nearest = route_nearest(engine, address);
    *reason = nearest.size == 0 ? engine_format(engine, "no agent at \"%.*s\"", SPAN_ARGS(address))
                                : engine_format(engine, "no agent at \"%.*s\"; did you mean %.*s?",
                                                SPAN_ARGS(address), SPAN_ARGS(nearest));
    return CODE_NO_ROUTE;
}

/* ---- the way back ---- */

void route_learn(struct engine *engine, struct span origin, struct link *link)
{
    struct origin_route *known = map_find(&engine->origins, origin);
    if (!known) {
        known = calloc(1, sizeof *known + origin.size);
        ensure(known != NULL);
        memcpy(known + 1, origin.bytes, origin.size);
        known->origin = span_of((char *)(known + 1), origin.size);
        map_add(&engine->origins, known->origin, known);
    }
    known->link = link;
    known->session = link->session;
}

struct link *route_back(struct engine *engine, struct span origin)
{
    struct origin_route *known = map_find(&engine->origins, origin);
    if (!known || !known->link || known->link->session != known->session) return NULL;
    return known->link->state == LINK_UP ? known->link : NULL;
}

/* ---- attachments ---- */

struct attachment *route_attachment(const struct engine *engine, struct span address)
{
    return map_find(&engine->attachments, address);
}

void route_attach(struct engine *engine, struct span address, struct link *link)
{
    struct attachment *held = calloc(1, sizeof *held + address.size);
    ensure(held != NULL);
    memcpy(held + 1, address.bytes, address.size);
    held->address = span_of((char *)(held + 1), address.size);
    held->link = link;
    held->next = engine->attached;
    engine->attached = held;
    map_add(&engine->attachments, held->address, held);
}

static void attachment_free(struct engine *engine, struct attachment **slot)
{
    struct attachment *held = *slot;
    *slot = held->next;
    map_remove(&engine->attachments, held->address);
    free(held);
}

void route_detach(struct engine *engine, struct span address)
{
    session_detach(engine, address);
    for (struct attachment **slot = &engine->attached; *slot; slot = &(*slot)->next)
        if (span_equal((*slot)->address, address)) {
            attachment_free(engine, slot);
            return;
        }
}

/* Ways back over this link lead nowhere now; they are kept few by dropping them all. */
static void forget_origins(struct engine *engine, struct link *link)
{
    for (size_t i = 0; i < engine->origins.capacity; i++) {
        struct origin_route *known = engine->origins.slots[i].value;
        if (!known || known->link != link) continue;
        map_remove(&engine->origins, known->origin);
        free(known);
        i--; /* the removal may have moved another one here */
    }
}

void route_link_gone(struct engine *engine, struct link *link)
{
    struct attachment **slot = &engine->attached;
    while (*slot) {
        if ((*slot)->link != link) {
            slot = &(*slot)->next;
            continue;
        }
        session_detach(engine, (*slot)->address);
        attachment_free(engine, slot);
    }
    forget_origins(engine, link);
}

void route_free(struct engine *engine)
{
    while (engine->attached) attachment_free(engine, &engine->attached);
    map_deinit(&engine->attachments);
    for (size_t i = 0; i < engine->origins.capacity; i++) free(engine->origins.slots[i].value);
    map_deinit(&engine->origins);
}

/* ---- did you mean ---- */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned two = a < b ? a : b;
    return two < c ? two : c;
}

/* Edits that make one name into the other (Levenshtein, one row at a time). */
static unsigned edit_distance(struct span a, struct span b)
{
    unsigned row[NAME_COLUMNS + 1];
    if (a.size > NAME_COLUMNS || b.size > NAME_COLUMNS) return UINT32_MAX;
    for (unsigned j = 0; j <= b.size; j++) row[j] = j;
    for (unsigned i = 1; i <= a.size; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.size; j++) {
            unsigned above = row[j];
            unsigned change = diagonal + (a.bytes[i - 1] != b.bytes[j - 1]);
            row[j] = least(above + 1, row[j - 1] + 1, change);
            diagonal = above;
        }
    }
    return row[b.size];
}

static void consider(struct span address, struct span candidate, unsigned *best,
                     struct span *nearest)
{
    size_t longer = address.size > candidate.size ? address.size : candidate.size;
    if (longer - (address.size + candidate.size - longer) >= *best) return;
    unsigned distance = edit_distance(address, candidate);
    if (distance == 0 || distance >= *best) return;
    *best = distance;
    *nearest = candidate;
}

struct span route_nearest(const struct engine *engine, struct span address)
{
    struct span nearest = span_of(NULL, 0);
    unsigned best = (unsigned)(address.size < NAME_COLUMNS ? address.size : NAME_COLUMNS) / 3 + 2;
    int left = NEAREST_CANDIDATES;
    for (const struct queue *queue = engine->queues; queue && left > 0; queue = queue->next, left--)
        if (queue->kind == QUEUE_MAILBOX && queue->agent.agent)
            consider(address, queue->name, &best, &nearest);
    for (const struct attachment *held = engine->attached; held && left > 0;
         held = held->next, left--)
        consider(address, held->address, &best, &nearest);
    return nearest;
}
