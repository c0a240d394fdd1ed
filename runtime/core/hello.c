/* Who a peer is, and whether it may be: hello and welcome, bye, names and starts of stores.
 *
 * The dialler says hello, the listener answers welcome or bye.
 *
 * Two starts of one store: the later one stays and fences the earlier.
 *
 * Two stores with one name: the first one stays if it is there. A connection may be dead and nobody
 * has noticed, so the holder of the name is pinged, and the newcomer sent away with BUSY; it dials
 * again. When it is back the holder has answered (NAME_TAKEN, final), or has been silent for so
 * long that it loses its link, or neither (BUSY again).
 *
 * One start over two connections: either the older one is dead and its node dialled again, or two
 * entries of the node's links lead here. Only the dialler knows. So the older link stays until the
 * newer, its successor, has said something after the welcome; and a dialler that is welcomed by a
 * node with which another of its links is up says bye instead. */
#include "core/parts.h"

void hello_write(struct engine *engine, struct link *link, enum frame_type type)
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

static void link_up(struct engine *engine, struct link *link, const struct hello *hello)
{
    link_rename(link, hello->name);
    memcpy(link->store_id, hello->store_id.bytes, STORE_ID_BYTES);
    link->epoch = hello->epoch;
    link->role = hello->role;
    link->credit = hello->credit;
    link->state = LINK_UP;
    link->up_ms = engine->now_ms ? engine->now_ms : 1;
    link->down_ms = 0;
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

/* ---- names ---- */

static int64_t silence_ms(const struct link *link)
{
    return SILENCE_HEARTBEATS * link->heartbeat_ms;
}

static bool is_alive(const struct engine *engine, const struct link *holder)
{
    return holder->answered && engine->now_ms - holder->asked_ms < silence_ms(holder);
}

static void ask_for_life(struct engine *engine, struct link *holder)
{
    bool asked = holder->asked_ms && engine->now_ms - holder->asked_ms < silence_ms(holder);
    if (asked && !holder->answered) return;
    holder->asked_ms = engine->now_ms ? engine->now_ms : 1;
    holder->answered = false;
    frame_write_number(&holder->out, FRAME_PING, (uint64_t)holder->asked_ms);
}

void hello_take_pong(struct link *link, uint64_t number)
{
    if (link->asked_ms && number >= (uint64_t)link->asked_ms) link->answered = true;
}

static void refuse_name(struct engine *engine, struct link *link, struct span name)
{
    link_bye(link, CODE_NAME_TAKEN,
             engine_format(engine,
                           "another node named \"%.*s\" is linked here; give this one its own name",
                           SPAN_ARGS(name)));
}

static void refuse_for_now(struct engine *engine, struct link *link, struct span name)
{
    link_bye(link, CODE_BUSY,
             engine_format(engine,
                           "another node named \"%.*s\" is linked here and is asked whether it is "
                           "still there",
                           SPAN_ARGS(name)));
}

static void drop_silent(struct engine *engine, struct link *holder)
{
    link_bye(holder, CODE_TIMEOUT, span_text("nothing was heard for two heartbeats"));
    route_link_gone(engine, holder);
}

/* A link of another store that has the name and is not known to be dead, or NULL. */
static struct link *name_holder(struct engine *engine, const struct link *link,
                                const struct hello *hello)
{
    struct link *holder = link_named(engine, hello->name, link);
    if (!holder || same_store(holder->store_id, hello)) return NULL;
    if (engine->now_ms - holder->heard_ms < silence_ms(holder)) return holder;
    drop_silent(engine, holder);
    return name_holder(engine, link, hello);
}

static bool name_is_taken(struct engine *engine, struct link *link, const struct hello *hello)
{
    struct link *holder = name_holder(engine, link, hello);
    bool own = span_equal(engine->settings.name, hello->name) &&
               !same_store(engine->settings.store_id, hello);
    if (own || (holder && is_alive(engine, holder)))
        refuse_name(engine, link, hello->name);
    else if (holder) {
        ask_for_life(engine, holder);
        refuse_for_now(engine, link, hello->name);
    }
    return own || holder;
}

/* ---- hello ---- */

static bool refuse_hello(struct engine *engine, struct link *link, const struct hello *hello)
{
    if (hello->version != PROTOCOL_VERSION) {
        link_bye(link, CODE_BAD_VERSION,
                 engine_format(engine, "this node speaks protocol version %d, not %u",
                               PROTOCOL_VERSION, (unsigned)hello->version));
        return true;
    }
    if (name_is_taken(engine, link, hello)) return true;
    if (epoch_is_current(engine, hello)) return false;
    link_bye(link, CODE_FENCED,
             engine_format(engine, "a newer start of node \"%.*s\" (same store) was here",
                           SPAN_ARGS(hello->name)));
    return true;
}

static void end_older(struct engine *engine, struct link *link, enum code code, const char *why)
{
    struct link *older;
    while ((older = link_named(engine, link->name, link))) {
        link_bye(older, code, span_text(why));
        route_link_gone(engine, older);
    }
}

void hello_succeed(struct engine *engine, struct link *link)
{
    link->successor = false;
    end_older(engine, link, CODE_NONE, "the same node has linked again");
}

void hello_take(struct engine *engine, struct link *link, const struct hello *hello)
{
    if (refuse_hello(engine, link, hello)) return;
    link_rename(link, hello->name);
    struct link *older = link_named(engine, link->name, link);
    if (older && hello->epoch > older->epoch)
        end_older(engine, link, CODE_FENCED, "a newer start of this node has linked here");
    else
        link->successor = older != NULL;
    hello_write(engine, link, FRAME_WELCOME);
    link_up(engine, link, hello);
}

/* Another of this node's links is up with the same peer. */
static bool leads_twice(const struct engine *engine, const struct link *link,
                        const struct hello *hello)
{
    for (const struct link *at = engine->links; at; at = at->next)
        if (at != link && at->settings && at->state == LINK_UP && same_store(at->store_id, hello))
            return true;
    return false;
}

static void refuse_second(struct engine *engine, struct link *link, const struct hello *hello)
{
    struct span reason =
        engine_format(engine, "this node is linked with \"%.*s\" already: two links lead to it",
                      SPAN_ARGS(hello->name));
    link_failed(engine, link, CODE_BAD_VALUE, reason);
    link->refused = true;
    link_bye(link, CODE_BAD_VALUE, reason);
}

void hello_take_welcome(struct engine *engine, struct link *link, const struct hello *hello)
{
    if (leads_twice(engine, link, hello)) {
        refuse_second(engine, link, hello);
        return;
    }
    link_up(engine, link, hello);
    if (link->out.used == 0) /* the listener waits for a word before it lets an older link go */
        frame_write_number(&link->out, FRAME_PING, (uint64_t)engine->now_ms);
}

/* ---- bye ---- */

static bool code_is_final(uint8_t code)
{
    return code_class((enum code)code) == CODE_FINAL && code != CODE_BAD_FRAME;
}

void hello_take_bye(struct engine *engine, struct link *link, const struct bye *bye)
{
    if (link->settings && code_is_final(bye->code)) {
        link_failed(engine, link, (enum code)bye->code, bye->reason);
        link->refused = true;
    }
    link_part(link, (enum code)bye->code, bye->reason);
    link_close(link);
}
