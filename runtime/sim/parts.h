/* The parts of a world, shared by the files that make it up; private to sim.
 *
 *   world.c    the clock, what is due, the log
 *   place.c    nodes, and what they ask of the world
 *   pipe.c     connections between nodes: bytes, dials, ends, and their faults
 *   program.c  programs with clients
 */
#ifndef MOONPOST_SIM_PARTS_H
#define MOONPOST_SIM_PARTS_H

#include "core/array.h"
#include "core/heap.h"
#include "core/random.h"
#include "sim/world.h"

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
    bool client; /* of a program */
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

/* ---- world.c ---- */

/* A copy that ends with a zero; free it. */
char *text_of(struct span span);
void world_keep_line(struct world *world, struct span node, const struct log_record *record);

/* A variable of the world's environment, or NULL. */
const char *world_variable(const struct world *world, const char *name);

/* ---- pipe.c ---- */

/* A node writes, closes, dials: what comes of it happens later. The block is given. */
void pipe_write(struct world_node *node, uint32_t connection, struct block *block);
void pipe_close(struct world_node *node, uint32_t connection);
void pipe_dial(struct world_node *node, uint32_t dial, struct span address);

/* What happens first; NULL: nothing is on its way. It is freed by being taken. */
struct happening *happening_first(const struct world *world);
void happening_take(struct world *world, struct happening *happening);

/* The node is gone: its dials and routes with it. */
void pipe_node_gone(struct world *world, const struct world_node *node);
void pipe_free_all(struct world *world);

/* ---- place.c ---- */

/* A place in the world for a node that its caller makes. */
struct world_node *place_new(struct world *world, struct span name);

/* Hear the facts and answers of its node. */
void place_watch(struct world_node *node);
void place_forget(struct world *world, struct world_node *node);

/* ---- program.c ---- */

void programs_free(struct world *world);

#endif
