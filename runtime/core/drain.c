/* The end of a node in order: no new deliveries, those in hand may end, and what is left. */
#include "core/parts.h"

void drain_begin(struct engine *engine)
{
    engine->draining = true;
}

size_t engine_in_hand(const struct engine *engine)
{
    return engine->in_hand;
}

static size_t count_unstored(const struct queue *queue)
{
    size_t count = 0;
    for (int state = 0; state < ENTRY_STATE_COUNT; state++)
        for (const struct entry *entry = queue->lists[state].head; entry; entry = entry->next)
            count += !entry->stored;
    return count;
}

static struct left left_in(const struct queue *queue)
{
    const struct entry_list *lists = queue->lists;
    return (struct left){
        .address = queue->name,
        .outbox = queue->kind == QUEUE_OUTBOX,
        .waiting = lists[ENTRY_COMMITTING].count + lists[ENTRY_WAITING].count +
                   lists[ENTRY_BLOCKED].count + lists[ENTRY_PARKED].count + queue->tail.count +
                   queue->loading + queue->away,
        .leased = lists[ENTRY_LEASED].count,
        .deferred = lists[ENTRY_DEFERRED].count,
        .awaiting = lists[ENTRY_AWAITING].count,
        .dead = lists[ENTRY_DEAD].count,
        .unstored = count_unstored(queue),
    };
}

void engine_left(const struct engine *engine, void (*each)(void *, const struct left *), void *user)
{
    for (const struct queue *queue = engine->queues; queue; queue = queue->next) {
        struct left left = left_in(queue);
        if (left.waiting + left.leased + left.deferred + left.awaiting + left.dead > 0)
            each(user, &left);
    }
}
