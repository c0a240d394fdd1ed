/* Worlds: a clock that only moves by hand, an event queue, and pipes between nodes.
 *
 * At one moment, nodes take turns in the order in which they were made until none has anything to
 * do; bytes written arrive as events of the same moment, in the order of writing. Then the clock
 * moves to the next event or deadline. */
#include "sim/world.h"

#include <stdio.h>
#include "core/array.h"
#include "core/heap.h"
#include "core/random.h"

enum {
    TURNS_AT_ONE_MOMENT_MAX = 200000,
    WAITER_MARK_BIT = 63,
};

enum happening_kind { HAPPEN_BYTES, HAPPEN_CLOSED, HAPPEN_DIAL };

/* Something that will happen to a connection, or a dial on its way. */
struct happening {
    struct deadline deadline;
    struct happening *next; /* all of them, newest first */
    struct happening *previous;
    enum happening_kind kind;
    struct pipe *pipe;
    int end; /* which end of the pipe it happens to */
    struct block *block;
    struct world_node *node; /* who dials */
    uint32_t dial;
    char *address, *reason;
};

struct pipe {
    struct pipe *next;
    struct world_node *ends[2]; /* NULL: this end is closed */
    uint32_t numbers[2];
    size_t written[2]; /* bytes of this end that have arrived and were not told of */
    uint32_t closings; /* CLOSED happenings on their way */
};

struct world_node {
    struct world_node *next;
    struct world *world;
    struct node *node;
    struct node_io io;
    char *name;    /* in the world, where it is unique; also its address for links */
    char *goes_by; /* the name it tells its peers; NULL: the same */
    char store_id[STORE_ID_BYTES];
    char **listens;
    size_t listen_count, listen_capacity;
    struct pipe **pipes; /* by connection number - 1; NULL: free */
    size_t pipe_count, pipe_capacity;
    bool awake, leaving;
};

/* What two nodes' connection is like. */
struct route_state {
    struct route_state *next;
    struct world_node *a, *b;
    bool cut;
    int64_t delay_ms;
};

struct variable {
    struct variable *next;
    char *name, *value;
};

struct world_program {
    struct world_program *next;
    struct world *world;
    struct program *program;
    bool ended;
    int exit_code;
    char *error;
};

struct world {
    int64_t now_ms, wall_start_ms;
    uint64_t random, waiters;
    struct world_node *nodes, **nodes_tail;
    struct pipe *pipes;
    struct heap queue;
    struct happening *happenings;
    struct route_state *routes;
    struct variable *variables;
    struct world_program *programs;
    struct world_line *lines;
    size_t line_count, line_capacity, lines_given;
    void (*see)(void *user, struct world_node *node, const struct fact *fact);
    void (*answered)(void *user, uint64_t waiter, const struct answer *answer);
    void *watch_user;
};

static char *text_of(struct span span)
{
    char *text = malloc(span.size + 1);
    ensure(text != NULL);
    if (span.size > 0) memcpy(text, span.bytes, span.size);
    text[span.size] = 0;
    return text;
}

/* ---- clock, random, log ---- */

int64_t world_now_ms(const struct world *world)
{
    return world->now_ms;
}

int64_t world_wall_ms(const struct world *world)
{
    return world->wall_start_ms + world->now_ms;
}

uint64_t world_random(struct world *world)
{
    return random_next(&world->random);
}

static void keep_line(struct world *world, struct span node, const struct log_record *record)
{
    array_reserve(world->lines, world->line_count, world->line_capacity);
    world->lines[world->line_count++] = (struct world_line){
        .at_ms = world->now_ms - WORLD_BEGAN_MS,
        .level = record->level,
        .node = text_of(node),
        .text = text_of(record->text),
        .agent = text_of(record->agent),
        .id = text_of(record->id),
        .fields = text_of(record->fields),
    };
}

static void line_free(struct world_line *line)
{
    char *texts[] = {line->node, line->text, line->agent, line->id, line->fields};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) free(texts[i]);
}

size_t world_lines(struct world *world, const struct world_line **lines)
{
    for (size_t i = 0; i < world->lines_given; i++) line_free(&world->lines[i]);
    world->line_count -= world->lines_given;
    memmove(world->lines, world->lines + world->lines_given,
            world->line_count * sizeof *world->lines);
    world->lines_given = world->line_count;
    *lines = world->lines;
    return world->line_count;
}

void world_setenv(struct world *world, const char *name, const char *value)
{
    struct variable *variable = calloc(1, sizeof *variable);
    ensure(variable != NULL);
    variable->name = text_of(span_text(name));
    variable->value = text_of(span_text(value));
    variable->next = world->variables;
    world->variables = variable;
}

static const char *variable_value(const struct world *world, const char *name)
{
    for (const struct variable *at = world->variables; at; at = at->next)
        if (strcmp(at->name, name) == 0) return at->value;
    return NULL;
}

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

/* ---- what a node asks of the world ---- */

static int64_t io_now_ms(void *user)
{
    return ((struct world_node *)user)->world->now_ms;
}

static int64_t io_wall_ms(void *user)
{
    return world_wall_ms(((struct world_node *)user)->world);
}

static void io_write(void *user, uint32_t connection, struct block *block)
{
    struct world_node *node = user;
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

static void io_close(void *user, uint32_t connection)
{
    struct world_node *node = user;
    int end;
    struct pipe *pipe = pipe_of(node, connection, &end);
    if (!pipe) return;
    int64_t delay_ms = pipe_delay(node->world, pipe);
    close_end(node->world, pipe, 1 - end, delay_ms, "closed by the peer");
    close_end(node->world, pipe, end, 0, "closed");
}

static void io_dial(void *user, uint32_t dial, struct span address)
{
    struct world_node *node = user;
    struct happening *happening = happen(node->world, HAPPEN_DIAL, 0);
    happening->node = node;
    happening->dial = dial;
    happening->address = text_of(address);
}

static void io_wake(void *user)
{
    ((struct world_node *)user)->awake = true;
}

static void io_log(void *user, struct span name, const struct log_record *record)
{
    keep_line(((struct world_node *)user)->world, name, record);
}

static const char *io_getenv(void *user, const char *name)
{
    return variable_value(((struct world_node *)user)->world, name);
}

static void see_fact(void *user, const struct fact *fact)
{
    struct world_node *node = user;
    if (node->world->see) node->world->see(node->world->watch_user, node, fact);
}

static bool see_answer(void *user, uint64_t waiter, const struct answer *answer)
{
    struct world_node *node = user;
    if (!(waiter >> WAITER_MARK_BIT)) return false;
    if (node->world->answered) node->world->answered(node->world->watch_user, waiter, answer);
    return true;
}

/* ---- nodes ---- */

static struct world_node *node_place(struct world *world, struct span name)
{
    struct world_node *node = calloc(1, sizeof *node);
    ensure(node != NULL);
    node->world = world;
    node->name = text_of(name);
    node->io = (struct node_io){
        .user = node,
        .now_ms = io_now_ms,
        .wall_ms = io_wall_ms,
        .write = io_write,
        .close = io_close,
        .dial = io_dial,
        .wake = io_wake,
        .log = io_log,
        .getenv = io_getenv,
    };
    *world->nodes_tail = node;
    world->nodes_tail = &node->next;
    return node;
}

struct world_node *world_node_add(struct world *world, struct span name, uint8_t role,
                                  bool show_envelopes, const struct world_identity *identity)
{
    struct world_node *node = node_place(world, name);
    struct node_options options = {.role = role,
                                   .seed = world_random(world),
                                   .show_envelopes = show_envelopes,
                                   .deterministic = true,
                                   .epoch = identity->epoch};
    size_t size = identity->store.size < STORE_ID_BYTES ? identity->store.size : STORE_ID_BYTES;
    if (identity->name.size > 0) node->goes_by = text_of(identity->name);
    if (size > 0) {
        memcpy(node->store_id, identity->store.bytes, size);
        options.store_id = node->store_id;
    }
    node->node = node_new(&options, &node->io);
    return node;
}

struct node *world_node_of(struct world_node *node)
{
    return node->node;
}

struct span world_node_name(const struct world_node *node)
{
    return span_text(node->name);
}

/* As the other shell says it. */
static void say_listening(struct world_node *node, struct span address)
{
    char text[512];
    snprintf(text, sizeof text, "listening %.*s", SPAN_ARGS(address));
    keep_line(node->world, span_text(node->name),
              &(struct log_record){.level = LOG_INFO, .text = span_text(text)});
}

static void listen_at(struct world_node *node, struct span address)
{
    say_listening(node, address);
    array_reserve(node->listens, node->listen_count, node->listen_capacity);
    node->listens[node->listen_count++] = text_of(address);
}

/* A settings file that names no agents or hooks has those of its folder. */
static void name_defaults(struct settings *settings)
{
    if (!settings->agents_given)
        settings->agents[settings->agent_count++] = span_text("agents/*.lua");
    if (!settings->hooks_given) settings->hooks[settings->hook_count++] = span_text("hooks/*.lua");
}

enum status world_node_start(struct world_node *node, const struct settings *settings,
                             struct span *error)
{
    struct settings own = *settings;
    if (own.file.size > 0) name_defaults(&own);
    for (size_t i = 0; i < own.listen_count; i++) listen_at(node, own.listen[i]);
    node_configure(node->node, &own, span_text(node->goes_by ? node->goes_by : node->name));
    node_observe(node->node, see_fact, see_answer, node);
    enum status status = node_load(node->node, error);
    if (status == STATUS_OK) node_start(node->node);
    return status;
}

static bool answers_to(const struct world_node *node, struct span name)
{
    if (span_equal(span_text(node->name), name)) return true;
    for (size_t i = 0; i < node->listen_count; i++)
        if (span_equal(span_text(node->listens[i]), name)) return true;
    return false;
}

struct world_node *world_find(struct world *world, struct span name)
{
    struct world_node *node = world->nodes;
    if (name.size == 0) return node;
    while (node && (node->leaving || !answers_to(node, name))) node = node->next;
    return node;
}

struct world_node *world_next(struct world *world, struct world_node *node)
{
    return node ? node->next : world->nodes;
}

/* Nobody is there any more to hear what became of its dials. */
static void forget_dials(struct world *world, const struct world_node *node)
{
    for (struct happening *at = world->happenings, *next; at; at = next) {
        next = at->next;
        if (at->kind == HAPPEN_DIAL && at->node == node) happening_free(world, at);
    }
}

static void node_forget(struct world *world, struct world_node *node)
{
    forget_dials(world, node);
    struct world_node **slot = &world->nodes;
    while (*slot != node) slot = &(*slot)->next;
    *slot = node->next;
    if (!node->next) world->nodes_tail = slot;
    for (struct route_state *route = world->routes; route; route = route->next)
        if (route->a == node || route->b == node) route->a = route->b = NULL;
    for (size_t i = 0; i < node->listen_count; i++) free(node->listens[i]);
    free(node->listens);
    free(node->pipes);
    free(node->goes_by);
    free(node->name);
    node_free(node->node);
    free(node);
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
    node_post(listener->node,
              &(struct event){.kind = EVENT_ACCEPTED, .connection = pipe->numbers[1]});
    node_post(dialler->node, &(struct event){.kind = EVENT_CONNECTED,
                                             .dial = happening->dial,
                                             .connection = pipe->numbers[0]});
}

static void take_happening(struct world *world, struct happening *happening)
{
    heap_clear(&world->queue, &happening->deadline);
    switch (happening->kind) {
    case HAPPEN_BYTES: take_bytes(happening); break;
    case HAPPEN_DIAL: take_dial(world, happening); break;
    case HAPPEN_CLOSED: take_closed(world, happening); return;
    }
    happening_free(world, happening);
}

/* ---- time ---- */

static struct happening *first_happening(const struct world *world)
{
    struct deadline *first = heap_first(&world->queue);
    return first ? (struct happening *)((char *)first - offsetof(struct happening, deadline))
                 : NULL;
}

/* Every node that has something to do now takes a turn. False: none had. */
static bool take_turns(struct world *world)
{
    bool any = false;
    for (struct world_node *node = world->nodes, *next; node; node = next) {
        next = node->next;
        if (!node->awake && node_deadline_ms(node->node) > world->now_ms) continue;
        node->awake = false;
        node_turn(node->node);
        any = true;
    }
    return any;
}

static bool node_is_done(const struct world_node *node)
{
    for (size_t i = 0; i < node->pipe_count; i++)
        if (node->pipes[i]) return false;
    return node_deadline_ms(node->node) == INT64_MAX || node->pipe_count == 0;
}

static void forget_left(struct world *world)
{
    for (struct world_node *node = world->nodes, *next; node; node = next) {
        next = node->next;
        if (node->leaving && node_is_done(node)) node_forget(world, node);
    }
}

/* Everything that is due at this moment. */
static bool come_to_rest(struct world *world)
{
    for (int turns = 0; turns < TURNS_AT_ONE_MOMENT_MAX; turns++) {
        bool any = take_turns(world);
        forget_left(world);
        struct happening *first = first_happening(world);
        if (first && first->deadline.at_ms <= world->now_ms)
            take_happening(world, first);
        else if (!any)
            return true;
    }
    return false;
}

int64_t world_next_ms(const struct world *world)
{
    struct deadline *first = heap_first(&world->queue);
    int64_t next_ms = first ? first->at_ms : INT64_MAX;
    for (const struct world_node *node = world->nodes; node; node = node->next) {
        int64_t due_ms = node_deadline_ms(node->node);
        if (due_ms < next_ms) next_ms = due_ms;
    }
    return next_ms;
}

bool world_run(struct world *world, int64_t until_ms)
{
    for (;;) {
        if (!come_to_rest(world)) return false;
        int64_t next_ms = world_next_ms(world);
        if (next_ms > until_ms) break;
        world->now_ms = next_ms;
    }
    if (until_ms > world->now_ms) world->now_ms = until_ms;
    return true;
}

size_t world_pending(const struct world *world)
{
    size_t count = 0;
    for (const struct world_node *node = world->nodes; node; node = node->next)
        count += engine_pending(node_engine(node->node), NULL, NULL);
    return count;
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

/* ---- programs ---- */

static struct node *open_program_node(void *user, const struct node_options *options)
{
    struct world_program *program = user;
    struct world_node *node = node_place(program->world, options->name);
    node->node = node_new(options, &node->io);
    node_observe(node->node, see_fact, see_answer, node);
    return node->node;
}

static void close_program_node(void *user, struct node *node)
{
    struct world_program *program = user;
    for (struct world_node *at = program->world->nodes; at; at = at->next) {
        if (at->node != node) continue;
        at->leaving = true;
        node_stop(node);
    }
}

static int64_t program_now_ms(void *user)
{
    return ((struct world_program *)user)->world->now_ms;
}

static int64_t program_wall_ms(void *user)
{
    return world_wall_ms(((struct world_program *)user)->world);
}

static uint64_t program_random(void *user)
{
    return world_random(((struct world_program *)user)->world);
}

static void program_log(void *user, struct span node, const struct log_record *record)
{
    keep_line(((struct world_program *)user)->world, node, record);
}

static const char *program_getenv(void *user, const char *name)
{
    return variable_value(((struct world_program *)user)->world, name);
}

static void program_done(void *user, int exit_code, struct span error)
{
    struct world_program *program = user;
    program->ended = true;
    program->exit_code = exit_code;
    free(program->error);
    program->error = text_of(error);
}

struct world_program *world_exec(struct world *world, struct span name, const char *root,
                                 const char *path, int argc, char *const *argv, bool show_envelopes)
{
    struct world_program *program = calloc(1, sizeof *program);
    ensure(program != NULL);
    program->world = world;
    program->next = world->programs;
    world->programs = program;
    struct program_io io = {
        .user = program,
        .node_open = open_program_node,
        .node_close = close_program_node,
        .now_ms = program_now_ms,
        .wall_ms = program_wall_ms,
        .random = program_random,
        .deterministic = true,
        .show_envelopes = show_envelopes,
        .getenv = program_getenv,
        .log = program_log,
        .done = program_done,
    };
    program->program = program_new(&io, SCRIPT_PROGRAM, name, root);
    program_start(program->program, path, NULL, argc, argv);
    return program;
}

bool world_program_ended(const struct world_program *program, int *exit_code, struct span *error)
{
    *exit_code = program->exit_code;
    *error = span_text(program->error);
    return program->ended;
}

/* ---- life ---- */

struct world *world_new(uint64_t seed, int64_t wall_ms)
{
    struct world *world = calloc(1, sizeof *world);
    ensure(world != NULL);
    world->random = seed;
    world->wall_start_ms = wall_ms - WORLD_BEGAN_MS;
    world->now_ms = WORLD_BEGAN_MS;
    world->nodes_tail = &world->nodes;
    return world;
}

void world_watch(struct world *world,
                 void (*see)(void *user, struct world_node *node, const struct fact *fact),
                 void (*answered)(void *user, uint64_t waiter, const struct answer *answer),
                 void *user)
{
    world->see = see;
    world->answered = answered;
    world->watch_user = user;
}

uint64_t world_waiter(struct world *world)
{
    return (uint64_t)1 << WAITER_MARK_BIT | ++world->waiters;
}

static void free_programs(struct world *world)
{
    while (world->programs) {
        struct world_program *program = world->programs;
        world->programs = program->next;
        program_free(program->program);
        free(program->error);
        free(program);
    }
}

static void free_texts(struct world *world)
{
    for (size_t i = 0; i < world->line_count; i++) line_free(&world->lines[i]);
    free(world->lines);
    while (world->variables) {
        struct variable *next = world->variables->next;
        free(world->variables->name);
        free(world->variables->value);
        free(world->variables);
        world->variables = next;
    }
}

void world_free(struct world *world)
{
    if (!world) return;
    world->see = NULL;
    world->answered = NULL;
    free_programs(world);
    while (world->nodes) node_forget(world, world->nodes);
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
    free_texts(world);
    free(world);
}
