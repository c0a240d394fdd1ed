/* Connections between nodes: what is written arrives as an event, in the order of writing, at once
 * or after the delay of the route between the two.
 *
 * A cut link ends its connections, and both ends learn of it. One that is cut silently loses what
 * is said instead: its ends find out by their heartbeats, or when the link is healed, since a
 * connection that lost something is reset by then. */
#include "sim/parts.h"

enum { DIAL_TIMES_OUT_MS = 10000 /* when nothing comes back, as in the other shell */ };

/* ---- routes and pipes ---- */

struct route_state *route_between(struct world *world, struct world_node *a, struct world_node *b)
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

/* How long something takes to `end` now: never less than what was written before it. */
static int64_t pipe_delay(struct world *world, struct pipe *pipe, int end)
{
    int64_t at_ms = world->now_ms;
    if (pipe->ends[0] && pipe->ends[1])
        at_ms += route_between(world, pipe->ends[0], pipe->ends[1])->delay_ms;
    if (at_ms < pipe->last_ms[end]) at_ms = pipe->last_ms[end];
    pipe->last_ms[end] = at_ms;
    return at_ms - world->now_ms;
}

/* Whether what one node says to another vanishes. */
static bool is_silent(struct world *world, struct world_node *from, struct world_node *to)
{
    const struct route_state *route = route_between(world, from, to);
    return route->silent[route->a == from ? 0 : 1];
}

/* What is for this end is lost, and everything behind it. */
static bool is_lost(struct world *world, struct pipe *pipe, int end)
{
    if (!pipe->ends[end] || !pipe->ends[1 - end]) return pipe->lost[end];
    if (is_silent(world, pipe->ends[1 - end], pipe->ends[end])) pipe->lost[end] = true;
    return pipe->lost[end];
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

/* What left this end is told of in portions. */
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

static void lose(struct pipe *pipe, int end, struct block *block)
{
    tell_written(pipe, end, block->size);
    block_release(block);
}

static bool is_rough(struct world *world, const struct pipe *pipe)
{
    const struct roughness *rough = &route_between(world, pipe->ends[0], pipe->ends[1])->rough;
    return rough->lose > 0 || rough->duplicate > 0 || rough->reorder > 0;
}

void pipe_write(struct world_node *node, uint32_t connection, struct block *block)
{
    int end;
    struct world *world = node->world;
    struct pipe *pipe = pipe_of(node, connection, &end);
    if (!pipe || !pipe->ends[1 - end]) {
        block_release(block);
        return;
    }
    ledger_leaves(node->book, world->now_ms, block_span(block));
    if (is_lost(world, pipe, 1 - end)) {
        lose(pipe, end, block);
        return;
    }
    bool told = is_rough(world, pipe);
    if (told) {
        tell_written(pipe, end, block->size);
        block = rough_pass(world, pipe, 1 - end, block);
        if (!block) return;
    }
    trace_bytes(node, pipe->ends[1 - end], block_span(block));
    struct happening *happening = happen(world, HAPPEN_BYTES, pipe_delay(world, pipe, 1 - end));
    happening->pipe = pipe;
    happening->end = 1 - end;
    happening->block = block;
    happening->told = told;
}

void pipe_close(struct world_node *node, uint32_t connection)
{
    int end;
    struct pipe *pipe = pipe_of(node, connection, &end);
    if (!pipe) return;
    pipe->given_up[end] = true;
    if (!is_lost(node->world, pipe, 1 - end))
        close_end(node->world, pipe, 1 - end, pipe_delay(node->world, pipe, 1 - end),
                  "closed by the peer");
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

void pipe_take_bytes(const struct happening *happening)
{
    struct pipe *pipe = happening->pipe;
    struct world_node *node = pipe->ends[happening->end];
    if (!node) return;
    if (!pipe->given_up[happening->end])
        ledger_arrives(node->book, node->world->now_ms, block_span(happening->block));
    life_step_begin(node);
    node_bytes(node->node, pipe->numbers[happening->end], block_span(happening->block));
    life_step_over(node);
    if (!happening->told) tell_written(pipe, 1 - happening->end, happening->block->size);
}

void pipe_take_closed(struct world *world, struct happening *happening)
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

/* Nothing comes back. */
static void dial_times_out(struct world *world, const struct happening *dial)
{
    struct happening *failed = happen(world, HAPPEN_DIAL, DIAL_TIMES_OUT_MS);
    failed->node = dial->node;
    failed->dial = dial->dial;
    failed->address = text_of(span_text(dial->address));
    failed->reason = text_of(span_text("it did not answer in time"));
}

/* Whether the dial gets no further than here. */
static bool dial_ends(struct world *world, const struct happening *dial,
                      struct world_node *listener)
{
    if (dial->reason)
        dial_failed(dial, dial->reason);
    else if (!listener || !listener->node || listener == dial->node)
        dial_failed(dial, "nobody listens there");
    else if (route_between(world, dial->node, listener)->cut)
        dial_failed(dial, "the link is cut");
    else if (is_silent(world, dial->node, listener) || is_silent(world, listener, dial->node))
        dial_times_out(world, dial);
    else
        return false;
    return true;
}

void pipe_take_dial(struct world *world, const struct happening *happening)
{
    struct world_node *dialler = happening->node;
    struct world_node *listener = world_find(world, span_text(happening->address));
    if (dial_ends(world, happening, listener)) return;
    struct pipe *pipe = pipe_new(world, dialler, listener);
    node_post(listener->node, &(struct event){.kind = EVENT_ACCEPTED,
                                              .connection = pipe->numbers[1],
                                              .own = dialler->client});
    node_post(dialler->node, &(struct event){.kind = EVENT_CONNECTED,
                                             .dial = happening->dial,
                                             .connection = pipe->numbers[0]});
}

/* ---- faults of links ---- */

static struct route_state *route_named(struct world *world, struct span a, struct span b)
{
    struct world_node *first = world_find(world, a), *second = world_find(world, b);
    return first && second && first != second ? route_between(world, first, second) : NULL;
}

static bool is_between(const struct pipe *pipe, const struct route_state *route)
{
    return (pipe->ends[0] == route->a && pipe->ends[1] == route->b) ||
           (pipe->ends[0] == route->b && pipe->ends[1] == route->a);
}

static void close_both(struct world *world, struct pipe *pipe, const char *reason)
{
    close_end(world, pipe, 0, 0, reason);
    close_end(world, pipe, 1, 0, reason);
}

static void cut_loudly(struct world *world, struct route_state *route)
{
    route->cut = true;
    for (struct pipe *pipe = world->pipes; pipe; pipe = pipe->next)
        if (is_between(pipe, route)) close_both(world, pipe, "the link is cut");
}

bool world_cut(struct world *world, struct span a, struct span b, enum world_cut how)
{
    struct route_state *route = route_named(world, a, b);
    if (!route) return false;
    bool turned = route->a != world_find(world, a);
    switch (how) {
    case CUT_BOTH: cut_loudly(world, route); break;
    case CUT_SILENT: route->silent[0] = route->silent[1] = true; break;
    case CUT_ONE_WAY: route->silent[turned] = true; break;
    }
    return true;
}

/* Whoever hears of a connection that lost something, or whose other end is gone, ends it. */
static void reset_lost(struct world *world)
{
    for (struct pipe *pipe = world->pipes; pipe; pipe = pipe->next) {
        if (!pipe->lost[0] && !pipe->lost[1]) continue;
        if (pipe->ends[0] && pipe->ends[1] &&
            (is_silent(world, pipe->ends[0], pipe->ends[1]) ||
             is_silent(world, pipe->ends[1], pipe->ends[0])))
            continue;
        close_both(world, pipe, "reset by the peer");
    }
}

bool world_heal(struct world *world, struct span a, struct span b)
{
    struct route_state *route = route_named(world, a, b);
    if (!route) return false;
    route->cut = route->silent[0] = route->silent[1] = false;
    reset_lost(world);
    return true;
}

bool world_rough(struct world *world, struct span a, struct span b,
                 const struct roughness *roughness)
{
    struct route_state *route = route_named(world, a, b);
    if (route) route->rough = *roughness;
    return route != NULL;
}

bool world_delay(struct world *world, struct span a, struct span b, int64_t delay_ms)
{
    struct route_state *route = route_named(world, a, b);
    if (route) route->delay_ms = delay_ms;
    return route != NULL;
}

/* ---- ends ---- */

/* Nobody is there any more to hear what became of its dials, commits and reads. */
static void forget_own(struct world *world, const struct world_node *node)
{
    for (struct happening *at = world->happenings, *next; at; at = next) {
        next = at->next;
        if (at->node == node) happening_free(world, at);
    }
}

/* The kernel of its machine closes what the process had. */
void pipe_node_died(struct world_node *node)
{
    struct world *world = node->world;
    forget_own(world, node);
    for (size_t i = 0; i < node->pipe_count; i++) {
        struct pipe *pipe = node->pipes[i];
        if (!pipe) continue;
        int end = pipe->ends[0] == node ? 0 : 1;
        if (!is_lost(world, pipe, 1 - end))
            close_end(world, pipe, 1 - end, pipe_delay(world, pipe, 1 - end), "connection reset");
        pipe->ends[end] = NULL;
        node->pipes[i] = NULL;
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
    forget_own(world, node);
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
