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
    bool known = route_attachment(engine, address) != NULL;
    bool down = known || has_upstream(engine);
    struct span what = down ? span_text("the link is down")
                            : engine_format(engine, "no agent at \"%.*s\"", SPAN_ARGS(address));
    struct span nearest = known ? span_of(NULL, 0) : route_nearest(engine, address);
    *reason = nearest.size == 0 ? what
                                : engine_format(engine, "%.*s; did you mean %.*s?", SPAN_ARGS(what),
                                                SPAN_ARGS(nearest));
    return down ? CODE_UNREACHABLE : CODE_NO_ROUTE;
}

/* ---- the way back ---- */

static void unlist(struct engine *engine, struct origin_route *known)
{
    *(known->older ? &known->older->newer : &engine->origin_oldest) = known->newer;
    *(known->newer ? &known->newer->older : &engine->origin_newest) = known->older;
}

static void list_newest(struct engine *engine, struct origin_route *known)
{
    known->newer = NULL;
    known->older = engine->origin_newest;
    *(known->older ? &known->older->newer : &engine->origin_oldest) = known;
    engine->origin_newest = known;
}

static void origin_forget(struct engine *engine, struct origin_route *known)
{
    unlist(engine, known);
    map_remove(&engine->origins, known->origin);
    free(known);
}

static struct origin_route *origin_new(struct engine *engine, struct span origin)
{
    if (engine->origins.count >= ORIGINS_MAX) origin_forget(engine, engine->origin_oldest);
    struct origin_route *known = calloc(1, sizeof *known + origin.size);
    ensure(known != NULL);
    memcpy(known + 1, origin.bytes, origin.size);
    known->origin = span_of((char *)(known + 1), origin.size);
    map_add(&engine->origins, known->origin, known);
    list_newest(engine, known);
    return known;
}

/* An origin begins with its store's id, and the hello of this link had that id. */
static bool is_own_origin(const struct link *link, struct span origin)
{
    return origin.size >= STORE_ID_BYTES &&
           memcmp(link->store_id, origin.bytes, STORE_ID_BYTES) == 0;
}

static bool may_teach(const struct engine *engine, const struct origin_route *known,
                      const struct link *link)
{
    if (!known->link || known->link == link || known->link->state != LINK_UP) return true;
    if (is_own_origin(link, known->origin)) return true;
    return !is_own_origin(known->link, known->origin) &&
           engine->now_ms - known->heard_ms >= ORIGIN_HOLD_MS;
}

void route_learn(struct engine *engine, struct span origin, struct link *link)
{
    struct origin_route *known = engine->origin_newest; /* mostly the same as before */
    if (!known || !span_equal(known->origin, origin)) known = map_find(&engine->origins, origin);
    if (!known) known = origin_new(engine, origin);
    if (!may_teach(engine, known, link)) return;
    unlist(engine, known);
    list_newest(engine, known);
    known->link = link;
    known->heard_ms = engine->now_ms;
}

struct link *route_back(struct engine *engine, struct span origin)
{
    struct origin_route *known = map_find_again(&engine->origins, origin);
    return known && known->link->state == LINK_UP ? known->link : NULL;
}

/* ---- attachments ---- */

struct attachment *route_attachment(const struct engine *engine, struct span address)
{
    return map_find(&engine->attachments, address);
}

bool route_is_full(const struct engine *engine)
{
    return engine->attachments.count >= ATTACHMENTS_MAX;
}

void route_attach(struct engine *engine, struct span address, struct link *link)
{
    struct attachment *held = calloc(1, sizeof *held + address.size);
    ensure(held != NULL);
    memcpy(held + 1, address.bytes, address.size);
    held->address = span_of((char *)(held + 1), address.size);
    held->link = link;
    held->next = engine->attached;
    if (held->next) held->next->previous = held;
    engine->attached = held;
    map_add(&engine->attachments, held->address, held);
}

static void attachment_free(struct engine *engine, struct attachment *held)
{
    *(held->previous ? &held->previous->next : &engine->attached) = held->next;
    if (held->next) held->next->previous = held->previous;
    map_remove(&engine->attachments, held->address);
    free(held);
}

void route_detach(struct engine *engine, struct span address)
{
    struct attachment *held = route_attachment(engine, address);
    attach_withdraw(engine, address);
    if (held) attachment_free(engine, held);
}

/* Ways back over this link lead nowhere now. */
static void forget_origins(struct engine *engine, const struct link *link)
{
    for (struct origin_route *known = engine->origin_oldest, *newer; known; known = newer) {
        newer = known->newer;
        if (known->link == link) origin_forget(engine, known);
    }
}

void route_link_gone(struct engine *engine, struct link *link)
{
    for (struct attachment *held = engine->attached, *next; held; held = next) {
        next = held->next;
        if (held->link != link) continue;
        attach_withdraw(engine, held->address);
        attachment_free(engine, held);
    }
    forget_origins(engine, link);
}

void route_free(struct engine *engine)
{
    while (engine->attached) attachment_free(engine, engine->attached);
    while (engine->origin_oldest) origin_forget(engine, engine->origin_oldest);
    map_deinit(&engine->attachments);
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
