/* Messages whose handler ran when the process died; private to the engine.
 *
 * Of messages that ran together (bundle.c) nobody can tell which it was: none is charged, and each
 * is handed over by itself from then on, so that the next time there is one to charge.
 *
 *   named ----its record is found----> charging: an attempt and a note, in the open batch, and no
 *              handler begins, since it might end the process before that is durable
 *         ----there is none----------> the engine is wary: handlers begin behind the commit
 *   charging --durable-------> charged --its agent is there--> a dead letter, or judged: deferred
 *   judged ----due-----------> waits for quiet: nothing new begins, what is in hand may end
 *          ----quiet for SUSPECT_STILL_MS, or after SUSPECT_QUIET_MS--> delivered, the others
 *              behind it
 *
 * Each attempt is durable before the next can begin, so a handler that kills the process reaches
 * the dead letters, however often and however soon it does. It runs alone, so that no neighbour is
 * in hand then and has to be done again; what it does after it waited is done among the others,
 * because it may wait for one of them. */
#ifndef MOONPOST_SUSPECT_H
#define MOONPOST_SUSPECT_H

#include "core/agent.h"

struct engine;
struct entry;
struct queue;

enum suspect_stage { SUSPECT_NONE, SUSPECT_CHARGING, SUSPECT_CHARGED, SUSPECT_JUDGED };

enum { SUSPECTS_NAMED_MAX = 16 };

struct suspects {
    uint64_t named[SUSPECTS_NAMED_MAX]; /* sequences, while records come in */
    size_t named_count;
    uint64_t *bundled; /* sequences of those that ran together, ascending */
    size_t bundled_count, bundled_capacity;
    size_t unjudged;  /* charging or charged */
    size_t charging;  /* charges and verdicts that are not durable: nothing begins until they are */
    uint64_t charged; /* durably, in this life */
    size_t singles;   /* of the bundled: those that have not been handed over since; no bundle is
                         made until then, lest two that end the process hide each other for ever */
    uint64_t *lonely; /* handles of the entries that wait for quiet, in their order */
    size_t lonely_count, lonely_capacity;
    int64_t quiet_ms; /* when the first of them is delivered */
    int64_t wary_ms;  /* until then handlers begin behind the commit of their message */
};

/* The entry was in a bundle when the process died: it goes by itself. */
void suspect_single(struct engine *engine, struct entry *entry);

/* Its delivery has ended, and the process has not; or the entry goes. */
void suspect_cleared(struct engine *engine, struct entry *entry);

/* A record of this message came in: was it named? It is asked for once. */
bool suspect_take(struct engine *engine, uint64_t sequence);

/* Was it one of those that ran together? It is asked for once. */
bool suspect_was_bundled(struct engine *engine, uint64_t sequence);

/* Charge an entry that stands deferred in its mailbox. */
void suspect_charge(struct engine *engine, struct entry *entry);

/* All records are here: be wary of what was named and has none. */
void suspect_missing(struct engine *engine);

/* The charge is durable; the agent is there. */
void suspect_committed(struct engine *engine, uint64_t handle);
void suspect_agent_up(struct engine *engine, struct queue *mailbox);

/* It does not wait for another of its dedup key any more. */
void suspect_turn(struct engine *engine, struct entry *entry);

/* It is due: it waits for quiet. */
void suspect_waits(struct engine *engine, struct entry *entry);

/* It is purged: nobody need judge it. */
void suspect_purged(struct engine *engine, const struct entry *entry);

/* Deliver the first that waits for quiet, if it is time. */
void suspect_pump(struct engine *engine);

/* Nothing else may begin. */
bool suspect_holds(const struct engine *engine);

/* Must its handler wait until the message is durable? */
bool suspect_is_wary(const struct engine *engine, const struct entry *entry);
void suspects_deinit(struct suspects *suspects);

#endif
