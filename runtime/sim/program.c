/* Programs with clients in a world; each has nodes of its own. */
#include "sim/parts.h"

static struct node *open_program_node(void *user, const struct node_options *options)
{
    struct world_program *program = user;
    struct world_node *node = place_new(program->world, options->name);
    node->client = true;
    node->node = node_new(options, &node->io);
    place_watch(node);
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
    world_keep_line(((struct world_program *)user)->world, node, record);
}

static const char *program_getenv(void *user, const char *name)
{
    return world_variable(((struct world_program *)user)->world, name);
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

void programs_free(struct world *world)
{
    while (world->programs) {
        struct world_program *program = world->programs;
        world->programs = program->next;
        program_free(program->program);
        free(program->error);
        free(program);
    }
}
