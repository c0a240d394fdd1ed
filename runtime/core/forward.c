/* What a peer's frame is for: somebody here, or somebody behind another link. */
#include "core/parts.h"

enum { RETRY_AFTER_MS = 100 /* what a busy link or mailbox asks a sender to wait */ };

bool forward_has_credit(const struct link *link)
{
    return link->sent < link->credit && !credit_is_full(link);
}

/* `from` is believed from nodes that we dialled; otherwise it is the peer itself or an address that
 * it attached. */
static struct span believed_from(const struct engine *engine, const struct link *link,
                                 struct span from)
{
    if (link->settings || span_equal(from, link->name)) return from;
    struct attachment *held = route_attachment(engine, from);
    return held && held->link == link ? from : link->name;
}

static void refuse(struct engine *engine, struct link *from, const struct message *message,
                   enum code code, struct span reason, uint64_t retry_after_ms)
{
    struct end end = {.code = (uint8_t)code,
                      .flags = RECEIPT_NACK,
                      .reason = reason,
                      .retry_after_ms = retry_after_ms};
    answer_now(engine, from, message, &end);
}

void data_written(struct engine *engine, struct link *link, size_t from, uint64_t number,
                  const struct fate *fate)
{
    struct fate possible = *fate;
    link->sent++;
    possible.twice &= number != 0 && forward_has_credit(link);
    link->sent += possible.twice;
    late_apply(engine, link, from, &possible);
}

static void pass_on(struct engine *engine, struct link *from, struct link *to,
                    const struct message *message)
{
    struct hop hop = {(uint8_t)link_end(from), (uint8_t)link_end(to), to->name};
    struct block *altered = NULL;
    struct fate fate = {0};
    size_t from_byte = to->out.used;
    bool ask = message->flags != 0; /* has nothing in it that a hook could look at */
    if (!ask && !hook_message(engine, HOOK_FORWARD, message, &hop, &altered, &fate)) return;
    struct message next = altered ? message_of(altered) : *message;
    next.hops++;
    next.frame = span_of(NULL, 0);
    message_write(&next, &to->out);
    data_written(engine, to, from_byte, next.seq, &fate);
    block_release(altered);
}

static void find_way(struct engine *engine, struct link *from, const struct message *message)
{
    bool upstream;
    struct span reason;
    struct link *to = route_to(engine, message->to, 0, from, &upstream);
    if (message->hops >= HOPS_MAX)
        refuse(engine, from, message, CODE_NO_ROUTE,
               span_text("passed on too often; is there a loop?"), 0);
    else if (!to) {
        enum code code = route_missing(engine, message->to, &reason);
        refuse(engine, from, message, code, reason, 0);
    } else if (!forward_has_credit(to))
        refuse(engine, from, message, CODE_BUSY, span_text("the next link takes no more for now"),
               RETRY_AFTER_MS);
    else
        pass_on(engine, from, to, message);
}

static void deliver(struct engine *engine, struct link *from, const struct message *message)
{
    struct queue *mailbox = owner_mailbox(engine, message->to);
    if (message->body.size > engine->settings.body_max)
        refuse(engine, from, message, CODE_TOO_LARGE,
               engine_format(engine, "the body has %zu bytes; body_max is %zu", message->body.size,
                             engine->settings.body_max),
               0);
    else if (message->to.bytes[0] == '$')
        admin_receive(engine, from, message);
    else if (mailbox)
        receive_message(engine, from, message, mailbox);
    else
        find_way(engine, from, message);
}

static void stamp_from(struct engine *engine, const struct link *link, struct message *message)
{
    struct span believed = believed_from(engine, link, message->from);
    if (span_equal(believed, message->from)) return;
    message->from = believed;
    message->frame = span_of(NULL, 0);
}

void forward_message(struct engine *engine, struct link *from, const struct message *message)
{
    struct message stamped = *message;
    struct hop hop = {(uint8_t)link_end(from), HOP_LOCAL, from->name};
    struct block *altered = NULL;
    bool ask = message->flags != 0;
    stamp_from(engine, from, &stamped);
    if (stamped.seq != 0) route_learn(engine, stamped.origin, from);
    if (!ask && !hook_message(engine, HOOK_RECEIVE, &stamped, &hop, &altered, NULL)) return;
    if (altered) stamped = message_of(altered);
    deliver(engine, from, &stamped);
    block_release(altered);
}

void forward_receipt(struct engine *engine, struct link *from, const struct receipt *receipt)
{
    if (span_equal(receipt->origin, engine->origin)) {
        sender_receipt(engine, from, receipt);
        return;
    }
    struct hop hop = {(uint8_t)link_end(from), HOP_LOCAL, from->name};
    struct link *to = route_back(engine, receipt->origin);
    if (!to || !hook_receipt(engine, HOOK_RECEIVE, receipt, receipt->ref, &hop, NULL)) return;
    answer_send(engine, to, receipt, link_end(from));
}
