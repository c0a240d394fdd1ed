/* What the nodes of a world said of each message, and whether their promises were kept.
 *
 * Facts are told in the step in which they happen, before the commit that makes them true. So what
 * a node says of a message (a tally) is kept twice: as it says it now, and as it is durable. A
 * crash takes the first back to the second. What is broken is named at once, by the first promise
 * that was. */
#ifndef MOONPOST_LEDGER_H
#define MOONPOST_LEDGER_H

#include "node/node.h"

struct ledger;
struct book; /* of one node */

struct ledger *ledger_new(void);
void ledger_free(struct ledger *ledger);

/* A node's own part; `name` is borrowed for the ledger's life. */
struct book *ledger_book(struct ledger *ledger, const char *name);

/* What the agent of an address is like, as `look` answers at any time. */
struct ledger_agent {
    bool by_id;        /* it recognises duplicates by their id */
    bool at_most_once; /* it settles messages before its handler begins */
    uint8_t order;     /* enum order; ORDER_NONE also where it is not told from outside */
    bool dedup;        /* messages may wait for another with their key */
};

void ledger_ask(struct book *book, struct ledger_agent (*look)(void *user, struct span address),
                void *user);

/* A life of the node begins; `durable`: on a store that survives it. */
void ledger_begins(struct book *book, bool durable);

/* It says something, at this moment. */
void ledger_fact(struct book *book, int64_t now_ms, const struct fact *fact);

/* A receipt for somebody who waits in the world. */
void ledger_answer(struct ledger *ledger, int64_t now_ms, const struct answer *answer);

/* Frames arrive at the node, and leave it. */
void ledger_arrives(struct book *book, int64_t now_ms, struct span bytes);
void ledger_leaves(struct book *book, int64_t now_ms, struct span bytes);

/* All that it said so far is in the batch that goes to its disk; ... that batch is durable. */
void ledger_sealed(struct book *book);
void ledger_durable(struct book *book);

/* Its process ended; `kept`: the batch that was with its disk is durable all the same. */
void ledger_died(struct book *book, bool kept);

/* Wall clocks jumped, or a record was damaged: when what is due is not known any more after a
 * restart; a store was damaged: nothing is known of what was in it. */
void ledger_clocks_jumped(struct ledger *ledger);
void ledger_damaged(struct book *book);

/* Name what is broken by its reason; only the first one stays. */
void ledger_break(struct ledger *ledger, int64_t now_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* At rest: what has neither ended nor is `pending` (asked for each message that is owed an end) is
 * lost. */
void ledger_close(struct ledger *ledger, int64_t now_ms,
                  bool (*pending)(void *user, struct span id), void *user);

/* Whether it was handled somewhere, durably. */
bool ledger_handled(const struct ledger *ledger, struct span id);

/* The first promise that was broken, or NULL. */
const char *ledger_broken(const struct ledger *ledger);

#endif
