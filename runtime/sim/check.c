/* The promises that are looked at when asked: stores, bounds, dead letters, and what has ended. */
#include "core/map.h"
#include "sim/parts.h"

/* ---- stores ---- */

static void found(void *user, struct span key, const char *what)
{
    const struct world_node *node = user;
    ledger_break(node->world->ledger, node->world->now_ms,
                 "a record of kind '%c' in the store of %s %s", key.bytes[0], node->name, what);
}

static void check_store(struct world_node *node)
{
    if (node->medium && !node->damaged) world_store_check(node, found, node);
}

/* ---- bounds ---- */

static void check_queue(void *user, const struct queue_view *queue)
{
    const struct world_node *node = user;
    size_t count = queue->waiting + queue->leased + queue->deferred + queue->dead;
    if (!queue->outbox && node->mailbox_max > 0 && count > node->mailbox_max)
        ledger_break(node->world->ledger, node->world->now_ms,
                     "the mailbox %.*s on %s holds %zu messages, and its bound is %zu",
                     SPAN_ARGS(queue->address), node->name, count, node->mailbox_max);
}

/* ---- dead letters ---- */

static void check_letter(void *user, const struct dead_letter *letter)
{
    const struct world_node *node = user;
    struct span id = message_id(letter->block);
    if (letter->reason.size == 0 || letter->code == CODE_NONE)
        ledger_break(node->world->ledger, node->world->now_ms,
                     "the dead letter %.*s on %s does not say why it died", SPAN_ARGS(id),
                     node->name);
}

static void check_letters(struct world_node *node)
{
    struct dead_query query = {.limit = SIZE_MAX};
    engine_letters(node_engine(node->node), &query, check_letter, node);
}

/* ---- what is on its way ---- */

struct on_its_way {
    struct map ids;
    size_t visited;
};

static void add_pending(void *user, const struct pending *pending)
{
    struct on_its_way *all = user;
    all->visited++;
    if (!map_find(&all->ids, pending->id)) map_add(&all->ids, pending->id, all);
}

static bool is_pending(void *user, struct span id)
{
    return map_find(&((struct on_its_way *)user)->ids, id) != NULL;
}

/* Nothing is being committed, nobody is away, and nothing is in a store only. */
static bool is_at_rest(const struct world *world, struct on_its_way *all)
{
    size_t count = 0;
    for (const struct world_node *node = world->nodes; node; node = node->next) {
        if (!world_is_up(node) || node->stopped || !node_settled(node->node)) return false;
        count += engine_pending(node_engine(node->node), add_pending, all);
    }
    return count == all->visited;
}

static void check_ends(struct world *world)
{
    struct on_its_way all = {.visited = 0};
    if (is_at_rest(world, &all)) ledger_close(world->ledger, world->now_ms, is_pending, &all);
    map_deinit(&all.ids);
}

bool world_handled(const struct world *world, struct span id)
{
    return ledger_handled(world->ledger, id);
}

const char *world_check(struct world *world)
{
    for (struct world_node *node = world->nodes; node; node = node->next) {
        check_store(node);
        if (!world_is_up(node)) continue;
        engine_queues(node_engine(node->node), check_queue, node);
        check_letters(node);
    }
    check_ends(world);
    return ledger_broken(world->ledger);
}
