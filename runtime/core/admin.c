/* `$node`: what this node is asked about itself, and told to do.
 *
 *   a data frame to $node --> EFFECT_ADMIN --> the node looks, and posts what is to change
 *       --> EVENT_REQUEUE, EVENT_REMOVE, EVENT_HOLD --> EVENT_ADMINISTERED
 *       --> the answer, once the open batch, and so the change, is durable
 *       or EVENT_STREAM --> parts, see stream.c
 *
 * Nothing of it is stored, and it stands in no queue. One request is at work at a time, so that
 * each sees what those before it did. Only programs of the node's own user may ask: whoever can say
 * "pause" can stop everything. */
#include "core/parts.h"

#include <stdlib.h>

static struct span no_text(void)
{
    return span_of(NULL, 0);
}

static bool is_node(struct span address)
{
    return span_equal(address, span_text("$node"));
}

/* ---- requests ---- */

struct request *admin_request(const struct engine *engine, uint64_t token)
{
    struct request *request = engine->requests;
    while (request && request->token != token) request = request->next;
    return request;
}

static struct request *request_new(struct engine *engine, const struct message *message)
{
    struct request *request = calloc(1, sizeof *request);
    ensure(request != NULL);
    request->token = ++engine->request_tokens;
    request->block = message_encode(message);
    request->connection = NO_CONNECTION;
    *engine->requests_tail = request;
    engine->requests_tail = &request->next;
    engine->request_count++;
    return request;
}

static void end_stream(struct engine *engine, struct request *request)
{
    request->streams = false;
    engine->stream_count--;
    if (engine->effects) effects_add(engine->effects, EFFECT_STREAM_OVER)->waiter = request->token;
}

static void request_free(struct engine *engine, struct request *request)
{
    struct request **slot = &engine->requests;
    if (request->streams) end_stream(engine, request);
    while (*slot != request) slot = &(*slot)->next;
    *slot = request->next;
    if (!request->next) engine->requests_tail = slot;
    engine->request_count--;
    struct block *blocks[] = {request->block, request->why, request->word, request->reason,
                              request->result};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) block_release(blocks[i]);
    if (request->work) page_deinit(&request->work->page);
    free(request->work);
    free(request);
}

void admin_free(struct engine *engine)
{
    while (engine->requests) request_free(engine, engine->requests);
}

static struct effect *hand_out(struct engine *engine, const struct request *request)
{
    struct effect *effect = effects_add(engine->effects, EFFECT_ADMIN);
    effect->waiter = request->token;
    effect->block = block_retain(request->block);
    return effect;
}

static void ask(struct engine *engine, struct request *request)
{
    engine->asked = request;
    if (request) hand_out(engine, request);
}

/* ---- who asks ---- */

/* The same question once more, before its answer is durable: one answer is enough. */
static const struct request *asked_before(const struct engine *engine,
                                          const struct message *message)
{
    for (const struct request *at = engine->requests; at; at = at->next) {
        struct message other = message_of(at->block);
        if (other.seq == message->seq && other.lane_epoch == message->lane_epoch &&
            span_equal(other.origin, message->origin))
            return at;
    }
    return NULL;
}

static void refuse(struct engine *engine, struct link *from, const struct message *message,
                   enum code code, const char *reason)
{
    struct end end = {.code = (uint8_t)code, .flags = RECEIPT_NACK, .reason = span_text(reason)};
    answer_now(engine, from, message, &end);
}

static void receive(struct engine *engine, struct link *from, const struct message *message)
{
    static const struct end unknown = {.level = LEVEL_UNKNOWN}, stored = {.level = LEVEL_STORED};
    if (message->flags & MESSAGE_FAREWELL) return;
    const struct request *same = asked_before(engine, message);
    if (same && same->streams) answer_now(engine, from, message, &stored);
    if (same) return;
    if (message->flags & MESSAGE_ASK) {
        answer_now(engine, from, message, &unknown);
        return;
    }
    if (engine->request_count - engine->stream_count >= REQUESTS_MAX) {
        refuse(engine, from, message, CODE_BUSY, "$node has too much to answer already");
        return;
    }
    struct request *request = request_new(engine, message);
    request->connection = from->connection;
    request->session = from->session;
    if (!engine->asked) ask(engine, request);
}

void admin_receive(struct engine *engine, struct link *from, const struct message *message)
{
    if (!is_node(message->to))
        refuse(engine, from, message, CODE_DENIED, "node addresses are not open here");
    else if (!from->own)
        refuse(engine, from, message, CODE_DENIED,
               "$node answers only programs of the node's own user, over the socket in the node's "
               "own data folder");
    else if (message->seq == 0)
        engine->counts.lost++; /* at most once: nobody could be told */
    else
        receive(engine, from, message);
}

bool admin_submit(struct engine *engine, const struct submit *submit, const struct message *message)
{
    if (!is_node(message->to) || engine->settings.role == ROLE_CLIENT) return false;
    struct request *request = request_new(engine, message);
    request->waiter = submit->waiter;
    request->takes_parts = submit->stream;
    if (!engine->asked) ask(engine, request);
    return true;
}

void admin_waiter_gone(struct engine *engine, uint64_t waiter)
{
    for (struct request *at = engine->requests; at; at = at->next)
        if (at->waiter == waiter) at->waiter = 0;
}

/* ---- what it changes ---- */

static struct request *at_work(const struct engine *engine, uint64_t token)
{
    return engine->asked && engine->asked->token == token ? engine->asked : NULL;
}

void admin_refuse(struct request *request, enum code code, const char *reason)
{
    block_release(request->why);
    request->why = block_copy(span_text(reason));
    request->refusal = (uint8_t)code;
    request->refused++;
}

void admin_requeue(struct engine *engine, uint64_t token, const struct requeue *requeue)
{
    const char *reason = NULL;
    struct request *request = at_work(engine, token);
    if (!request) return;
    enum code code = requeue_letter(engine, requeue, &reason);
    if (code == CODE_NONE) {
        request->changed = true;
        request->taken++;
        return;
    }
    admin_refuse(request, code, reason);
}

static void put_hold(struct engine *engine, const struct queue *mailbox)
{
    char key[RECORD_KEY_MAX];
    engine_changes(engine, true);
    if (planted(PLANT_PAUSE_NOT_KEPT)) return;
    if (mailbox->hold == HOLD_NONE) {
        batch_delete(engine->open, record_hold_key(key, mailbox->name));
        return;
    }
    engine->scratch.used = 0;
    record_hold(mailbox, engine->wall_ms, &engine->scratch);
    batch_put(engine->open, record_hold_key(key, mailbox->name), buffer_span(&engine->scratch),
              NULL);
}

void admin_hold(struct engine *engine, uint64_t token, struct span address, enum hold hold)
{
    struct request *request = at_work(engine, token);
    if (!request) return;
    struct queue *mailbox = engine_queue(engine, QUEUE_MAILBOX, address);
    if (mailbox->hold == hold) return;
    mailbox->hold = (uint8_t)hold;
    mailbox->held_ms = engine->now_ms;
    put_hold(engine, mailbox);
    engine_ready(engine, mailbox);
    request->changed = true;
}

void admin_remove(struct engine *engine, uint64_t token, uint64_t letter)
{
    struct request *request = at_work(engine, token);
    if (request && requeue_remove(engine, letter)) request->changed = true;
}

bool admin_cancelled(struct engine *engine, uint64_t token, bool done)
{
    struct request *request = at_work(engine, token);
    if (!request) return false;
    if (done)
        request->changed = true;
    else
        admin_refuse(request, CODE_REJECTED, "no message of this id waits for its handler here");
    return true;
}

/* ---- what takes more than one step ---- */

void admin_show(struct engine *engine, struct request *request)
{
    hand_out(engine, request)->page = &request->work->page;
    request->work->shown = true;
}

void admin_go_on(struct engine *engine)
{
    struct request *request = engine->asked;
    struct work *work = request ? request->work : NULL;
    if (!work || work->shown) return;
    bool done = work->kind == WORK_PEEK ? peek_go_on(engine, work) : purge_go_on(engine, work);
    request->changed |= work->page.purged > 0;
    if (done) admin_show(engine, request);
}

static struct work *begin(struct engine *engine, uint64_t token, struct span address)
{
    struct request *request = at_work(engine, token);
    struct queue *queue = map_find(&engine->mailboxes, address);
    if (!queue) queue = map_find(&engine->outboxes, address);
    if (!request || !queue || request->work) return NULL;
    request->work = calloc(1, sizeof *request->work);
    ensure(request->work != NULL);
    request->work->request = token;
    request->work->queue = queue;
    return request->work;
}

void admin_peek(struct engine *engine, uint64_t token, const struct peek *peek)
{
    struct work *work = begin(engine, token, peek->address);
    if (!work) return;
    work->kind = WORK_PEEK;
    work->states = peek->states;
    work->after = peek->after;
    work->limit = peek->limit < PAGE_MAX ? peek->limit : PAGE_MAX;
    admin_go_on(engine);
}

void admin_purge(struct engine *engine, uint64_t token, const struct purge *purge)
{
    struct work *work = begin(engine, token, purge->address);
    if (!work) return;
    ensure(work->queue->kind == QUEUE_MAILBOX);
    work->kind = WORK_PURGE;
    work->last = purge->last ? purge->last : engine->sequence;
    work->limit = purge->limit;
    work->page.last = work->last;
    admin_go_on(engine);
}

/* ---- the answer ---- */

static struct end end_of(const struct request *request)
{
    return (struct end){
        .code = request->code,
        .level = request->code ? LEVEL_NONE : LEVEL_HANDLED,
        .flags = request->code ? RECEIPT_NACK : 0,
        .result_encoding = request->encoding,
        .word = block_span(request->word),
        .reason = block_span(request->reason),
        .result = block_span(request->result),
    };
}

static void say(struct engine *engine, struct request *request)
{
    struct message message = message_of(request->block);
    struct end end = end_of(request);
    struct link *link = link_of_connection(engine, request->connection);
    if (request->waiter) {
        struct submit submit = {.message = message, .waiter = request->waiter};
        answer_refused(engine, &submit, &end);
    } else if (link && link->session == request->session && link->state == LINK_UP)
        answer_now(engine, link, &message, &end);
    request_free(engine, request);
}

void admin_committed(struct engine *engine, uint64_t token)
{
    engine->requests_committing--;
    say(engine, admin_request(engine, token));
}

/* Letters that could not go back after all make a refusal of what the node meant to answer; a final
 * one, since half of it is done. */
static void keep_refusal(struct engine *engine, struct request *request)
{
    enum code code = (enum code)request->refusal;
    uint32_t all = request->taken + request->refused;
    struct span why = block_span(request->why);
    request->code = code_class(code) == CODE_FINAL ? (uint8_t)code : CODE_REJECTED;
    if (all == 1)
        request->reason = block_retain(request->why);
    else
        request->reason = block_copy(
            engine_format(engine, "%u of %u stay dead letters, %u went back; %s: %.*s",
                          request->refused, all, request->taken, code_name(code), SPAN_ARGS(why)));
}

static void keep_answer(struct engine *engine, struct request *request,
                        const struct administered *answer)
{
    request->encoding = answer->encoding;
    request->code = answer->code;
    if (answer->code == CODE_NONE && request->refused > 0) {
        keep_refusal(engine, request);
        return;
    }
    request->word = block_copy(answer->word);
    request->reason = block_copy(answer->reason);
    request->result = block_copy(answer->code ? no_text() : answer->result);
}

/* Answers are said in the order of the questions, so one that changes nothing waits, too, while
 * others wait for their batch. */
static void answer_at_work(struct engine *engine, struct request *request,
                           const struct administered *answer)
{
    ask(engine, request->next);
    if (request->streams && answer->code == CODE_NONE) {
        stream_opened(engine, request);
        return;
    }
    if (request->streams) end_stream(engine, request); /* it is not opened after all */
    keep_answer(engine, request, answer);
    if (!request->changed && engine->requests_committing == 0) {
        say(engine, request);
        return;
    }
    engine_changes(engine, true);
    batch_after(engine->open, AFTER_ADMIN)->handle = request->token;
    engine->requests_committing++;
}

void admin_answer(struct engine *engine, uint64_t token, const struct administered *answer)
{
    struct request *request = admin_request(engine, token);
    if (request && request == engine->asked) {
        answer_at_work(engine, request, answer);
    } else if (request && request->streams) {
        keep_answer(engine, request, answer);
        say(engine, request);
    }
}

void admin_cancel(struct engine *engine, struct request *request)
{
    if (request == engine->asked) return; /* it is answered first */
    request->code = CODE_CANCELLED;
    request->reason = block_copy(span_text("cancelled"));
    say(engine, request);
}

void admin_forget(struct engine *engine, struct request *request)
{
    if (request == engine->asked) return; /* it is answered first */
    request_free(engine, request);
}
