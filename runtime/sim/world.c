/* Worlds: a clock that only moves by hand, an event queue, and pipes between nodes.
 *
 * At one moment, nodes take turns in the order in which they were made until none has anything to
 * do; bytes written arrive as events of the same moment, in the order of writing. Then the clock
 * moves to the next event or deadline. */
#include "sim/hash_seed.h"
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

void world_set_wall(struct world *world, int64_t wall_ms)
{
    world->wall_start_ms = wall_ms - world->now_ms;
    ledger_clocks_jumped(world->ledger);
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
    if (world->line_count > 0)
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
    variable->value = value ? text_of(span_text(value)) : NULL;
    variable->next = world->variables;
    world->variables = variable;
}

const char *world_variable(const struct world *world, const char *name)
{
    for (const struct variable *at = world->variables; at; at = at->next)
        if (strcmp(at->name, name) == 0) return at->value;
    return NULL;
}

/* ---- the trace ---- */

static void mix(struct world *world, uint64_t value)
{
    uint64_t z = (world->trace ^ value) * 0x9e3779b97f4a7c15u;
    world->trace = z ^ (z >> 29);
}

static void mix_bytes(struct world *world, struct span bytes)
{
    size_t at = 0;
    for (uint64_t word; at + sizeof word <= bytes.size; at += sizeof word) {
        memcpy(&word, bytes.bytes + at, sizeof word);
        mix(world, word);
    }
    uint64_t rest = bytes.size;
    for (; at < bytes.size; at++) rest = rest << 8 | (uint8_t)bytes.bytes[at];
    mix(world, rest);
}

void trace_bytes(const struct world_node *from, const struct world_node *to, struct span bytes)
{
    mix(from->world, (uint64_t)from->world->now_ms);
    mix_bytes(from->world, span_text(from->name));
    mix_bytes(from->world, span_text(to->name));
    mix_bytes(from->world, bytes);
}

void trace_fact(const struct world_node *node, const struct fact *fact)
{
    mix(node->world, (uint64_t)node->world->now_ms << 8 | fact->kind);
    mix(node->world, (uint64_t)fact->code << 32 | fact->attempt);
    mix_bytes(node->world, span_text(node->name));
    mix_bytes(node->world, fact->subject);
}

uint64_t world_trace(const struct world *world)
{
    return world->trace;
}

/* ---- time ---- */

/* Whether it has turns to take: it is there, and does not stand still. */
static bool takes_turns(const struct world_node *node)
{
    return node->node && !node->stopped;
}

/* Every node that has something to do now takes a turn. False: none had. */
static bool take_turns(struct world *world, int *full)
{
    bool any = false;
    for (struct world_node *node = world->nodes, *next; node; node = next) {
        next = node->next;
        if (!takes_turns(node)) continue;
        if (!node->awake && node_deadline_ms(node->node) > world->now_ms) continue;
        node->awake = false;
        life_step_begin(node);
        node_turn(node->node);
        *full += node->awake;
        life_step_over(node);
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
        int64_t due_ms = takes_turns(node) ? node_deadline_ms(node->node) : INT64_MAX;
        if (due_ms < next_ms) next_ms = due_ms;
    }
    return next_ms;
}

bool world_run(struct world *world, int64_t until_ms)
{
    for (;;) {
        if (!come_to_rest(world)) return false;
        int64_t next_ms = world_next_ms(world);
        if (next_ms <= world->now_ms)
            ledger_break(world->ledger, world->now_ms, "something stays due at the same moment");
        if (next_ms > until_ms) break;
        world->now_ms = next_ms;
    }
    if (until_ms > world->now_ms) world->now_ms = until_ms;
    return true;
}

size_t world_pending(const struct world *world)
{
    size_t count = 0;
    for (const struct world_node *node = world->nodes; node; node = node->next) {
        if (!node->node) continue;
        count += engine_pending(node_engine(node->node), NULL, NULL);
        count += node_has_untold(node->node);
    }
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
    world->ledger = ledger_new();
    hash_seed_world_begins(seed);
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
    ledger_free(world->ledger);
    hash_seed_world_ends();
    free_texts(world);
    free(world);
}
