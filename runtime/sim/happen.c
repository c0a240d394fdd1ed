/* What will happen, in the order of its moments, and among those of one moment in the order in
 * which it was caused. What happens to a node that stands still waits until it goes on. */
#include "sim/parts.h"

struct happening *happen(struct world *world, enum happening_kind kind, int64_t delay_ms)
{
    struct happening *happening = calloc(1, sizeof *happening);
    ensure(happening != NULL);
    happening->kind = kind;
    happening->next = world->happenings;
    if (world->happenings) world->happenings->previous = happening;
    world->happenings = happening;
    heap_set(&world->queue, &happening->deadline, world->now_ms + delay_ms);
    return happening;
}

/* The node to which it happens; NULL: that end is closed. */
static struct world_node *node_of(const struct happening *happening)
{
    return happening->pipe ? happening->pipe->ends[happening->end] : happening->node;
}

static void unhold(struct happening *happening)
{
    struct world_node *node = node_of(happening);
    size_t kept = 0;
    for (size_t i = 0; node && i < node->held_count; i++)
        if (node->held[i] != happening) node->held[kept++] = node->held[i];
    if (node) node->held_count = kept;
}

void happening_free(struct world *world, struct happening *happening)
{
    if (happening->deadline.position == 0) unhold(happening);
    heap_clear(&world->queue, &happening->deadline);
    *(happening->previous ? &happening->previous->next : &world->happenings) = happening->next;
    if (happening->next) happening->next->previous = happening->previous;
    block_release(happening->block);
    if (happening->batch) batch_free(happening->batch);
    if (happening->load) load_free(happening->load);
    free(happening->address);
    free(happening->reason);
    free(happening);
}

struct happening *happening_first(const struct world *world)
{
    struct deadline *first = heap_first(&world->queue);
    return first ? (struct happening *)((char *)first - offsetof(struct happening, deadline))
                 : NULL;
}

static void hold(struct world_node *node, struct happening *happening)
{
    array_reserve(node->held, node->held_count, node->held_capacity);
    node->held[node->held_count++] = happening;
}

void happen_held(struct world_node *node)
{
    for (size_t i = 0; i < node->held_count; i++)
        heap_set(&node->world->queue, &node->held[i]->deadline, node->world->now_ms);
    node->held_count = 0;
}

/* The happening is gone before the node may die of it. */
static void take_disk(struct world *world, struct happening *happening)
{
    struct world_node *node = happening->node;
    struct batch *batch = happening->batch;
    struct load *load = happening->load;
    happening->batch = NULL;
    happening->load = NULL;
    happening_free(world, happening);
    if (batch)
        life_committed(node, batch);
    else
        life_loaded(node, load);
}

void happening_take(struct world *world, struct happening *happening)
{
    struct world_node *node = node_of(happening);
    heap_clear(&world->queue, &happening->deadline);
    if (node && node->stopped) {
        hold(node, happening);
        return;
    }
    switch (happening->kind) {
    case HAPPEN_BYTES: pipe_take_bytes(happening); break;
    case HAPPEN_DIAL: pipe_take_dial(world, happening); break;
    case HAPPEN_COMMIT:
    case HAPPEN_LOAD: take_disk(world, happening); return;
    case HAPPEN_CLOSED: pipe_take_closed(world, happening); return;
    }
    happening_free(world, happening);
}
