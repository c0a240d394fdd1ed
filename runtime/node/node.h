/* A node: an engine, its store and its scripts, held together. It takes events, steps the engine
 * and carries out the effects. What touches the world (sockets, the clock, the disk) it asks of a
 * `struct node_io`: libuv in the shell, virtual in the world. */
#ifndef MOONPOST_NODE_H
#define MOONPOST_NODE_H

#include "script/script.h"
#include "store/identity.h"
#include "store/store.h"

/* What a node needs of the shell it lives in. Borrowed for the node's life. */
struct node_io {
    void *user;
    int64_t (*now_ms)(void *user);  /* monotonic */
    int64_t (*wall_ms)(void *user); /* since 1970 */

    /* Write a block (given: release it when written) to a connection. Post EVENT_WRITTEN for what
     * has left, at the latest for LINK_WRITTEN_BYTES together. */
    void (*write)(void *user, uint32_t connection, struct block *block);

    /* Close a connection after what was written has left; post EVENT_CLOSED afterwards. */
    void (*close)(void *user, uint32_t connection);

    /* Dial; post EVENT_CONNECTED or EVENT_DIAL_FAILED later, never from inside. Connection numbers
     * are the shell's: small, and not used again before EVENT_CLOSED was taken. */
    void (*dial)(void *user, uint32_t dial, struct span address);

    /* Commit a batch to the store of node_use_store, off the loop; then call node_committed. The
     * field may be NULL: the node commits at once. */
    void (*commit)(void *user, struct batch *batch);

    /* Read a page from that store, off the loop, after all batches before it; then call
     * node_loaded. Not NULL if `commit` is not. */
    void (*load)(void *user, struct load *load);

    /* There are events or deadlines that were not there before: call node_turn soon (once for any
     * number of calls). Never acts from inside. */
    void (*wake)(void *user);

    /* A variable of the environment, or NULL; the field may be NULL: the process's own. */
    const char *(*getenv)(void *user, const char *name);

    /* The process ends as by kill -9, at once or (in a world) when the present step is over. NULL:
     * it cannot. */
    void (*crash)(void *user);

    /* A line of log; `level`, `node` and the rest as in script.h. */
    void (*log)(void *user, struct span node, const struct log_record *record);
};

struct node_options {
    const struct settings *settings; /* copied into the engine; NULL: node_configure comes later */
    struct span name;                /* stronger than settings->name; both empty: one is made */
    uint8_t role;                    /* enum role */
    uint64_t seed;                   /* of everything random in this node */
    const char *store_id;            /* STORE_ID_BYTES to keep an identity, or NULL: a new one */
    uint64_t epoch;                  /* 0: 1 */
    bool show_envelopes;
    bool deterministic;
    bool one_shot;               /* a client's: its first failed dial ends it */
    struct script_host *waiters; /* of a client: whose coroutines its receipts wake; else NULL */
    /* Called at the first link up (ok) or final failure of the links. NULL: nobody asks. */
    void (*ready)(void *user, bool ok, enum code code, struct span reason);
    void *ready_user;
};

struct node;

struct node *node_new(const struct node_options *options, const struct node_io *io);
void node_free(struct node *node);

/* Keep everything in this store (given) from now on, under the identity it has or gets now; its
 * epoch is raised by one, durably. Once, before node_configure; `name` may be empty: the store's,
 * or one that is made. Without it the node has a store in memory. False: `error`
 * (STORE_ERROR_BYTES) says why; the store is the node's all the same. */
bool node_use_store(struct node *node, struct store *store, struct span name, char *error);

/* Who it is by the store of node_use_store. */
const struct identity *node_identity(const struct node *node);

/* A batch of io->commit is durable; `room` (copied) is left in the store. */
void node_committed(struct node *node, struct batch *batch, const struct store_room *room);

/* A page of io->load has its values. */
void node_loaded(struct node *node, struct load *load);

/* What was found in a store. */
struct node_found {
    size_t messages, dead; /* dead letters are messages too */
    size_t damaged;        /* records that could not be taken up, and stay where they are */
};

/* Take up what the store holds, between node_configure and node_start; the shell does no commit
 * meanwhile. False: `error` (STORE_ERROR_BYTES) says why. */
bool node_recover(struct node *node, struct node_found *found, char *error);

/* Nothing waits to be committed. */
bool node_settled(const struct node *node);

/* Hooks, tails or the log are still to hear of something that waits for its commit. */
bool node_has_untold(const struct node *node);

/* Make the engine by these settings (copied), once, before anything is posted. They are best loaded
 * in the node's own host, so that functions in them can be asked. `name` may be empty. */
void node_configure(struct node *node, const struct settings *settings, struct span name);

struct script_host *node_host(struct node *node); /* its own, or the borrowed `waiters` */
struct engine *node_engine(struct node *node);
struct span node_name(const struct node *node);

/* Load the agents and hooks that the settings name (values and globs), before node_start. SCRIPT:
 * `*error` names file, line and reason. */
enum status node_load(struct node *node, struct span *error);

/* Load one agent file, or take an agent value at `index` of `L`, and deliver to it. */
enum status node_load_agent(struct node *node, const char *path, struct span *error);
enum status node_take_agent(struct node *node, lua_State *L, int index, const char *origin,
                            struct span *error);

/* Load agents again beside what is there: each that is well takes its predecessor's place in the
 * next step, and any failure leaves that where it is. Agents that use one changed file follow
 * together or not at all. `each` is called for each agent that the request names; answers how many.
 * New files that a glob of the settings stands for become agents when all are asked for. */
size_t node_reload(struct node *node, const struct reload_request *request,
                   void (*each)(void *user, const struct reload_result *result), void *user);

/* Every file that a reload looks at, and each pattern of the settings that may get matches. */
void node_each_file(struct node *node, void (*each)(void *user, const char *path), void *user);

/* A file of settings or hooks is not as it was read, which the next start will see: its path, each
 * change once (borrowed until the next call), or NULL. */
const char *node_settings_change(struct node *node);

/* Hooks were added to the host since node_load: ask the engine for what they want. */
void node_hooks_changed(struct node *node);

/* Dial the links. */
void node_start(struct node *node);

/* Queue an event; everything it points at is copied. Bytes of connections may be posted with
 * node_bytes, which steps at once and copies nothing. */
void node_post(struct node *node, const struct event *event);
void node_bytes(struct node *node, uint32_t connection, struct span bytes);

/* Take what is queued and due, until nothing is left for now. */
void node_turn(struct node *node);

/* When node_turn wants to be called at the latest, monotonic; INT64_MAX: nothing is due; now or
 * earlier: events are queued. */
int64_t node_deadline_ms(const struct node *node);

/* The node is dead to the world, as a process that was killed: from now on nothing that its engine
 * asks for is done, also in the step at hand. What is left to do is node_free. */
void node_abandon(struct node *node);

/* Begin no new deliveries; those in hand may end (engine_in_hand). */
void node_drain(struct node *node);

/* Stop: bye on all links, handlers ended from outside, nothing new begun. */
void node_stop(struct node *node);

/* An observer beside the hooks (a world's trace): `see` gets every fact; `answered` is offered each
 * receipt first and answers whether it was its own. */
void node_observe(struct node *node, void (*see)(void *user, const struct fact *fact),
                  bool (*answered)(void *user, uint64_t waiter, const struct answer *answer),
                  void *user);

#endif
