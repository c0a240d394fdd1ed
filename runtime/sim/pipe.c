/* Connections between nodes: what is written arrives as an event, in the order of writing, at once
 * or after the delay of the route between the two. */
#include "sim/parts.h"

/* ---- happenings ---- */

static struct happening *happen(struct world *world, enum happening_kind kind, int64_t delay_ms)
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

static void happening_free(struct world *world, struct happening *happening)
{
    heap_clear(&world->queue, &happening->deadline);
    *(happening->previous ? &happening->previous->next : &world->happenings) = happening->next;
    if (happening->next) happening->next->previous = happening->previous;
    block_release(happening->block);
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

/* ---- routes and pipes ---- */

static struct route_state *route_between(struct world *world, struct world_node *a,
                                         struct world_node *b)
{
    for (struct route_state *route = world->routes; route; route = route->next)
        if ((route->a == a && route->b == b) || (route->a == b && route->b == a)) return route;
    struct route_state *route = calloc(1, sizeof *route);
    ensure(route != NULL);
    route->a = a;
    route->b = b;
    route->next = world->routes;
    return world->routes = route;
}

static uint32_t connection_add(struct world_node *node, struct pipe *pipe)
{
    for (size_t i = 0; i < node->pipe_count; i++)
        if (!node->pipes[i]) {
            node->pipes[i] = pipe;
            return (uint32_t)i + 1;
        }
    array_reserve(node->pipes, node->pipe_count, node->pipe_capacity);
    node->pipes[node->pipe_count++] = pipe;
    return (uint32_t)node->pipe_count;
}

static struct pipe *pipe_new(struct world *world, struct world_node *dialler,
                             struct world_node *listener)
{
    struct pipe *pipe = calloc(1, sizeof *pipe);
    ensure(pipe != NULL);
    pipe->ends[0] = dialler;
    pipe->ends[1] = listener;
    pipe->numbers[0] = connection_add(dialler, pipe);
    pipe->numbers[1] = connection_add(listener, pipe);
    pipe->next = world->pipes;
    return world->pipes = pipe;
}

static struct pipe *pipe_of(struct world_node *node, uint32_t connection, int *end)
{
    if (connection == 0 || connection > node->pipe_count) return NULL;
    struct pipe *pipe = node->pipes[connection - 1];
    if (!pipe) return NULL;
    *end = pipe->ends[0] == node && pipe->numbers[0] == connection ? 0 : 1;
    return pipe;
}

static int64_t pipe_delay(struct world *world, const struct pipe *pipe)
{
    if (!pipe->ends[0] || !pipe->ends[1]) return 0;
    return route_between(world, pipe->ends[0], pipe->ends[1])->delay_ms;
}

/* One end learns that the connection is gone, behind what is already on its way to it. */
static void close_end(struct world *world, struct pipe *pipe, int end, int64_t delay_ms,
                      const char *reason)
{
    if (!pipe->ends[end]) return;
    struct happening *happening = happen(world, HAPPEN_CLOSED, delay_ms);
    happening->pipe = pipe;
    happening->end = end;
    happening->reason = text_of(span_text(reason));
    pipe->closings++;
}

static void pipe_forget(struct world *world, struct pipe *pipe)
{
    for (struct happening *at = world->happenings, *next; at; at = next) {
        next = at->next;
        if (at->pipe == pipe) happening_free(world, at);
    }
    struct pipe **slot = &world->pipes;
    while (*slot != pipe) slot = &(*slot)->next;
    *slot = pipe->next;
    free(pipe);
}

/* ---- asked by nodes ---- */

void pipe_write(struct world_node *node, uint32_t connection, struct block *block)
{
    int end;
    struct pipe *pipe = pipe_of(node, connection, &end);
    if (!pipe || !pipe->ends[1 - end]) {
        block_release(block);
        return;
    }
    struct happening *happening = happen(node->world, HAPPEN_BYTES, pipe_delay(node->world, pipe));
    happening->pipe = pipe;
    happening->end = 1 - end;
    happening->block = block;
}

void pipe_close(struct world_node *node, uint32_t connection)
{
    int end;
    struct pipe *pipe = pipe_of(node, connection, &end);
    if (!pipe) return;
    int64_t delay_ms = pipe_delay(node->world, pipe);
    close_end(node->world, pipe, 1 - end, delay_ms, "closed by the peer");
    close_end(node->world, pipe, end, 0, "closed");
}

void pipe_dial(struct world_node *node, uint32_t dial, struct span address)
{
    struct happening *happening = happen(node->world, HAPPEN_DIAL, 0);
    happening->node = node;
    happening->dial = dial;
    happening->address = text_of(address);
}

/* ---- what happens ---- */

/* What arrives has left the other end. */
static void tell_written(struct pipe *pipe, int end, size_t size)
{
    struct world_node *node = pipe->ends[end];
    pipe->written[end] += size;
    if (!node || pipe->written[end] < LINK_WRITTEN_BYTES) return;
    node_post(node->node, &(struct event){.kind = EVENT_WRITTEN,
                                          .connection = pipe->numbers[end],
                                          .size = pipe->written[end]});
    pipe->written[end] = 0;
}

static void take_bytes(struct happening *happening)
{
    struct pipe *pipe = happening->pipe;
    struct world_node *node = pipe->ends[happening->end];
    if (!node) return;
    node_bytes(node->node, pipe->numbers[happening->end], block_span(happening->block));
    tell_written(pipe, 1 - happening->end, happening->block->size);
}

/* The happening is given: it ends before its pipe may. */
static void take_closed(struct world *world, struct happening *happening)
{
    struct pipe *pipe = happening->pipe;
    int end = happening->end;
    struct world_node *node = pipe->ends[end];
    uint32_t number = pipe->numbers[end];
    if (node) {
        pipe->ends[end] = NULL;
        node->pipes[number - 1] = NULL;
        node_post(node->node, &(struct event){.kind = EVENT_CLOSED,
                                              .connection = number,
                                              .reason = span_text(happening->reason)});
    }
    pipe->closings--;
    happening_free(world, happening);
    if (!pipe->ends[0] && !pipe->ends[1] && pipe->closings == 0) pipe_forget(world, pipe);
}

static void dial_failed(const struct happening *happening, const char *reason)
{
    node_post(happening->node->node, &(struct event){.kind = EVENT_DIAL_FAILED,
                                                     .dial = happening->dial,
                                                     .reason = span_text(reason)});
}

static void take_dial(struct world *world, struct happening *happening)
{
    struct world_node *dialler = happening->node;
    struct world_node *listener = world_find(world, span_text(happening->address));
    if (!listener || listener == dialler) {
        dial_failed(happening, "nobody listens there");
        return;
    }
    if (route_between(world, dialler, listener)->cut) {
        dial_failed(happening, "the link is cut");
        return;
    }
    struct pipe *pipe = pipe_new(world, dialler, listener);
    node_post(listener->node, &(struct event){.kind = EVENT_ACCEPTED,
                                              .connection = pipe->numbers[1],
                                              .own = dialler->client});
    node_post(dialler->node, &(struct event){.kind = EVENT_CONNECTED,
                                             .dial = happening->dial,
                                             .connection = pipe->numbers[0]});
}

void happening_take(struct world *world, struct happening *happening)
{
    heap_clear(&world->queue, &happening->deadline);
    switch (happening->kind) {
    case HAPPEN_BYTES: take_bytes(happening); break;
    case HAPPEN_DIAL: take_dial(world, happening); break;
    case HAPPEN_CLOSED: take_closed(world, happening); return;
    }
    happening_free(world, happening);
}

/* ---- faults of links ---- */

static struct route_state *route_named(struct world *world, struct span a, struct span b)
{
    struct world_node *first = world_find(world, a), *second = world_find(world, b);
    return first && second && first != second ? route_between(world, first, second) : NULL;
}

bool world_cut(struct world *world, struct span a, struct span b)
{
    struct route_state *route = route_named(world, a, b);
    if (!route) return false;
    route->cut = true;
    for (struct pipe *pipe = world->pipes; pipe; pipe = pipe->next) {
        bool there = pipe->ends[0] == route->a && pipe->ends[1] == route->b;
        bool back = pipe->ends[0] == route->b && pipe->ends[1] == route->a;
        if (!there && !back) continue;
        close_end(world, pipe, 0, 0, "the link is cut");
        close_end(world, pipe, 1, 0, "the link is cut");
    }
    return true;
}

bool world_heal(struct world *world, struct span a, struct span b)
{
    struct route_state *route = route_named(world, a, b);
    if (route) route->cut = false;
    return route != NULL;
}

bool world_delay(struct world *world, struct span a, struct span b, int64_t delay_ms)
{
    struct route_state *route = route_named(world, a, b);
    if (route) route->delay_ms = delay_ms;
    return route != NULL;
}

/* ---- ends ---- */

/* Nobody is there any more to hear what became of its dials. */
static void forget_dials(struct world *world, const struct world_node *node)
{
    for (struct happening *at = world->happenings, *next; at; at = next) {
        next = at->next;
        if (at->kind == HAPPEN_DIAL && at->node == node) happening_free(world, at);
    }
}

static void forget_routes(struct world *world, const struct world_node *node)
{
    for (struct route_state **slot = &world->routes; *slot;) {
        struct route_state *route = *slot;
        if (route->a != node && route->b != node) {
            slot = &route->next;
            continue;
        }
        *slot = route->next;
        free(route);
    }
}

void pipe_node_gone(struct world *world, const struct world_node *node)
{
    forget_dials(world, node);
    forget_routes(world, node);
}

void pipe_free_all(struct world *world)
{
    while (world->happenings) happening_free(world, world->happenings);
    while (world->pipes) {
        struct pipe *next = world->pipes->next;
        free(world->pipes);
        world->pipes = next;
    }
    while (world->routes) {
        struct route_state *next = world->routes->next;
        free(world->routes);
        world->routes = next;
    }
    heap_deinit(&world->queue);
}
