/* Everything that can happen to the engine. Spans and pointers in an event are borrowed until the
 * step that takes it returns, unless the field says otherwise. */
#ifndef MOONPOST_EVENT_H
#define MOONPOST_EVENT_H

#include "core/agent.h"
#include "core/batch.h"
#include "core/frame.h"
#include "core/load.h"
#include "core/state.h"

enum event_kind {
    EVENT_START,       /* once, first: dial the links */
    EVENT_ACCEPTED,    /* somebody connected to one of our doors; `connection`, `own` */
    EVENT_CONNECTED,   /* a dial succeeded; `dial`, `connection` */
    EVENT_DIAL_FAILED, /* a dial failed; `dial`, `reason` */
    EVENT_BYTES,       /* `connection`, `bytes`: any number of frames, or parts of them */
    EVENT_WRITTEN,     /* `size` more bytes that were written to `connection` have left this node */
    EVENT_CLOSED,      /* `connection` is gone, `reason`; its number may be used again afterwards */
    EVENT_COMMITTED,   /* `batch`, given back; what it holds is durable; `store_full` */
    EVENT_LOADED,      /* `load`, given back with its values */
    EVENT_AGENT_UP,    /* `agent`: deliver to it, and to nobody else at its address any more */
    EVENT_SUBMIT,      /* `submit`: send a message */
    EVENT_TRANSACT,    /* `transaction`: send all of these messages, or none */
    EVENT_OUTCOME,     /* `outcome`: a handler finished */
    EVENT_EXTEND,      /* `delivery` may take `delay_ms` from now, whatever its timeout was */
    EVENT_STATE,   /* `address`, `outcome`: only its writes, of no delivery (on.start, on.stop) */
    EVENT_WAIT,    /* `waiter` wants EFFECT_RESUME after `delay_ms` */
    EVENT_FORGET,  /* `waiter` is gone: no effect for it any more */
    EVENT_REQUEUE, /* `requeue`: a dead letter goes back, as asked by the request `waiter` */
    EVENT_REMOVE,  /* `letter`: a dead letter goes for ever, as asked by the request `waiter` */
    EVENT_HOLD,    /* `hold` of the mailbox `address`, as asked by the request `waiter` */
    EVENT_PEEK,    /* `peek`: what the request `waiter` wants to see; EFFECT_ADMIN shows it */
    EVENT_PURGE,   /* `purge`: what the request `waiter` has removed; EFFECT_ADMIN tells */
    EVENT_ADMINISTERED, /* `administered`: what the request `waiter` of EFFECT_ADMIN comes to */
    EVENT_STREAM, /* the request `waiter` at work is answered by parts from now on, until it is
                   * administered once more, or EFFECT_STREAM_OVER */
    EVENT_PART,   /* `part`: one of these, for the request `waiter`; `encoding`, `body` */
    EVENT_CANCEL, /* `waiter` wants no more parts of what it submitted */
    EVENT_CANCEL_MESSAGE, /* of the id `bytes`, sent from `address` (empty: by anybody): it is taken
                           * back if nobody was handed it. `waiter` gets an EFFECT_RECEIPT, or is a
                           * request of $node; or 0 */
    EVENT_DRAIN,          /* no new deliveries; those in hand may end */
    EVENT_STOP,           /* those in hand end from outside; say bye on every link */
};

enum { PROFILE_DEFAULT = 255 };

/* Send a message. */
struct submit {
    /* id, to, key, method, headers, body, encoding, sent_at_ms, due_ms (a delay), remaining_ms
     * (expires), profile (PROFILE_DEFAULT: the node's), level (LEVEL_NONE: the profile's own). The
     * engine sets the rest. `from` empty: the node's name. */
    struct message message;
    const struct retry_policy *retry; /* NULL: the node's `send` */
    uint64_t waiter;                  /* gets one EFFECT_RECEIPT; 0: nobody waits */
    int64_t timeout_ms; /* how long the waiter waits, then TIMEOUT; 0: until the message ends */
    bool fail_fast;     /* the first answer that costs time is final for it (NO_ROUTE ...) */
    bool own;           /* by the node's own user: it may be for $node */
    bool stream;        /* the waiter takes EFFECT_PART too, before the EFFECT_RECEIPT */
};

#define TIMEOUT_TEXT   "the delivery took longer than its timeout of %g s"
#define EXTENSION_TEXT "the delivery took longer than the %g s that ctx:extend gave it"

/* Messages that are accepted together, in one commit, or not at all: then each is refused with the
 * code and the reason of the first that cannot be, as one that was never transmitted. */
struct transaction {
    const struct submit *sends;
    size_t count;
};

enum outcome_kind { OUTCOME_ACK, OUTCOME_RETRY, OUTCOME_DEFER, OUTCOME_REJECT, OUTCOME_SKIP };

/* How a delivery ended. */
struct outcome {
    uint64_t delivery; /* as in EFFECT_RUN; a stale one is ignored */
    uint8_t kind;      /* enum outcome_kind */
    uint8_t code;      /* enum code; of a retry or reject */
    uint8_t encoding;  /* enum encoding, of the result */
    struct span word;  /* a script's own code, with CODE_OTHER */
    struct span reason;
    struct span traceback;
    struct span result;
    int64_t delay_ms;           /* of a retry or defer; -1: the policy decides */
    const struct submit *sends; /* buffered effects: done only with an ack */
    size_t send_count;
    const struct span *cancels; /* ids of what the agent has sent before: taken back with an ack */
    size_t cancel_count;
    const struct state_read *reads; /* an ack holds only while these are what they were */
    size_t read_count;
    const struct state_write *writes; /* done only with an ack */
    size_t write_count;
    /* Of a delivery with several messages that did not all end in the same way: how each of them
     * did, in their order; only kind, code, word, reason, traceback, result and delay. The effects
     * above are done all the same. NULL: all as said above. */
    const struct outcome *parts;
    size_t part_count;
};

/* A dead letter that goes back to where it died, or elsewhere. */
struct requeue {
    uint64_t letter;  /* dead_letter.handle */
    int64_t delay_ms; /* not before so long from now */
    bool has_body;    /* `body` instead of its own */
    uint8_t encoding; /* enum encoding, of that body */
    struct span body;
    struct span to; /* another address; empty: its own */
};

/* A page of what a queue holds, by age. */
struct peek {
    struct span address; /* of a mailbox, or else of an outbox */
    uint32_t states;     /* bits 1 << enum entry_state */
    uint64_t after;      /* only those with a later sequence */
    size_t limit;
};

/* Some of what waits in a mailbox, or is deferred there: the first `limit`. */
struct purge {
    struct span address;
    uint64_t last; /* only messages up to this sequence; 0: all that are there now */
    size_t limit;
};

/* The answer to a request of $node. */
struct administered {
    uint8_t code;     /* enum code; CODE_NONE: done */
    uint8_t encoding; /* enum encoding, of the result */
    struct span word; /* with CODE_OTHER */
    struct span reason, result;
};

struct event {
    enum event_kind kind;
    bool own; /* by a program of the node's own user, over the node's own socket */
    uint32_t connection, dial;
    struct span bytes, reason, address;
    size_t size;
    uint64_t waiter;
    uint64_t delivery; /* as in EFFECT_RUN; a stale one is ignored */
    uint64_t letter;   /* dead_letter.handle */
    uint8_t hold;      /* enum hold */
    int64_t delay_ms;
    struct batch *batch;
    struct load *load;
    bool store_full; /* what room is left is for settling: accept nothing new */
    const struct agent_declaration *agent;
    const struct submit *submit;
    const struct transaction *transaction;
    const struct outcome *outcome;
    const struct requeue *requeue;
    const struct peek *peek;
    const struct purge *purge;
    const struct administered *administered;
    const struct part *part;
};

#endif
