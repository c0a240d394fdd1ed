/* The parts of a world, shared by the files that make it up; private to sim.
 *
 *   world.c    the clock, what is due, the log
 *   place.c    nodes, and what they ask of the world
 *   life.c     how nodes die, stand still and begin again, and what their disks do
 *   ledger.c   what nodes said, and whether it was true
 *   check.c    the rest of the promises, looked at when asked
 *   medium.c   what stores are kept on
 *   happen.c   what will happen, and to whom
 *   pipe.c     connections between nodes: bytes, dials, ends, and their faults
 *   hash_seed.c what makes a process of worlds the same in each run
 *   rough.c    what gets lost, doubled and late on a route
 *   program.c  programs with clients
 */
#ifndef MOONPOST_SIM_PARTS_H
#define MOONPOST_SIM_PARTS_H

#include "core/array.h"
#include "core/heap.h"
#include "core/random.h"
#include "sim/ledger.h"
#include "sim/medium.h"
#include "sim/world.h"

enum happening_kind {
    HAPPEN_BYTES,  /* `block` arrives at `end` of `pipe` */
    HAPPEN_CLOSED, /* `end` of `pipe` learns that it is closed, for `reason` */
    HAPPEN_DIAL,   /* `dial` of `node` to `address`; `reason`: it has failed */
    HAPPEN_COMMIT, /* `batch` of `node` is with its disk for long enough */
    HAPPEN_LOAD,   /* `load` of `node` is read */
};

/* Something that will happen to a connection or a node. */
struct happening {
    struct deadline deadline;
    struct happening *next; /* all of them, newest first */
    struct happening *previous;
    enum happening_kind kind;
    struct pipe *pipe;
    int end; /* which end of the pipe it happens to */
    struct block *block;
    bool told; /* its sender knows already that it has left */
    struct world_node *node;
    uint32_t dial;
    struct batch *batch; /* its own */
    struct load *load;   /* its own */
    char *address, *reason;
};

struct pipe {
    struct pipe *next;
    struct world_node *ends[2]; /* NULL: this end is closed */
    uint32_t numbers[2];
    size_t written[2];  /* bytes of this end that have arrived and were not told of */
    int64_t last_ms[2]; /* nothing arrives at this end before what was written earlier */
    bool lost[2];       /* something for this end has vanished: nothing more can come */
    bool given_up[2];   /* this end's node has closed it, and listens to nothing any more */
    uint32_t closings;  /* CLOSED happenings on their way */
};

struct world_node {
    struct world_node *next;
    struct world *world;
    struct node *node; /* NULL: it is down */
    struct node_io io;
    char *name;    /* in the world, where it is unique; also its address for links */
    char *goes_by; /* the name it tells its peers; NULL: the same */
    char store_id[STORE_ID_BYTES];
    uint64_t first_epoch; /* which start of its store the first is; 0: the first */
    uint8_t role;
    bool show_envelopes;
    struct book *book;           /* of the ledger, for what it says */
    bool damaged;                /* a bit of its store was flipped */
    size_t mailbox_max;          /* messages in a mailbox of this life */
    struct medium *medium;       /* what its store is kept on */
    struct store *store;         /* on it, in this life; its node's. NULL: it is in memory */
    struct batch *writing;       /* with the disk, borrowed */
    int64_t disk_free_ms;        /* when the disk has done what it was given */
    struct inhand inhand, found; /* its page, and what the life before left on it */
    struct happening **held;     /* what happens to it while it stands still, in order */
    size_t held_count, held_capacity;
    char error[STORE_ERROR_BYTES]; /* of its start */
    int busy;                      /* its own code runs: a crash waits until it is over */
    bool dying;                    /* it does nothing any more, and is down after this step */
    bool stopped;                  /* it stands still: no turns, and what happens to it waits */
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
    bool silent[2]; /* what a says to b, b to a, vanishes */
    int64_t delay_ms;
    struct roughness rough;
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
    struct ledger *ledger;
    uint64_t trace; /* of all that was said so far */
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

/* What is said between nodes and what they say of it becomes part of the world's trace. */
void trace_bytes(const struct world_node *from, const struct world_node *to, struct span bytes);
void trace_fact(const struct world_node *node, const struct fact *fact);

/* A variable of the world's environment, or NULL. */
const char *world_variable(const struct world *world, const char *name);

/* ---- happen.c ---- */

/* Something that happens after a while: the caller fills in the rest. */
struct happening *happen(struct world *world, enum happening_kind kind, int64_t delay_ms);

/* What happens first; NULL: nothing is on its way. It is freed by being taken. */
struct happening *happening_first(const struct world *world);
void happening_take(struct world *world, struct happening *happening);
void happening_free(struct world *world, struct happening *happening);

/* Everything that was held back from the node happens now, in its order. */
void happen_held(struct world_node *node);

/* ---- pipe.c ---- */

/* A node writes, closes, dials: what comes of it happens later. The block is given. */
void pipe_write(struct world_node *node, uint32_t connection, struct block *block);
void pipe_close(struct world_node *node, uint32_t connection);
void pipe_dial(struct world_node *node, uint32_t dial, struct span address);

/* What is left of what is written to this end (given, and given back) on a rough route; NULL:
 * nothing. Copies and what is late are on their way. */
struct block *rough_pass(struct world *world, struct pipe *pipe, int end, struct block *block);

/* What two nodes' connection is like. */
struct route_state *route_between(struct world *world, struct world_node *a, struct world_node *b);

/* What a happening of a pipe comes to. The one of a close is given: it ends before its pipe may. */
void pipe_take_bytes(const struct happening *happening);
void pipe_take_closed(struct world *world, struct happening *happening);
void pipe_take_dial(struct world *world, const struct happening *happening);

/* The process of the node has ended: its dials end, and its peers will learn of it. */
void pipe_node_died(struct world_node *node);

/* The node is gone: its dials and routes with it. */
void pipe_node_gone(struct world *world, const struct world_node *node);
void pipe_free_all(struct world *world);

/* ---- place.c ---- */

/* A place in the world for a node that its caller makes. */
struct world_node *place_new(struct world *world, struct span name);

/* Hear the facts and answers of its node. */
void place_watch(struct world_node *node);

/* Make its node, with its own identity and the next of the world's seeds. */
void place_make(struct world_node *node);
void place_forget(struct world *world, struct world_node *node);

/* ---- life.c ---- */

/* What a node asks of its disk (struct node_io). The batch and the load are given. */
void life_commit(struct world_node *node, struct batch *batch);
void life_load(struct world_node *node, struct load *load);

/* The disk has done it. */
void life_committed(struct world_node *node, struct batch *batch);
void life_loaded(struct world_node *node, struct load *load);

/* Around everything that runs code of the node: one that is dying is down when it is over. */
void life_step_begin(struct world_node *node);
void life_step_over(struct world_node *node);

/* Put a store under a node that is not configured, and take up what is in it afterwards. */
bool life_use_store(struct world_node *node, const struct settings *settings, char *error);
bool life_recover(struct world_node *node, char *error);

/* ---- program.c ---- */

void programs_free(struct world *world);

#endif
