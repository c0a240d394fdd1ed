/* Order by key: messages of one key follow each other, one at a time.
 *
 * Of each key the entries stand in a chain, in the order in which they came. In a mailbox only its
 * first may be delivered, also while it waits for its next attempt; the others are parked. In an
 * outbox all may go, and each data frame names the one before it (`after`), so that the owner can
 * tell when one overtook another. `strict` is one key for all. A delayed message joins when it is
 * due. */
#include <stdlib.h>
#include "core/parts.h"

struct chain *order_chain(const struct queue *queue, struct span key)
{
    return map_find(&queue->chains, key);
}

static struct chain *chain_of(struct queue *queue, struct span key)
{
    struct chain *chain = map_find(&queue->chains, key);
    if (chain) return chain;
    chain = calloc(1, sizeof *chain + key.size + 1);
    ensure(chain != NULL);
    if (key.size > 0) memcpy(chain + 1, key.bytes, key.size);
    chain->key = span_of((const char *)(chain + 1), key.size);
    map_add(&queue->chains, chain->key, chain);
    return chain;
}

static void join(struct queue *queue, struct entry *entry, struct span key)
{
    struct chain *chain = chain_of(queue, key);
    entry->chain = chain;
    entry->chain_previous = chain->last;
    entry->chain_next = NULL;
    *(chain->last ? &chain->last->chain_next : &chain->first) = entry;
    chain->last = entry;
    chain->count++;
}

void order_tidy(struct queue *queue, struct chain *chain)
{
    if (chain->first || chain->away.count > 0 || chain->load) return;
    map_remove(&queue->chains, chain->key);
    free(chain);
}

static void take_out(struct entry *entry)
{
    struct chain *chain = entry->chain;
    *(entry->chain_previous ? &entry->chain_previous->chain_next : &chain->first) =
        entry->chain_next;
    *(entry->chain_next ? &entry->chain_next->chain_previous : &chain->last) =
        entry->chain_previous;
    entry->chain = NULL;
    chain->count--;
}

/* ---- keys ---- */

static struct span asked_key(struct engine *engine, const struct queue *mailbox,
                             const struct message *message)
{
    struct span key;
    if (!mailbox->agent.asks_key || !engine->policies.key) return message->key;
    enum policy_answer answer =
        engine->policies.key(engine->policies.user, mailbox->agent.agent, message, &key);
    return answer == POLICY_ANSWERED ? key : span_of(NULL, 0);
}

bool order_lacks_key(struct engine *engine, const struct queue *mailbox,
                     const struct message *message)
{
    return mailbox->agent.order == ORDER_KEY && asked_key(engine, mailbox, message).size == 0;
}

/* A notice has the key of its letter. */
struct span order_key_in(struct engine *engine, const struct queue *mailbox,
                         const struct entry *entry)
{
    struct message message = message_of(entry->block);
    return entry->notice ? message.key : asked_key(engine, mailbox, &message);
}

static struct span entry_key(struct engine *engine, const struct entry *entry)
{
    return order_key_in(engine, entry->queue, entry);
}

struct span order_key(struct engine *engine, const struct entry *entry)
{
    bool chained = entry->chain && entry->queue->agent.order == ORDER_KEY;
    return chained ? entry->chain->key : entry_key(engine, entry);
}

/* ---- mailboxes ---- */

bool order_is_first(struct engine *engine, struct entry *entry)
{
    struct queue *mailbox = entry->queue;
    if (mailbox->agent.order == ORDER_NONE || planted(PLANT_ORDER_NOT_KEPT)) return true;
    if (!entry->chain) {
        bool strict = mailbox->agent.order == ORDER_STRICT;
        join(mailbox, entry, strict ? span_of(NULL, 0) : entry_key(engine, entry));
    }
    return entry->chain_previous == NULL;
}

void order_leave(struct engine *engine, struct entry *entry)
{
    struct entry *next = entry->chain_previous ? NULL : entry->chain_next;
    struct chain *chain = entry->chain;
    if (!chain) return;
    take_out(entry);
    away_feel(engine, entry->queue, chain);
    order_tidy(entry->queue, chain);
    if (!next || next->state != ENTRY_PARKED) return;
    queue_move(next, ENTRY_WAITING);
    engine_ready(engine, next->queue);
}

/* ---- another agent has the address ---- */

static void dissolve_one(struct queue *mailbox, struct entry *entry)
{
    struct chain *chain = entry->chain;
    take_out(entry);
    order_tidy(mailbox, chain);
}

static void dissolve(struct engine *engine, struct queue *mailbox)
{
    struct entry *entry;
    away_gather(engine, mailbox);
    for (int state = 0; state < ENTRY_STATE_COUNT; state++)
        for (entry = mailbox->lists[state].head; entry; entry = entry->next)
            if (entry->chain) dissolve_one(mailbox, entry);
    while ((entry = mailbox->lists[ENTRY_PARKED].head)) queue_move(entry, ENTRY_WAITING);
    engine_ready(engine, mailbox);
}

/* What its handler deferred has no attempt either; what was sent with a delay, or requeued for
 * later, has not begun. */
static bool has_begun(const struct engine *engine, const struct entry *entry)
{
    int64_t due_ms = after_ms(entry->first_ms, message_due_ms(entry->block));
    return entry->attempt > 0 || (message_requeues(entry->block) == 0 && due_ms <= engine->now_ms);
}

/* Those that are in hand, and those that were, hold their keys. */
static void join_begun(struct engine *engine, struct queue *mailbox, enum entry_state state)
{
    for (struct entry *entry = mailbox->lists[state].head; entry; entry = entry->next)
        if (has_begun(engine, entry)) order_is_first(engine, entry);
}

static void park_waiting(struct engine *engine, struct queue *mailbox)
{
    struct entry *next;
    for (struct entry *entry = mailbox->lists[ENTRY_WAITING].head; entry; entry = next) {
        next = entry->next;
        if (!order_is_first(engine, entry)) queue_move(entry, ENTRY_PARKED);
    }
}

void order_agent_up(struct engine *engine, struct queue *mailbox)
{
    dissolve(engine, mailbox);
    if (mailbox->agent.order == ORDER_NONE) return;
    join_begun(engine, mailbox, ENTRY_LEASED);
    join_begun(engine, mailbox, ENTRY_DEFERRED);
    park_waiting(engine, mailbox);
}

/* ---- over links ---- */

void order_of_outbox(struct entry *entry)
{
    struct span key = message_key(entry->block);
    if (key.size > 0) join(entry->queue, entry, key);
}

uint64_t order_after(const struct entry *entry)
{
    return entry->chain_previous ? entry->chain_previous->number : 0;
}

static bool is_missing(const struct lane *lane, uint64_t number)
{
    return number >= lane->base && lane_level(lane, number) == LANE_UNKNOWN;
}

bool order_is_overtaking(const struct queue *mailbox, const struct lane *lane,
                         const struct message *message)
{
    if (planted(PLANT_OVERTAKING_TAKEN)) return false;
    switch ((enum order)mailbox->agent.order) {
    case ORDER_NONE: return false;
    case ORDER_KEY: return message->after > 0 && is_missing(lane, message->after);
    case ORDER_STRICT: return !lane_is_whole(lane, message->seq);
    }
    return false;
}
