/* A world: several nodes in one process, in virtual time, with links that cost nothing until they
 * are cut or slowed down. The other shell beside libuv: the same nodes, engines and scripts. A run
 * is a function of its seed. */
#ifndef MOONPOST_WORLD_H
#define MOONPOST_WORLD_H

#include "node/program.h"
#include "sim/medium.h"

struct world;
struct world_node;

/* Where the monotonic clock of a world begins: 0 stands for "not yet" in a link. */
enum { WORLD_BEGAN_MS = 1 };

/* A line of log as the world heard it; texts are owned by the world. */
struct world_line {
    int64_t at_ms; /* since the world began */
    enum log_level level;
    char *node, *text, *agent, *id, *fields; /* never NULL */
};

struct world *world_new(uint64_t seed, int64_t wall_ms);
void world_free(struct world *world);

/* Who a node says it is: so that a world can hold two with one name, or a later start of a store.
 */
struct world_identity {
    struct span name;  /* what it tells its peers; empty: its name in the world */
    struct span store; /* at most STORE_ID_BYTES of it are its store's id; empty: a new one */
    uint64_t epoch;    /* which start of the store this is; 0: the first */
};

/* A further node, not configured and not started: its host may load settings (node_host), then
 * world_node_start configures and starts it. The name is also its address for links. */
struct world_node *world_node_add(struct world *world, struct span name, uint8_t role,
                                  bool show_envelopes, const struct world_identity *identity);
struct node *world_node_of(struct world_node *node);
struct span world_node_name(const struct world_node *node);

/* Around whatever runs the node's own code from outside of the world: a crash that is asked for in
 * between happens at the end. */
void world_busy_begin(struct world_node *node);
void world_busy_end(struct world_node *node);

/* Configure by these settings (its `listen` addresses lead to it), load what they name, start. */
enum status world_node_start(struct world_node *node, const struct settings *settings,
                             struct span *error);

/* The node of this name or listening address, or NULL. The empty name: the first one. */
struct world_node *world_find(struct world *world, struct span name);

/* All nodes in the order in which they were made; NULL after the last. */
struct world_node *world_next(struct world *world, struct world_node *node);

/* The process of a node ends at this moment, as kill -9 ends it: what was not durable is gone, the
 * batch that was with its disk is there or not. Called by one of its own handlers, it ends when the
 * present step is over and does nothing more until then. */
void world_crash(struct world_node *node);

/* Whether it runs: from world_node_start to its crash. */
bool world_is_up(const struct world_node *node);

/* A further life of a node that is down, on what its store holds, not started: its host may load
 * settings, then world_node_start. */
void world_revive(struct world_node *node);

/* It stands still, as a process that is stopped, until it goes on. */
void world_stop(struct world_node *node);
void world_go_on(struct world_node *node);

/* What its store is kept on: to be set up, looked at, damaged. */
struct medium *world_medium(struct world_node *node);

/* Look at all records of its store; answers how many findings there are, and says each (borrowed)
 * to `found`. */
size_t world_store_check(struct world_node *node,
                         void (*found)(void *user, struct span key, const char *what), void *user);

/* How many records its disk holds. */
size_t world_records(struct world_node *node);

/* The wall clocks of all nodes say something else from now on. */
void world_set_wall(struct world *world, int64_t wall_ms);

/* Whether a promise was broken so far, by messages, receipts, stores, bounds: the first one in
 * words, owned by the world, or NULL. What is still on its way is neither kept nor broken. */
const char *world_check(struct world *world);

/* Whether a message was handled, durably: a fact may be undone by a crash. */
bool world_handled(const struct world *world, struct span id);

/* One bit of a record of its store flips: of this kind, or 0. Answers the kind, or 0 for none. */
char world_flip(struct world_node *node, char kind);

/* A sum of all that was said between nodes, and of all facts. */
uint64_t world_trace(const struct world *world);

/* Virtual time: monotonic milliseconds, from WORLD_BEGAN_MS on. */
int64_t world_now_ms(const struct world *world);
int64_t world_wall_ms(const struct world *world);
uint64_t world_random(struct world *world);

/* Let everything happen that is due now, then time pass until `until_ms`. False: nothing comes to
 * rest at one moment (a loop of messages without end). */
bool world_run(struct world *world, int64_t until_ms);

/* The next moment at which something is due; INT64_MAX: never. */
int64_t world_next_ms(const struct world *world);

/* How many messages and handlers are not finished, over all nodes. */
size_t world_pending(const struct world *world);

enum world_cut {
    CUT_BOTH,    /* links die, and none can be made */
    CUT_SILENT,  /* what they say to each other vanishes; nobody is told */
    CUT_ONE_WAY, /* what a says to b vanishes */
};

/* Between two nodes, until heal. Unknown names: false. */
bool world_cut(struct world *world, struct span a, struct span b, enum world_cut how);
bool world_heal(struct world *world, struct span a, struct span b);

/* What becomes of data and receipts on a route: rates between 0 and 1. */
struct roughness {
    double lose, duplicate, reorder;
};

/* From now on. Unknown names: false. */
bool world_rough(struct world *world, struct span a, struct span b,
                 const struct roughness *roughness);

/* What two nodes say to each other takes so long from now on. */
bool world_delay(struct world *world, struct span a, struct span b, int64_t delay_ms);

/* A program in this world, run with moonpost.client and virtual sleep. Its end is in `*done`. */
struct world_program;
struct world_program *world_exec(struct world *world, struct span name, const char *root,
                                 const char *path, int argc, char *const *argv,
                                 bool show_envelopes);
bool world_program_ended(const struct world_program *program, int *exit_code, struct span *error);

/* Environment variables that nodes and programs of this world see instead of the process's; what is
 * set last counts, NULL: it is not set. */
void world_setenv(struct world *world, const char *name, const char *value);

/* The lines since the last call; valid until the next. */
size_t world_lines(struct world *world, const struct world_line **lines);

/* Every fact of every node goes to `see`, receipts for waiters of world_waiter to `answered`. */
void world_watch(struct world *world,
                 void (*see)(void *user, struct world_node *node, const struct fact *fact),
                 void (*answered)(void *user, uint64_t waiter, const struct answer *answer),
                 void *user);

/* A token for a submit whose answer goes to `answered`. */
uint64_t world_waiter(struct world *world);

/* Module "moonpost.world". */
int luaopen_moonpost_world(lua_State *L);

#endif
