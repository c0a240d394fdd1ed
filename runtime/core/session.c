/* Links: one session between two nodes over one transport.
 *
 * The dialler says hello, the listener answers welcome or bye; from then on both send what they
 * have. A dialled link lives through many connections:
 *
 *   down --> dialing --> greeting --> up --> down ...        failed: refused for good, dialled no
 * more
 *     ^---------|------------|
 *
 * Happy path: EFFECT_DIAL, EVENT_CONNECTED, hello, welcome, attach for each address, data.
 * What can go wrong: the dial fails or the connection ends (dial again with backoff; what was
 * leased over it is given back); nothing is heard for two heartbeats (closed, then the same); a
 * frame cannot be read (bye with the reason, this one link closes); bye with a final code such as
 * FENCED or NAME_TAKEN (the link fails for good). */
#include "core/parts.h"

enum {
    GREETING_MS = 10000,    /* how long a peer may take to say who it is */
    HELLO_BYTES_MAX = 4096, /* a frame before the hello is no larger */
    SILENCE_HEARTBEATS = 2,
};

static void link_deadline(struct engine *engine, struct link *link, int64_t at_ms)
{
    heap_set(&engine->deadlines, &link->deadline, at_ms);
}

static struct span text_copy(struct span text)
{
    char *copy = malloc(text.size + 1);
    ensure(copy != NULL);
    if (text.size > 0) memcpy(copy, text.bytes, text.size);
    return span_of(copy, text.size);
}

static void link_rename(struct link *link, struct span name)
{
    free((char *)link->name.bytes);
    link->name = text_copy(name);
}

static struct link *link_new(struct engine *engine, const struct link_settings *settings,
                             uint32_t dial)
{
    struct link *link = calloc(1, sizeof *link);
    ensure(link != NULL);
    link->deadline.kind = DEADLINE_LINK;
    link->settings = settings;
    link->dial = dial;
    link->connection = NO_CONNECTION;
    link->heartbeat_ms = settings ? settings->heartbeat_ms : engine->settings.heartbeat_ms;
    link->attach_ms = INT64_MAX;
    link->refusals.seed = engine->attachments.seed;
    link->name = text_copy(settings ? settings->address : span_text("?"));
    *engine->links_tail = link;
    engine->links_tail = &link->next;
    return link;
}

static void link_free(struct engine *engine, struct link *link)
{
    struct link **slot = &engine->links;
    while (*slot != link) slot = &(*slot)->next;
    *slot = link->next;
    if (!link->next) engine->links_tail = slot;
    heap_clear(&engine->deadlines, &link->deadline);
    attach_link_gone(link);
    buffer_deinit(&link->in);
    buffer_deinit(&link->out);
    free((char *)link->name.bytes);
    free(link);
}

void session_free(struct engine *engine)
{
    while (engine->links) link_free(engine, engine->links);
    free(engine->connections);
}

/* ---- connections ---- */

static struct link *connection_link(const struct engine *engine, uint32_t connection)
{
    return connection < engine->connection_capacity ? engine->connections[connection] : NULL;
}

static void connection_set(struct engine *engine, uint32_t connection, struct link *link)
{
    while (connection >= engine->connection_capacity) {
        size_t old = engine->connection_capacity;
        engine->connections = array_grow(engine->connections, &engine->connection_capacity,
                                         sizeof *engine->connections);
        memset(engine->connections + old, 0,
               (engine->connection_capacity - old) * sizeof *engine->connections);
    }
    engine->connections[connection] = link;
}

static void link_connect(struct engine *engine, struct link *link, uint32_t connection)
{
    connection_set(engine, connection, link);
    link->connection = connection;
    link->state = LINK_GREETING;
    link->session = ++engine->sessions;
    link->heard_ms = engine->now_ms;
    link->up_ms = 0;
    link->sent = link->received = link->settled = 0;
    link->granted = LINK_CREDIT;
    link->credit = 0;
    link->open_puts = 0;
    link->unwritten = 0;
    link->refused = false;
    link_deadline(engine, link, engine->now_ms + GREETING_MS);
}

static void write_hello(struct engine *engine, struct link *link, enum frame_type type)
{
    struct hello hello = {
        .version = PROTOCOL_VERSION,
        .role = engine->settings.role,
        .epoch = engine->settings.epoch,
        .credit = link->granted,
        .heartbeat_ms = (uint32_t)link->heartbeat_ms,
        .name = engine->settings.name,
        .store_id = span_of(engine->settings.store_id, STORE_ID_BYTES),
    };
    frame_write_hello(&link->out, type, &hello);
}

/* What left goes out first, then the connection is closed; its end is told by EVENT_CLOSED. */
static void link_close(struct link *link)
{
    link->state = LINK_CLOSING;
    link->in.used = 0;
}

static void link_bye(struct link *link, enum code code, struct span reason)
{
    struct bye bye = {(uint8_t)code, reason};
    frame_write_bye(&link->out, &bye);
    link_close(link);
}

/* ---- down, and dialling again ---- */

static void link_failed(struct engine *engine, struct link *link, enum code code,
                        struct span reason)
{
    link->state = LINK_FAILED;
    heap_clear(&engine->deadlines, &link->deadline);
    struct fact *fact = engine_fact_of(engine, FACT_LINK_FAILED, link->name);
    if (!fact) return;
    fact->code = (uint8_t)code;
    fact->attempt = link->dials;
    fact->reason = arena_copy(&engine->effects->arena, reason);
}

static void link_wait(struct engine *engine, struct link *link, struct span reason)
{
    struct failure failure = {.attempt = ++link->dials,
                              .code = CODE_UNREACHABLE,
                              .error = reason,
                              .address = link->settings->address};
    int64_t delay_ms;
    struct span why = reason;
    link->state = LINK_DOWN;
    if (engine->stopping) return;
    if (!engine_retry(engine, &link->settings->retry, &failure, &delay_ms, &why)) {
        link_failed(engine, link, CODE_UNREACHABLE, why);
        return;
    }
    link_deadline(engine, link, engine->now_ms + delay_ms);
    struct fact *fact = engine_fact_of(engine, FACT_LINK_DOWN, link->name);
    if (!fact) return;
    fact->attempt = link->dials;
    fact->delay_ms = delay_ms;
    fact->waiting = (uint32_t)engine->outbox.count;
    fact->reason = arena_copy(&engine->effects->arena, reason);
}

static void link_dial(struct engine *engine, struct link *link)
{
    link->state = LINK_DIALING;
    struct effect *effect = effects_add(engine->effects, EFFECT_DIAL);
    effect->dial = link->dial;
    effect->address = link->settings->address;
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

void session_accepted(struct engine *engine, uint32_t connection)
{
    struct link *link = link_new(engine, NULL, NO_DIAL);
    link_connect(engine, link, connection);
    if (engine->stopping) link_bye(link, CODE_STOPPING, span_text("this node is stopping"));
}

void session_connected(struct engine *engine, uint32_t dial, uint32_t connection)
{
    struct link *link = dialled_link(engine, dial);
    ensure(link && link->state == LINK_DIALING);
    link_connect(engine, link, connection);
    write_hello(engine, link, FRAME_HELLO);
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
    struct link *link = connection_link(engine, connection);
    if (!link) return;
    bool was_up = link->up_ms != 0;
    connection_set(engine, connection, NULL);
    link->connection = NO_CONNECTION;
    link->in.used = link->out.used = 0;
    heap_clear(&engine->deadlines, &link->deadline);
    attach_link_gone(link);
    route_link_gone(engine, link);
    sender_link_down(engine, link);
    if (!link->settings) {
        accepted_gone(engine, link, was_up, reason);
        return;
    }
    if (was_up && engine->now_ms - link->up_ms >= link->settings->stable_for_ms) link->dials = 0;
    link->up_ms = 0;
    if (link->refused)
        link->state = LINK_FAILED;
    else
        link_wait(engine, link, reason);
}

/* ---- hello, welcome, fencing ---- */

void session_schedule(struct engine *engine, struct link *link)
{
    link_deadline(engine, link, link->beat_ms < link->attach_ms ? link->beat_ms : link->attach_ms);
}

/* The next heartbeat is due after so long. */
static void link_beat(struct engine *engine, struct link *link)
{
    link->beat_ms = engine->now_ms + link->heartbeat_ms;
    session_schedule(engine, link);
}

static void link_up(struct engine *engine, struct link *link, const struct hello *hello)
{
    link_rename(link, hello->name);
    memcpy(link->store_id, hello->store_id.bytes, STORE_ID_BYTES);
    link->epoch = hello->epoch;
    link->role = hello->role;
    link->credit = hello->credit;
    link->state = LINK_UP;
    link->up_ms = engine->now_ms ? engine->now_ms : 1;
    link_beat(engine, link);
    struct fact *fact = engine_fact_of(engine, FACT_LINK_UP, link->name);
    if (fact) {
        fact->attempt = link->dials;
        fact->role = link->role;
    }
    if (link->settings) attach_all(engine, link);
    sender_link_up(engine, link);
}

static struct link *link_named(struct engine *engine, struct span name, const struct link *but)
{
    for (struct link *link = engine->links; link; link = link->next)
        if (link != but && link->state == LINK_UP && !link->settings &&
            span_equal(link->name, name))
            return link;
    return NULL;
}

static bool same_store(const char *store_id, const struct hello *hello)
{
    return memcmp(store_id, hello->store_id.bytes, STORE_ID_BYTES) == 0;
}

static bool name_is_taken(struct engine *engine, struct link *link, const struct hello *hello)
{
    struct link *holder = link_named(engine, hello->name, link);
    if (holder) return !same_store(holder->store_id, hello);
    return span_equal(engine->settings.name, hello->name) &&
           !same_store(engine->settings.store_id, hello);
}

static bool refuse_hello(struct engine *engine, struct link *link, const struct hello *hello)
{
    if (hello->version != PROTOCOL_VERSION) {
        link_bye(link, CODE_BAD_VERSION,
                 engine_format(engine, "this node speaks protocol version %d, not %u",
                               PROTOCOL_VERSION, (unsigned)hello->version));
        return true;
    }
    if (name_is_taken(engine, link, hello)) {
        link_bye(link, CODE_NAME_TAKEN,
                 engine_format(engine,
                               "another node named \"%.*s\" is linked here; give this one "
                               "its own name",
                               SPAN_ARGS(hello->name)));
        return true;
    }
    if (epoch_is_current(engine, hello)) return false;
    link_bye(link, CODE_FENCED,
             engine_format(engine, "a newer start of node \"%.*s\" (same store) was here",
                           SPAN_ARGS(hello->name)));
    return true;
}

/* The same store came again: by a later start, which fences the earlier one, or by the same start
 * over a new connection, while the old one has not been found dead yet. */
static void replace_older(struct engine *engine, struct link *link, const struct hello *hello)
{
    struct link *older = link_named(engine, hello->name, link);
    if (!older) return;
    bool later = hello->epoch > older->epoch;
    link_bye(older, later ? CODE_FENCED : CODE_NONE,
             later ? span_text("a newer start of this node has linked here")
                   : span_text("the same node has linked again"));
    route_link_gone(engine, older);
}

static void take_hello(struct engine *engine, struct link *link, const struct hello *hello)
{
    if (refuse_hello(engine, link, hello)) return;
    replace_older(engine, link, hello);
    write_hello(engine, link, FRAME_WELCOME);
    link_up(engine, link, hello);
}

static bool code_is_final(uint8_t code)
{
    return code_class((enum code)code) == CODE_FINAL && code != CODE_BAD_FRAME;
}

static void take_bye(struct engine *engine, struct link *link, const struct bye *bye)
{
    if (link->settings && code_is_final(bye->code)) {
        link_failed(engine, link, (enum code)bye->code, bye->reason);
        link->refused = true;
    }
    if (!link->settings && bye->code == CODE_NONE)
        owner_bye(engine, span_of(link->store_id, STORE_ID_BYTES));
    link_close(link);
}

/* ---- frames ---- */

static void take_greeting(struct engine *engine, struct link *link, const struct frame *frame)
{
    enum frame_type expected = link->settings ? FRAME_WELCOME : FRAME_HELLO;
    if (frame->type == FRAME_BYE)
        take_bye(engine, link, &frame->bye);
    else if (frame->type != expected)
        link_bye(link, CODE_BAD_FRAME,
                 engine_format(engine, "expected %s first, got %s", frame_type_name(expected),
                               frame_type_name(frame->type)));
    else if (link->settings)
        link_up(engine, link, &frame->hello);
    else
        take_hello(engine, link, &frame->hello);
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

/* A link takes data frames again. */
static void wake_outboxes(struct engine *engine)
{
    for (struct queue *queue = engine->queues; queue; queue = queue->next)
        if (queue->kind == QUEUE_OUTBOX && queue->lists[ENTRY_WAITING].head)
            engine_ready(engine, queue);
}

static void take_credit(struct engine *engine, struct link *link, uint64_t credit)
{
    if (credit <= link->credit) return;
    link->credit = credit;
    wake_outboxes(engine);
}

static void take_frame(struct engine *engine, struct link *link, const struct frame *frame)
{
    switch (frame->type) {
    case FRAME_ATTACH: attach_take(engine, link, &frame->attach); return;
    case FRAME_DETACH: attach_take_detach(engine, link, &frame->attach); return;
    case FRAME_DATA: take_data(engine, link, &frame->message); return;
    case FRAME_RECEIPT: forward_receipt(engine, link, &frame->receipt); return;
    case FRAME_CREDIT: take_credit(engine, link, frame->number); return;
    case FRAME_PING: frame_write_number(&link->out, FRAME_PONG, frame->number); return;
    case FRAME_PONG: return;
    case FRAME_BYE: take_bye(engine, link, &frame->bye); return;
    case FRAME_HELLO:
    case FRAME_WELCOME:
    case FRAME_PART:
    case FRAME_PROGRESS:
    case FRAME_CANCEL: break;
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
    struct link *link = connection_link(engine, connection);
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

/* ---- what waits to be written ---- */

static size_t link_out_bytes(const struct link *link)
{
    return link->unwritten + link->out.used;
}

bool session_is_full(const struct link *link)
{
    return link_out_bytes(link) >= LINK_OUT_BYTES_MAX;
}

void session_written(struct engine *engine, uint32_t connection, size_t size)
{
    struct link *link = connection_link(engine, connection);
    if (!link) return;
    ensure(size <= link->unwritten);
    bool was_full = session_is_full(link);
    link->unwritten -= size;
    if (was_full && !session_is_full(link)) wake_outboxes(engine);
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

void session_settled(struct engine *engine, uint32_t connection, uint64_t session, uint32_t count)
{
    struct link *link = connection_link(engine, connection);
    if (link && link->session == session) link->settled += count;
}

/* Half of what was granted is used up and dealt with: grant it again. */
static void renew_credit(struct link *link)
{
    uint64_t allowed = link->settled + LINK_CREDIT;
    if (link->state != LINK_UP || allowed - link->granted < LINK_CREDIT / 2) return;
    if (session_is_full(link)) return;
    link->granted = allowed;
    frame_write_number(&link->out, FRAME_CREDIT, allowed);
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
    renew_credit(link);
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
