/* Streams: a request that is answered by many parts, until its owner ends it or its asker cancels.
 *
 *   asker                              owner ($node only)
 *   data --------------------------->  EFFECT_ADMIN, EVENT_STREAM
 *        <---------------------------  receipt stored: it is open
 *        <---------------------------  part, part, part ...
 *   cancel ------------------------->  EFFECT_STREAM_OVER
 *        <---------------------------  receipt: a result, or CANCELLED
 *
 * A part goes only while little waits to be read by the asker, and else is counted: the next one
 * that goes says how many are missing before it. So nobody's slowness costs the owner memory, nor
 * time. */
#include "core/parts.h"

/* ---- at the owner ---- */

static struct link *link_of(const struct engine *engine, const struct request *request)
{
    struct link *link = link_of_connection(engine, request->connection);
    bool same = link && link->session == request->session && link->state == LINK_UP;
    return same ? link : NULL;
}

static bool fits(const struct engine *engine, const struct request *request)
{
    const struct link *link = link_of(engine, request);
    return request->waiter || (link && link->unwritten + link->out.used < PARTS_UNREAD_BYTES_MAX);
}

static uint32_t take_left_out(struct request *request)
{
    uint64_t count = request->left_out < UINT32_MAX ? request->left_out : UINT32_MAX;
    request->left_out -= count;
    return (uint32_t)count;
}

static void tell_here(struct engine *engine, uint64_t waiter, const struct part_answer *answer)
{
    struct effect *effect = effects_add(engine->effects, EFFECT_PART);
    effect->waiter = waiter;
    effect->part = *answer;
    effect->part.body = arena_copy(&engine->effects->arena, answer->body);
}

static void write_part(struct engine *engine, struct request *request, const struct part *part)
{
    struct message message = message_of(request->block);
    struct part whole = {
        .encoding = part->encoding,
        .left_out = take_left_out(request),
        .lane_epoch = message.lane_epoch,
        .number = message.seq,
        .origin = message.origin,
        .destination = message.to,
        .body = part->body,
    };
    struct part_answer answer = {
        .encoding = whole.encoding, .left_out = whole.left_out, .body = whole.body};
    if (request->waiter)
        tell_here(engine, request->waiter, &answer);
    else
        frame_write_part(&link_of(engine, request)->out, &whole);
}

static void over(struct engine *engine, uint64_t token)
{
    effects_add(engine->effects, EFFECT_STREAM_OVER)->waiter = token;
}

void stream_open(struct engine *engine, uint64_t token)
{
    struct request *request = engine->asked;
    if (!request || request->token != token) {
        over(engine, token);
        return;
    }
    if (request->streams) return;
    if (request->waiter && !request->takes_parts) {
        admin_refuse(request, CODE_UNSUPPORTED, "it is answered by parts: ask with client:stream");
        over(engine, token);
        return;
    }
    request->streams = true;
    engine->stream_count++;
}

void stream_opened(struct engine *engine, struct request *request)
{
    static const struct end stored = {.level = LEVEL_STORED};
    static const struct part_answer accepted = {.accepted = true};
    struct message message = message_of(request->block);
    struct link *link = link_of(engine, request);
    if (request->waiter)
        tell_here(engine, request->waiter, &accepted);
    else if (link)
        answer_now(engine, link, &message, &stored);
    else
        admin_forget(engine, request);
}

bool engine_part_fits(struct engine *engine, uint64_t token)
{
    struct request *request = admin_request(engine, token);
    if (!request || !request->streams) return false;
    if (fits(engine, request)) return true;
    request->left_out++;
    return false;
}

void stream_part(struct engine *engine, uint64_t token, const struct part *part)
{
    struct request *request = admin_request(engine, token);
    if (!request || !request->streams) return;
    if (fits(engine, request))
        write_part(engine, request, part);
    else
        request->left_out++;
}

/* There is room again, and perhaps no further part for long. */
void stream_flush(struct engine *engine)
{
    static const struct part none = {.encoding = ENCODING_JSON};
    if (engine->stream_count == 0) return;
    for (struct request *at = engine->requests; at; at = at->next)
        if (at->streams && at->left_out > 0 && fits(engine, at)) write_part(engine, at, &none);
}

void stream_take_cancel(struct engine *engine, const struct link *from, const struct part *cancel)
{
    struct request *next;
    for (struct request *at = engine->requests; at; at = next) {
        next = at->next;
        struct message message = message_of(at->block);
        if (!at->streams || link_of(engine, at) != from || message.seq != cancel->number ||
            message.lane_epoch != cancel->lane_epoch || !span_equal(message.origin, cancel->origin))
            continue;
        admin_cancel(engine, at);
    }
}

void stream_link_gone(struct engine *engine, uint32_t connection, uint64_t session)
{
    struct request *next;
    for (struct request *at = engine->requests; at && engine->stream_count > 0; at = next) {
        next = at->next;
        if (at->streams && !at->waiter && at->connection == connection && at->session == session)
            admin_forget(engine, at);
    }
}

/* ---- at the asker ---- */

static struct waiter *waiter_of(const struct engine *engine, const struct part *part)
{
    if (!span_equal(part->origin, engine->origin)) return NULL;
    const struct queue *outbox = map_find(&engine->outboxes, part->destination);
    if (!outbox || outbox->lane_epoch != part->lane_epoch) return NULL;
    if (part->number < outbox->base || part->number >= outbox->next_number) return NULL;
    const struct entry *entry = queue_numbered(outbox, part->number);
    return entry && entry->waiter && entry->waiter->stream ? entry->waiter : NULL;
}

/* Whoever sends parts that nobody waits for is told so, and stops. */
void stream_take_part(struct engine *engine, struct link *from, const struct part *part)
{
    const struct waiter *waiter = waiter_of(engine, part);
    if (!waiter) {
        frame_write_cancel(&from->out, part);
        return;
    }
    struct part_answer answer = {
        .encoding = part->encoding, .left_out = part->left_out, .body = part->body};
    tell_here(engine, waiter->token, &answer);
}

void stream_accepted(struct engine *engine, const struct entry *entry)
{
    static const struct part_answer accepted = {.accepted = true};
    if (entry->waiter && entry->waiter->stream) tell_here(engine, entry->waiter->token, &accepted);
}

bool stream_is(const struct entry *entry)
{
    return entry->waiter && entry->waiter->stream && entry->queue->kind == QUEUE_OUTBOX &&
           entry->queue->name.bytes[0] == '$';
}

void stream_cancel(struct engine *engine, uint64_t token)
{
    struct request *request = engine->requests;
    while (request && request->waiter != token) request = request->next;
    if (request) {
        if (request->streams) admin_cancel(engine, request);
        return;
    }
    struct waiter *waiter = waiter_find(engine, token);
    if (waiter && waiter->entry && stream_is(waiter->entry))
        sender_cancel(engine, waiter->entry, CODE_CANCELLED, "cancelled");
}
