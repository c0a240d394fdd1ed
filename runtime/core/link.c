/* The life of a link: made, connected, up, down, dialled again.
 *
 *   down --> dialing --> greeting --> up --> closing --> closed --> down ...
 *
 *   failed: refused for good, dialled no more
 *
 * A dialled link lives as long as its engine, through many connections; an accepted one ends with
 * its connection. */
#include "core/parts.h"

enum { GREETING_MS = 10000 /* how long a peer may take to say who it is */ };

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

void link_rename(struct link *link, struct span name)
{
    free((char *)link->name.bytes);
    link->name = text_copy(name);
}

void link_part(struct link *link, enum code code, struct span reason)
{
    link->parting_code = (uint8_t)code;
    free((char *)link->parting.bytes);
    link->parting = reason.size > 0 ? text_copy(reason) : span_of(NULL, 0);
}

struct link *link_new(struct engine *engine, const struct link_settings *settings, uint32_t dial)
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

void link_free(struct engine *engine, struct link *link)
{
    struct link **slot = &engine->links;
    while (*slot != link) slot = &(*slot)->next;
    *slot = link->next;
    if (!link->next) engine->links_tail = slot;
    heap_clear(&engine->deadlines, &link->deadline);
    attach_link_gone(link);
    late_link_gone(engine, link);
    buffer_deinit(&link->in);
    buffer_deinit(&link->out);
    free((char *)link->name.bytes);
    free((char *)link->parting.bytes);
    free((char *)link->why.bytes);
    free(link);
}

/* ---- connections ---- */

struct link *link_of_connection(const struct engine *engine, uint32_t connection)
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

void link_connect(struct engine *engine, struct link *link, uint32_t connection)
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
    link->refused = link->successor = link->answered = false;
    link->asked_ms = 0;
    link_part(link, CODE_NONE, span_of(NULL, 0));
    link_deadline(engine, link, engine->now_ms + GREETING_MS);
}

void link_disconnect(struct engine *engine, struct link *link)
{
    connection_set(engine, link->connection, NULL);
    link->connection = NO_CONNECTION;
    link->state = LINK_DOWN; /* nothing is said over it any more, in this step either */
    link->in.used = link->out.used = 0;
    late_link_gone(engine, link);
    heap_clear(&engine->deadlines, &link->deadline);
}

void link_close(struct link *link)
{
    link->state = LINK_CLOSING;
    link->in.used = 0;
}

void link_bye(struct link *link, enum code code, struct span reason)
{
    struct bye bye = {(uint8_t)code, reason};
    frame_write_bye(&link->out, &bye);
    link_close(link);
}

/* ---- deadlines of a link that is up ---- */

void link_schedule(struct engine *engine, struct link *link)
{
    link_deadline(engine, link, link->beat_ms < link->attach_ms ? link->beat_ms : link->attach_ms);
}

void link_beat(struct engine *engine, struct link *link)
{
    link->beat_ms = engine->now_ms + link->heartbeat_ms;
    link_schedule(engine, link);
}

/* ---- down, and dialling again ---- */

static void note_down(struct engine *engine, struct link *link, struct span why)
{
    free((char *)link->why.bytes);
    link->why = text_copy(why);
    if (link->down_ms == 0) link->down_ms = engine->now_ms;
}

void link_failed(struct engine *engine, struct link *link, enum code code, struct span reason)
{
    link->state = LINK_FAILED;
    note_down(engine, link, reason);
    heap_clear(&engine->deadlines, &link->deadline);
    struct fact *fact = engine_fact_of(engine, FACT_LINK_FAILED, link->name);
    if (!fact) return;
    fact->code = (uint8_t)code;
    fact->attempt = link->dials;
    fact->reason = arena_copy(&engine->effects->arena, reason);
}

void link_wait(struct engine *engine, struct link *link, struct span reason)
{
    struct failure failure = {.attempt = ++link->dials,
                              .code = CODE_UNREACHABLE,
                              .error = reason,
                              .address = link->settings->address};
    int64_t delay_ms;
    struct span why = reason;
    link->state = LINK_DOWN;
    note_down(engine, link, reason);
    if (engine->stopping) return;
    if (!engine_retry(engine, &link->settings->retry, &failure, &delay_ms, &why)) {
        link_failed(engine, link, CODE_UNREACHABLE, why);
        return;
    }
    delay_ms = some_ms(delay_ms);
    link_deadline(engine, link, after_ms(engine->now_ms, (uint64_t)delay_ms));
    struct fact *fact = engine_fact_of(engine, FACT_LINK_DOWN, link->name);
    if (!fact) return;
    fact->code = link->parting_code;
    fact->attempt = link->dials;
    fact->delay_ms = delay_ms;
    fact->waiting = (uint32_t)engine->outbox.count;
    fact->reason = arena_copy(&engine->effects->arena, reason);
}

void link_dial(struct engine *engine, struct link *link)
{
    link->state = LINK_DIALING;
    link->parting_code = CODE_NONE;
    struct effect *effect = effects_add(engine->effects, EFFECT_DIAL);
    effect->dial = link->dial;
    effect->address = link->settings->address;
}
