/* Worlds: a clock that only moves by hand, an event queue, and pipes between nodes.
 *
 * At one moment, nodes take turns in the order in which they were made until none has anything to
 * do; bytes written arrive as events of the same moment, in the order of writing. Then the clock
 * moves to the next event or deadline. */
#include "sim/parts.h"

enum {
    TURNS_AT_ONE_MOMENT_MAX = 200000,
    FULL_TURNS_AT_ONE_MOMENT_MAX = 100, /* turns that took all the steps a turn may have */
};

char *text_of(struct span span)
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

void world_keep_line(struct world *world, struct span node, const struct log_record *record)
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

const char *world_variable(const struct world *world, const char *name)
{
    for (const struct variable *at = world->variables; at; at = at->next)
        if (strcmp(at->name, name) == 0) return at->value;
    return NULL;
}

/* ---- time ---- */

/* Every node that has something to do now takes a turn. False: none had. */
static bool take_turns(struct world *world, int *full)
{
    bool any = false;
    for (struct world_node *node = world->nodes, *next; node; node = next) {
        next = node->next;
        if (!node->awake && node_deadline_ms(node->node) > world->now_ms) continue;
        node->awake = false;
        node_turn(node->node);
        *full += node->awake;
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
        if (node->leaving && node_is_done(node)) place_forget(world, node);
    }
}

/* Everything that is due at this moment. */
static bool come_to_rest(struct world *world)
{
    int full = 0;
    for (int turns = 0; turns < TURNS_AT_ONE_MOMENT_MAX && full < FULL_TURNS_AT_ONE_MOMENT_MAX;
         turns++) {
        bool any = take_turns(world, &full);
        forget_left(world);
        struct happening *first = happening_first(world);
        if (first && first->deadline.at_ms <= world->now_ms)
            happening_take(world, first);
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
    programs_free(world);
    while (world->nodes) place_forget(world, world->nodes);
    pipe_free_all(world);
    free_texts(world);
    free(world);
}
