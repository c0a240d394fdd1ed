/* Sessions: what happens on links, one session between two nodes over one transport.
 *
 * Happy path: EFFECT_DIAL, EVENT_CONNECTED, hello, welcome, attach for each address, data.
 * What can go wrong: the dial fails or the connection ends (dial again with backoff; what was
 * leased over it is given back); nothing is heard for two heartbeats (closed, then the same); a
 * frame cannot be read (bye with the reason, this one link closes); bye with a final code such as
 * FENCED or NAME_TAKEN (the link fails for good). */
#include "core/parts.h"

enum { HELLO_BYTES_MAX = 4096 /* a frame before the hello is no larger */ };

void session_free(struct engine *engine)
{
    while (engine->links) link_free(engine, engine->links);
    free(engine->connections);
}

void session_start(struct engine *engine)
{
    for (size_t i = 0; i < engine->settings.link_count; i++)
        link_dial(engine, link_new(engine, &engine->settings.links[i], (uint32_t)i));
    engine_fact_of(engine, FACT_START, engine->settings.name);
}

static struct link *dialled_link(const struct engine *engine, uint32_t dial)
{
    struct link *link = engine->links;
    while (link && link->dial != dial) link = link->next;
    return link;
}

void session_accepted(struct engine *engine, uint32_t connection, bool own)
{
    struct link *link = link_new(engine, NULL, NO_DIAL);
    link->own = own;
    link_connect(engine, link, connection);
    if (engine->stopping) link_bye(link, CODE_STOPPING, span_text("this node is stopping"));
}

void session_connected(struct engine *engine, uint32_t dial, uint32_t connection)
{
    struct link *link = dialled_link(engine, dial);
    ensure(link && link->state == LINK_DIALING);
    link_connect(engine, link, connection);
    hello_write(engine, link, FRAME_HELLO);
    if (engine->stopping) link_close(link);
}

void session_dial_failed(struct engine *engine, uint32_t dial, struct span reason)
{
    struct link *link = dialled_link(engine, dial);
    ensure(link && link->state == LINK_DIALING);
    link_wait(engine, link, reason);
}

/* An accepted link is gone with its connection. */
static void accepted_gone(struct engine *engine, struct link *link, bool was_up, struct span reason)
{
    struct fact *fact = was_up ? engine_fact_of(engine, FACT_LINK_DOWN, link->name) : NULL;
    if (fact) {
        fact->role = link->role;
        fact->reason = arena_copy(&engine->effects->arena, reason);
    }
    link_free(engine, link);
}

void session_closed(struct engine *engine, uint32_t connection, struct span reason)
{
    struct link *link = link_of_connection(engine, connection);
    if (!link) return;
    bool was_up = link->up_ms != 0;
    struct span why = link->parting.size > 0 ? link->parting : reason;
    stream_link_gone(engine, connection, link->session);
    link_disconnect(engine, link);
    attach_link_gone(link);
    route_link_gone(engine, link);
    sender_link_down(engine, link);
    if (!link->settings) {
        accepted_gone(engine, link, was_up, why);
        return;
    }
    if (was_up && engine->now_ms - link->up_ms >= link->settings->stable_for_ms) link->dials = 0;
    link->up_ms = 0;
    if (link->refused)
        link->state = LINK_FAILED;
    else
        link_wait(engine, link, why);
}

/* ---- frames ---- */

static void take_greeting(struct engine *engine, struct link *link, const struct frame *frame)
{
    enum frame_type expected = link->settings ? FRAME_WELCOME : FRAME_HELLO;
    if (frame->type == FRAME_BYE)
        hello_take_bye(engine, link, &frame->bye);
    else if (frame->type != expected)
        link_bye(link, CODE_BAD_FRAME,
                 engine_format(engine, "expected %s first, got %s", frame_type_name(expected),
                               frame_type_name(frame->type)));
    else if (link->settings)
        hello_take_welcome(engine, link, &frame->hello);
    else
        hello_take(engine, link, &frame->hello);
}

static void take_data(struct engine *engine, struct link *link, const struct message *message)
{
    if (++link->received > link->granted) {
        link_bye(link, CODE_BAD_FRAME,
                 engine_format(engine, "data frame %llu is over the credit of %llu",
                               (unsigned long long)link->received,
                               (unsigned long long)link->granted));
        return;
    }
    uint32_t open_puts = link->open_puts;
    forward_message(engine, link, message);
    if (link->open_puts == open_puts) link->settled++;
}

static void take_frame(struct engine *engine, struct link *link, const struct frame *frame)
{
    if (link->successor && frame->type != FRAME_BYE) hello_succeed(engine, link);
    commit_bound(engine);
    switch (frame->type) {
    case FRAME_ATTACH: attach_take(engine, link, &frame->attach); return;
    case FRAME_DETACH: attach_take_detach(engine, link, &frame->attach); return;
    case FRAME_DATA: take_data(engine, link, &frame->message); return;
    case FRAME_RECEIPT: forward_receipt(engine, link, &frame->receipt); return;
    case FRAME_CREDIT: credit_take(engine, link, frame->number); return;
    case FRAME_PING: frame_write_number(&link->out, FRAME_PONG, frame->number); return;
    case FRAME_PONG: hello_take_pong(link, frame->number); return;
    case FRAME_BYE: hello_take_bye(engine, link, &frame->bye); return;
    case FRAME_PART: stream_take_part(engine, link, &frame->part); return;
    case FRAME_CANCEL: stream_take_cancel(engine, link, &frame->part); return;
    case FRAME_HELLO:
    case FRAME_WELCOME:
    case FRAME_PROGRESS: break;
    }
    link_bye(link, CODE_BAD_FRAME,
             engine_format(engine, "a %s frame has no place here", frame_type_name(frame->type)));
}

static void watch(struct engine *engine, bool outgoing, const struct link *link,
                  const struct frame *frame, size_t bytes)
{
    if (engine->policies.watch)
        engine->policies.watch(engine->policies.watch_user, outgoing, link->name, frame, bytes);
}

static void refuse_frame(struct engine *engine, struct link *link, enum status status,
                         struct span frame)
{
    unsigned type = frame.size > FRAME_LENGTH_BYTES ? get_u8(frame.bytes + FRAME_LENGTH_BYTES) : 0;
    struct fact *fact = engine_fact_of(engine, FACT_DROPPED, link->name);
    struct span reason =
        status == STATUS_UNKNOWN_TYPE
            ? engine_format(engine, "frame type %u is not known here", type)
            : engine_format(engine, "a frame cannot be read: %s", status_text(status));
    if (fact) fact->reason = reason;
    engine->counts.dropped++;
    link_bye(link, status == STATUS_UNKNOWN_TYPE ? CODE_UNSUPPORTED : CODE_BAD_FRAME, reason);
}

static void take_whole(struct engine *engine, struct link *link, struct span bytes)
{
    struct frame frame;
    enum status status = frame_decode(bytes, &frame);
    if (status != STATUS_OK) {
        refuse_frame(engine, link, status, bytes);
        return;
    }
    watch(engine, false, link, &frame, bytes.size);
    if (link->state == LINK_GREETING)
        take_greeting(engine, link, &frame);
    else
        take_frame(engine, link, &frame);
}

/* A body somewhat over body_max is refused with a receipt; a frame beyond this costs the link. */
static size_t frame_limit(const struct engine *engine, const struct link *link)
{
    if (link->state == LINK_GREETING) return HELLO_BYTES_MAX;
    size_t body = engine->settings.body_max, result = RESULT_BYTES_MAX;
    return 2 * (body > result ? body : result) + FRAME_OVERHEAD_MAX;
}

/* Take whole frames from the front of `bytes`; answers how many bytes were used. */
static size_t take_frames(struct engine *engine, struct link *link, struct span bytes)
{
    size_t used = 0;
    while (link->state == LINK_GREETING || link->state == LINK_UP) {
        struct span rest = span_of(bytes.bytes + used, bytes.size - used), frame;
        enum status status = frame_split(rest, frame_limit(engine, link), &frame);
        if (status == STATUS_MORE) return used;
        if (status != STATUS_OK) {
            refuse_frame(engine, link, status, rest);
            return bytes.size;
        }
        used += frame.size;
        take_whole(engine, link, frame);
    }
    return bytes.size;
}

/* Keep what is left of `bytes` behind `used` for the next time. */
static void keep_rest(struct link *link, struct span bytes, size_t used)
{
    if (used < bytes.size) buffer_put(&link->in, span_of(bytes.bytes + used, bytes.size - used));
}

void session_bytes(struct engine *engine, uint32_t connection, struct span bytes)
{
    struct link *link = link_of_connection(engine, connection);
    if (!link || (link->state != LINK_GREETING && link->state != LINK_UP)) return;
    link->heard_ms = engine->now_ms;
    if (link->in.used == 0) {
        keep_rest(link, bytes, take_frames(engine, link, bytes));
        return;
    }
    buffer_put(&link->in, bytes);
    size_t used = take_frames(engine, link, buffer_span(&link->in));
    if (used == 0 || link->in.used == 0) return;
    link->in.used -= used;
    memmove(link->in.block->bytes, link->in.block->bytes + used, link->in.used);
}

/* What always goes, goes only to who reads: answers to a peer that does not would be without end.
 * What this step adds does not count yet: one commit may have many results for a peer that reads.
 */
static void drop_unread(struct engine *engine, struct link *link)
{
    size_t limit = LINK_UNREAD_BYTES_MAX + frame_limit(engine, link);
    if (link->state != LINK_UP || link->unwritten <= limit) return;
    link_bye(
        link, CODE_TIMEOUT,
        engine_format(engine, "over %zu bytes wait for this peer, and it does not read", limit));
}

/* ---- time and credit ---- */

static void heartbeat(struct engine *engine, struct link *link)
{
    if (engine->now_ms - link->heard_ms >= SILENCE_HEARTBEATS * link->heartbeat_ms) {
        link_bye(link, CODE_TIMEOUT, span_text("nothing was heard for two heartbeats"));
        return;
    }
    frame_write_number(&link->out, FRAME_PING, (uint64_t)engine->now_ms);
    link_beat(engine, link);
}

static void up_deadline(struct engine *engine, struct link *link)
{
    if (engine->now_ms >= link->attach_ms) attach_again(engine, link);
    if (engine->now_ms >= link->beat_ms) heartbeat(engine, link);
}

void session_deadline(struct engine *engine, struct link *link)
{
    switch ((enum link_state)link->state) {
    case LINK_DOWN: link_dial(engine, link); return;
    case LINK_UP: up_deadline(engine, link); return;
    case LINK_GREETING:
        link_bye(link, CODE_TIMEOUT, span_text("the peer did not say who it is in time"));
        return;
    case LINK_DIALING:
    case LINK_CLOSING:
    case LINK_CLOSED:
    case LINK_FAILED: return;
    }
}

static void watch_written(struct engine *engine, const struct link *link)
{
    struct span rest = buffer_span(&link->out), bytes;
    struct frame frame;
    while (frame_split(rest, SIZE_MAX, &bytes) == STATUS_OK) {
        if (frame_decode(bytes, &frame) == STATUS_OK) watch(engine, true, link, &frame, bytes.size);
        rest = span_of(rest.bytes + bytes.size, rest.size - bytes.size);
    }
}

static void link_flush(struct engine *engine, struct link *link)
{
    credit_renew(link);
    drop_unread(engine, link);
    if (link->out.used == 0) return;
    if (engine->policies.watch) watch_written(engine, link);
    struct effect *effect = effects_add(engine->effects, EFFECT_WRITE);
    effect->connection = link->connection;
    link->unwritten += link->out.used;
    effect->block = buffer_take(&link->out);
}

/* Everything that was to be said has been handed out: now the connection may go. */
static void link_hang_up(struct engine *engine, struct link *link)
{
    heap_clear(&engine->deadlines, &link->deadline);
    effects_add(engine->effects, EFFECT_CLOSE)->connection = link->connection;
    link->state = LINK_CLOSED;
}

void session_flush(struct engine *engine)
{
    for (struct link *link = engine->links; link; link = link->next) {
        if (link->connection == NO_CONNECTION) continue;
        link_flush(engine, link);
        if (link->state == LINK_CLOSING) link_hang_up(engine, link);
    }
}

void session_stop(struct engine *engine)
{
    for (struct link *link = engine->links; link; link = link->next) {
        heap_clear(&engine->deadlines, &link->deadline);
        if (link->state == LINK_UP || link->state == LINK_GREETING)
            link_bye(link, CODE_NONE, span_text("stopping"));
    }
}
