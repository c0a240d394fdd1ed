/* Parked messages that wait in the store only.
 *
 * Behind a message that waits for its next attempt there may be very many of its key, and under
 * strict order all of a mailbox. When so many are parked as a window holds, what comes for a key of
 * which one is parked leaves memory as soon as it is put, and eight bytes of it stay with its
 * chain. When little of the chain is left in memory, the next page of it is asked for.
 *
 * Not of agents with a dedup policy, whose keys are held by entries; nor what was retried, requeued
 * or charged, which is more than its record of a message tells. */
#include <stdlib.h>
#include "core/parts.h"

enum {
    AHEAD = 64, /* a chain that has fewer in memory is hungry; when memory is full: that has none */
    SCARCE = 4, /* messages of a page then */
};

static bool is_full(const struct engine *engine, const struct queue *mailbox)
{
    return backlog_is_full(engine, mailbox, mailbox->lists[ENTRY_PARKED].count);
}

static bool has_away(const struct chain *chain)
{
    return chain->away.count > 0 || chain->load;
}

/* ---- out of memory ---- */

/* All there is to know of it is in its record. */
static bool is_plain(const struct engine *engine, const struct entry *entry)
{
    int64_t due_ms = after_ms(entry->first_ms, message_due_ms(entry->block));
    return !entry->chain && !entry->facts_stored && !entry->suspect && !entry->singly &&
           !entry->settled_first && entry->attempt == 0 && entry->profile != AT_MOST_ONCE &&
           entry->conflicts == 0 && !entry->seen && message_requeues(entry->block) == 0 &&
           due_ms <= engine->now_ms && engine->now_ms < entry->expires_ms;
}

static struct chain *chain_of(struct engine *engine, const struct queue *mailbox,
                              const struct entry *entry)
{
    bool strict = mailbox->agent.order == ORDER_STRICT;
    return order_chain(mailbox, strict ? span_of(NULL, 0) : order_key_in(engine, mailbox, entry));
}

bool away_wants(struct engine *engine, struct queue *mailbox, const struct entry *entry)
{
    if (mailbox->agent.order == ORDER_NONE || mailbox->agent.dedup != DEDUP_NONE) return false;
    bool full = is_full(engine, mailbox);
    if ((!full && mailbox->away == 0) || !is_plain(engine, entry)) return false;
    const struct chain *chain = chain_of(engine, mailbox, entry);
    return chain && (has_away(chain) || (full && chain->last->state == ENTRY_PARKED));
}

static void list_chain(struct queue *mailbox, struct chain *chain)
{
    if (has_away(chain)) return;
    chain->previous_away = NULL;
    chain->next_away = mailbox->away_chains;
    if (chain->next_away) chain->next_away->previous_away = chain;
    mailbox->away_chains = chain;
}

static void unlist_chain(struct queue *mailbox, struct chain *chain)
{
    if (has_away(chain)) return;
    *(chain->previous_away ? &chain->previous_away->next_away : &mailbox->away_chains) =
        chain->next_away;
    if (chain->next_away) chain->next_away->previous_away = chain->previous_away;
}

void away_send(struct engine *engine, struct entry *entry)
{
    struct queue *mailbox = entry->queue;
    struct chain *chain = chain_of(engine, mailbox, entry);
    uint64_t sequence = entry->sequence;
    size_t bytes = entry->block->size;
    ensure(entry->stored);
    waiter_part(engine, entry);
    engine_drop(engine, entry);
    list_chain(mailbox, chain);
    backlog_note(engine, mailbox, bytes);
    sequences_push(&chain->away, sequence);
    mailbox->away++;
    away_feel(engine, mailbox, chain);
}

/* ---- back into memory ---- */

static void make_hungry(struct queue *mailbox, struct chain *chain)
{
    chain->hungry = true;
    chain->next_hungry = mailbox->hungry;
    mailbox->hungry = chain;
}

void away_feel(struct engine *engine, struct queue *mailbox, struct chain *chain)
{
    if (chain->hungry || chain->load || chain->away.count == 0 || chain->count >= AHEAD) return;
    if (chain->count > 0 && is_full(engine, mailbox)) return;
    make_hungry(mailbox, chain);
    engine_ready(engine, mailbox);
}

static void ask_for_page(struct engine *engine, struct queue *mailbox, struct chain *chain)
{
    struct load *load = load_new(mailbox);
    load->use = LOAD_TO_JOIN;
    load->chain = chain;
    size_t most = is_full(engine, mailbox) ? SCARCE : LOAD_MAX;
    while (load->count < most && chain->away.count > 0 &&
           sequences_first(&chain->away) <= engine->sealed) {
        struct load_item *item = &load->items[load->count++];
        item->sequence = sequences_take(&chain->away);
        record_key(item->key, RECORD_MESSAGE, item->sequence);
    }
    chain->load = load;
    effects_add(engine->effects, EFFECT_LOAD)->load = load;
}

void away_pump(struct engine *engine, struct queue *mailbox)
{
    struct chain *next, *chain = mailbox->hungry;
    mailbox->hungry = NULL;
    for (; chain; chain = next) {
        next = chain->next_hungry;
        chain->hungry = false;
        if (sequences_first(&chain->away) <= engine->sealed) {
            ask_for_page(engine, mailbox, chain);
            continue;
        }
        engine->unsealed = true; /* to be looked at again when the open batch is handed out */
        make_hungry(mailbox, chain);
    }
}

/* The page holds the chain until all of it has joined. */
void away_loaded(struct engine *engine, struct load *load)
{
    struct queue *mailbox = load->queue;
    struct chain *chain = load->chain;
    for (size_t i = 0; i < load->count; i++) {
        struct entry *entry = backlog_take(engine, mailbox, &load->items[i]);
        mailbox->away--;
        if (entry) owner_restore(engine, entry);
    }
    chain->load = NULL;
    load_free(load);
    unlist_chain(mailbox, chain);
    away_feel(engine, mailbox, chain);
    order_tidy(mailbox, chain);
    engine_ready(engine, mailbox);
    admin_go_on(engine);
}

/* ---- together again ---- */

struct gathered {
    uint64_t *numbers;
    size_t count, capacity;
};

static void add(struct gathered *all, uint64_t sequence)
{
    array_reserve(all->numbers, all->count, all->capacity);
    all->numbers[all->count++] = sequence;
}

static void take_all(struct gathered *all, struct sequences *sequences)
{
    while (sequences->count > 0) add(all, sequences_take(sequences));
}

/* What is on its way is asked for once more, in its place among the others. */
static void call_off(struct gathered *all, struct load *load)
{
    for (size_t i = 0; i < load->count; i++) add(all, load->items[i].sequence);
    load->use = LOAD_FOR_NOBODY;
    load->chain = NULL;
}

static void gather_chain(struct gathered *all, struct queue *mailbox, struct chain *chain)
{
    if (chain->load) call_off(all, chain->load);
    chain->load = NULL;
    take_all(all, &chain->away);
    chain->hungry = false;
    order_tidy(mailbox, chain);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void away_gather(struct engine *engine, struct queue *mailbox)
{
    struct gathered all = {0};
    if (mailbox->away == 0 || (mailbox->load && mailbox->load->use != LOAD_TO_WAIT)) return;
    for (struct chain *next, *chain = mailbox->away_chains; chain; chain = next) {
        next = chain->next_away;
        gather_chain(&all, mailbox, chain);
    }
    mailbox->away_chains = mailbox->hungry = NULL;
    mailbox->away = 0;
    if (mailbox->load) call_off(&all, mailbox->load);
    mailbox->load = NULL;
    mailbox->loading = 0;
    take_all(&all, &mailbox->tail);
    qsort(all.numbers, all.count, sizeof *all.numbers, by_number);
    for (size_t i = 0; i < all.count; i++) sequences_push(&mailbox->tail, all.numbers[i]);
    free(all.numbers);
    engine_ready(engine, mailbox);
}

/* Pages on their way are the shell's, and may be gone. */
void away_free(struct queue *mailbox)
{
    for (struct chain *next, *chain = mailbox->away_chains; chain; chain = next) {
        next = chain->next_away;
        sequences_deinit(&chain->away);
        chain->load = NULL;
        order_tidy(mailbox, chain);
    }
}
