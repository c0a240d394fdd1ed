/* Everything that can happen to the engine. Spans and pointers in an event are borrowed until the
 * step that takes it returns, unless the field says otherwise. */
#ifndef MOONPOST_EVENT_H
#define MOONPOST_EVENT_H

#include "core/agent.h"
#include "core/batch.h"
#include "core/frame.h"
#include "core/load.h"

enum event_kind {
    EVENT_START,       /* once, first: dial the links */
    EVENT_ACCEPTED,    /* somebody connected to one of our doors; `connection` */
    EVENT_CONNECTED,   /* a dial succeeded; `dial`, `connection` */
    EVENT_DIAL_FAILED, /* a dial failed; `dial`, `reason` */
    EVENT_BYTES,       /* `connection`, `bytes`: any number of frames, or parts of them */
    EVENT_WRITTEN,     /* `size` more bytes that were written to `connection` have left this node */
    EVENT_CLOSED,      /* `connection` is gone, `reason`; its number may be used again afterwards */
    EVENT_COMMITTED,   /* `batch`, given back; what it holds is durable; `store_full` */
    EVENT_LOADED,      /* `load`, given back with its values */
    EVENT_AGENT_UP,    /* `agent`: deliver to it */
    EVENT_AGENT_DOWN,  /* `agent.address`: deliver no more */
    EVENT_SUBMIT,      /* `submit`: send a message */
    EVENT_OUTCOME,     /* `outcome`: a handler finished */
    EVENT_WAIT,        /* `waiter` wants EFFECT_RESUME after `delay_ms` */
    EVENT_FORGET,      /* `waiter` is gone: no effect for it any more */
    EVENT_DRAIN,       /* no new deliveries; those in hand may end */
    EVENT_STOP,        /* those in hand end from outside; say bye on every link */
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
};

struct event {
    enum event_kind kind;
    uint32_t connection, dial;
    struct span bytes, reason;
    size_t size;
    uint64_t waiter;
    int64_t delay_ms;
    struct batch *batch;
    struct load *load;
    bool store_full; /* what room is left is for settling: accept nothing new */
    const struct agent_declaration *agent;
    const struct submit *submit;
    const struct outcome *outcome;
};

#endif
