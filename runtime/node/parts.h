/* What the files of a node share; private to the folder. */
#ifndef MOONPOST_NODE_PARTS_H
#define MOONPOST_NODE_PARTS_H

#include "node/node.h"
#include "node/post.h"
#include "store/identity.h"

struct shown;
struct newcomer;
struct tail;
struct held_fact;

struct node {
    struct node_io io;
    struct node_options options;
    struct engine *engine;
    struct script_host *host;
    bool host_is_borrowed;
    struct store *store;
    struct store_room room;   /* as of the last commit */
    struct identity identity; /* epoch 0: the store has none, it lives as long as the process */
    struct settings settings; /* its texts live in the host that loaded them */
    char *name;
    uint64_t random;
    struct post posts[2];
    unsigned filling; /* which of the two takes events now */
    struct effects effects;
    struct shown *shown; /* frames that leave with this step, not shown yet */
    bool stepping, abandoned;
    bool told_ready;
    int64_t started_ms;
    uint32_t *agents; /* those that are delivered to */
    size_t agent_count, agent_capacity;
    uint32_t *starting; /* staged: their on.start waits */
    size_t starting_count, starting_capacity;
    struct newcomer *newcomers; /* files that were to be agents and are not */
    size_t newcomer_count, newcomer_capacity;
    struct tail *tails; /* who follows what happens */
    size_t tail_count, tail_capacity;
    struct held_fact *held, *held_last; /* facts whose commit is not durable yet, by age */
    uint64_t durable;                   /* the number of the last batch that is */
    bool stopping;
    uint32_t hook_facts, hook_steps;
    void (*see)(void *user, const struct fact *fact);
    bool (*answered)(void *user, uint64_t waiter, const struct answer *answer);
    void *see_user;
};

/* Deliver to this agent, which nobody else has the address of, after on.start. */
enum status node_agent_up(struct node *node, uint32_t agent, struct span *error);

/* Deliver to what `agent` declares from the next step on. */
void node_deliver_to(struct node *node, uint32_t agent);

/* Relative paths in the settings begin here. */
const char *node_root(const struct node *node);

/* A path of the settings, as it is from here. */
void node_path(const struct node *node, struct span path, char *out, size_t size);

/* Call with every file that a name or glob of the settings stands for, in sorted order, as long as
 * the answer is true. */
bool node_each_match(const struct node *node, struct span pattern, bool must_match,
                     bool (*each)(void *user, const char *path), void *user);

/* ---- fact.c ---- */

/* A fact (borrowed) happened. Hooks, tails and the log hear of it once its commit is durable, and
 * of what is about messages in the order in which it happened. */
void fact_take(struct node *node, const struct fact *fact);

/* The batch of this number is durable: tell of what waited for it, before anything else that may be
 * said now. */
void facts_committed(struct node *node, uint64_t batch);
void facts_free(struct node *node);

/* ---- reload.c ---- */

/* On.start of a staged agent has ended. */
void reload_started(struct node *node, uint32_t agent, bool ok, struct span reason);

/* ---- tail.c ---- */

/* How many follow what happens: then every fact is wanted. */
size_t tail_count(const struct node *node);

/* One more; false: there are too many. It ends with EFFECT_STREAM_OVER. */
bool tail_add(struct node *node, uint64_t request, struct span pattern, struct span id);
void tail_over(struct node *node, uint64_t request);

/* Tell of a fact. */
void tail_fact(struct node *node, const struct fact *fact);
void tail_free(struct node *node);

/* The node stops: nobody takes anybody's place any more. */
void reload_stop(struct node *node);
void reload_free(struct node *node);

#endif
