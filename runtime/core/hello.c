/* Who a peer is, and whether it may be: hello and welcome, bye, names and starts of stores.
 *
 * The dialler says hello, the listener answers welcome or bye. Of two starts of one store the later
 * one stays and fences the earlier; of two stores with one name the first one stays. */
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

void hello_take(struct engine *engine, struct link *link, const struct hello *hello)
{
    if (refuse_hello(engine, link, hello)) return;
    replace_older(engine, link, hello);
    hello_write(engine, link, FRAME_WELCOME);
    link_up(engine, link, hello);
}

void hello_take_welcome(struct engine *engine, struct link *link, const struct hello *hello)
{
    link_up(engine, link, hello);
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
    if (!link->settings && bye->code == CODE_NONE)
        owner_bye(engine, span_of(link->store_id, STORE_ID_BYTES));
    link_close(link);
}
