/* Which addresses are served behind which link, told up and down.
 *
 * A dialler attaches each address it serves, and each that was attached to it. The listener
 * confirms or refuses. What is refused because somebody else has it, or because there are too many,
 * is asked for again by the link's own retry schedule as long as the link is up and the address is
 * here: so an address goes on to the next when its holder goes away. It is told once, not each
 * time, and a node between passes the refusal on to whoever attached the address to it. */
#include "core/parts.h"

static void write_attach(struct link *link, enum frame_type type, struct span address)
{
    struct attach attach = {.address = address};
    frame_write_attach(&link->out, type, &attach);
}

/* ---- what a link's peer has refused ---- */

static struct refusal *refusal_of(const struct link *link, struct span address)
{
    return map_find(&link->refusals, address);
}

static void refusal_add(struct link *link, const struct attach *attach)
{
    struct refusal *refusal =
        calloc(1, sizeof *refusal + attach->address.size + attach->reason.size);
    ensure(refusal != NULL);
    char *texts = (char *)(refusal + 1);
    memcpy(texts, attach->address.bytes, attach->address.size);
    if (attach->reason.size > 0)
        memcpy(texts + attach->address.size, attach->reason.bytes, attach->reason.size);
    refusal->code = attach->code;
    refusal->address = span_of(texts, attach->address.size);
    refusal->reason = span_of(texts + attach->address.size, attach->reason.size);
    refusal->next = link->refused_first;
    if (refusal->next) refusal->next->previous = refusal;
    link->refused_first = refusal;
    map_add(&link->refusals, refusal->address, refusal);
}

static void refusal_free(struct link *link, struct refusal *refusal)
{
    if (!refusal) return;
    *(refusal->previous ? &refusal->previous->next : &link->refused_first) = refusal->next;
    if (refusal->next) refusal->next->previous = refusal->previous;
    map_remove(&link->refusals, refusal->address);
    free(refusal);
    if (!link->refused_first) link->attach_ms = INT64_MAX;
}

void attach_link_gone(struct link *link)
{
    while (link->refused_first) refusal_free(link, link->refused_first);
    map_deinit(&link->refusals);
}

/* Somebody else has it, or there is no room: that may change. */
static bool may_change(uint8_t code)
{
    return code == CODE_ADDRESS_TAKEN || code_class((enum code)code) != CODE_FINAL;
}

static void ask_later(struct engine *engine, struct link *link)
{
    int64_t delay_ms =
        retry_delay(&link->settings->retry, ++link->attach_tries, random_spread(&engine->random));
    int64_t at_ms = after_ms(engine->now_ms, (uint64_t)some_ms(delay_ms));
    if (at_ms < link->attach_ms) link->attach_ms = at_ms;
    link_schedule(engine, link);
}

void attach_again(struct engine *engine, struct link *link)
{
    for (struct refusal *at = link->refused_first; at; at = at->next)
        write_attach(link, FRAME_ATTACH, at->address);
    link->attach_ms = INT64_MAX;
    ask_later(engine, link);
}

/* ---- told to the nodes that we dialled ---- */

void attach_tell(struct engine *engine, struct span address)
{
    for (struct link *link = engine->links; link; link = link->next)
        if (link->settings && link->state == LINK_UP) write_attach(link, FRAME_ATTACH, address);
}

void attach_withdraw(struct engine *engine, struct span address)
{
    for (struct link *link = engine->links; link; link = link->next) {
        if (!link->settings || link->state != LINK_UP) continue;
        refusal_free(link, refusal_of(link, address));
        write_attach(link, FRAME_DETACH, address);
    }
}

static bool is_served(const struct engine *engine, struct span address)
{
    const struct queue *mailbox = map_find(&engine->mailboxes, address);
    return mailbox && mailbox->agent.agent;
}

void attach_all(struct engine *engine, struct link *link)
{
    for (struct queue *queue = engine->queues; queue; queue = queue->next)
        if (queue->kind == QUEUE_MAILBOX && queue->agent.agent)
            write_attach(link, FRAME_ATTACH, queue->name);
    for (struct attachment *at = engine->attached; at; at = at->next)
        write_attach(link, FRAME_ATTACH, at->address);
}

/* ---- asked of this node ---- */

/* Who holds this address other than the link; an empty span when it is free. */
static struct span address_holder(const struct engine *engine, const struct link *link,
                                  struct span address)
{
    if (is_served(engine, address)) return engine->settings.name;
    const struct attachment *held = route_attachment(engine, address);
    return held && held->link != link ? held->link->name : span_of(NULL, 0);
}

static void refuse(struct link *link, struct span address, uint8_t code, struct span reason)
{
    struct attach refusal = {.code = code, .address = address, .reason = reason};
    frame_write_attach(&link->out, FRAME_DETACH, &refusal);
}

static void confirm(struct link *link, struct span address)
{
    struct attach confirmed = {.flags = ATTACH_CONFIRMED, .address = address};
    frame_write_attach(&link->out, FRAME_ATTACH, &confirmed);
}

static void attach_new(struct engine *engine, struct link *link, struct span address)
{
    confirm(link, address);
    route_attach(engine, address, link);
    attach_tell(engine, address);
    struct queue *outbox = map_find(&engine->outboxes, address);
    if (!outbox) return;
    sender_look_for_way(engine, outbox);
    engine_ready(engine, outbox);
}

/* The peer asks for what it has: it hears whether the nodes further up take it by now. */
static void attach_same(struct engine *engine, struct link *link, struct span address)
{
    const struct refusal *refusal = NULL;
    for (struct link *up = engine->links; up && !refusal; up = up->next)
        refusal = refusal_of(up, address);
    if (refusal)
        refuse(link, address, refusal->code, refusal->reason);
    else
        confirm(link, address);
}

static void attach_request(struct engine *engine, struct link *link, struct span address)
{
    struct span holder = address_holder(engine, link, address);
    if (holder.size > 0)
        refuse(link, address, CODE_ADDRESS_TAKEN,
               engine_format(engine, "\"%.*s\" is served by node \"%.*s\"", SPAN_ARGS(address),
                             SPAN_ARGS(holder)));
    else if (route_attachment(engine, address))
        attach_same(engine, link, address);
    else if (route_is_full(engine))
        refuse(link, address, CODE_BUSY,
               engine_format(engine,
                             "this node knows %d addresses already and takes no more for now",
                             ATTACHMENTS_MAX));
    else
        attach_new(engine, link, address);
}

/* ---- answered to this node ---- */

static void attach_confirmed(struct engine *engine, struct link *link, struct span address)
{
    refusal_free(link, refusal_of(link, address));
    if (!is_served(engine, address)) return;
    struct fact *fact = engine_fact_of(engine, FACT_ATTACHED, address);
    if (fact) fact->link = arena_copy(&engine->effects->arena, link->name);
}

static void note_refused(struct engine *engine, const struct attach *attach)
{
    struct fact *fact = engine_fact_of(engine, FACT_REFUSED, attach->address);
    if (!fact) return;
    fact->code = attach->code;
    fact->reason = arena_copy(&engine->effects->arena, attach->reason);
}

static void attach_refused(struct engine *engine, struct link *link, const struct attach *attach)
{
    struct attachment *held = route_attachment(engine, attach->address);
    bool here = is_served(engine, attach->address);
    if (!link->settings || (!held && !here) || refusal_of(link, attach->address)) return;
    if (may_change(attach->code)) {
        refusal_add(link, attach);
        link->attach_tries = 0;
        ask_later(engine, link);
    }
    if (here)
        note_refused(engine, attach);
    else if (held->link->state == LINK_UP)
        frame_write_attach(&held->link->out, FRAME_DETACH, attach);
}

void attach_take(struct engine *engine, struct link *link, const struct attach *attach)
{
    if (attach->flags & ATTACH_CONFIRMED)
        attach_confirmed(engine, link, attach->address);
    else
        attach_request(engine, link, attach->address);
}

void attach_take_detach(struct engine *engine, struct link *link, const struct attach *attach)
{
    if (attach->code != CODE_NONE) {
        attach_refused(engine, link, attach);
        return;
    }
    struct attachment *held = route_attachment(engine, attach->address);
    if (held && held->link == link) route_detach(engine, attach->address);
}
