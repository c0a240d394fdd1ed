/* Everything the engine can ask for, in the order in which it is to be done. Spans, messages and
 * blocks in an effect are borrowed until effects_reset, unless the field says "given". */
#ifndef MOONPOST_EFFECT_H
#define MOONPOST_EFFECT_H

#include "core/arena.h"
#include "core/batch.h"
#include "core/frame.h"
#include "core/load.h"
#include "core/page.h"

enum effect_kind {
    EFFECT_WRITE,       /* `block` (given) to `connection`; EVENT_WRITTEN says when it has left */
    EFFECT_CLOSE,       /* `connection`, after what was written; EVENT_CLOSED must follow */
    EFFECT_DIAL,        /* `dial`, `address`; answered by EVENT_CONNECTED or EVENT_DIAL_FAILED */
    EFFECT_COMMIT,      /* `batch`, until EVENT_COMMITTED gives it back */
    EFFECT_LOAD,        /* `load`, until EVENT_LOADED gives it back; sees all commits before it */
    EFFECT_RUN,         /* `run`: start a handler; answered by EVENT_OUTCOME */
    EFFECT_RETIRE,      /* `run.agent`: another has taken its address; no run of it follows */
    EFFECT_INTERRUPT,   /* end delivery `run.delivery` from outside with `code`; its outcome is void
                         */
    EFFECT_RESUME,      /* `waiter`: its delay is over */
    EFFECT_RECEIPT,     /* `waiter`, `answer` */
    EFFECT_FACT,        /* `fact`: something happened; for logs, hooks, traces */
    EFFECT_ADMIN,       /* `waiter`: a request of $node, the message `block`; look, post what is to
                         * change, then EVENT_ADMINISTERED, or EVENT_PEEK or EVENT_PURGE alone: then
                         * it comes once more, with their `page` */
    EFFECT_PART,        /* `waiter`, `part`: of a submit with `stream` */
    EFFECT_STREAM_OVER, /* `waiter`: nobody takes parts of this request of $node any more */
};

/* One more message of a delivery that has several. */
struct run_other {
    uint64_t sequence; /* of the message; 0: it was settled before the handler */
    uint32_t attempt;
    bool last;
    uint16_t transmission;
    struct block *block; /* as in struct run */
};

/* One delivery to a handler. */
struct run {
    uint64_t delivery; /* names the lease; void after its outcome */
    uint64_t sequence; /* of the message, node-wide; 0: it was settled before the handler */
    uint32_t agent;
    uint32_t attempt; /* 1 for the first */
    bool last;        /* the policy gives no other */
    bool notice;      /* of a dead letter: for notice_read */
    uint16_t transmission, requeues;
    uint8_t profile; /* enum profile, in force for this message */
    int64_t timeout_ms;
    int64_t remaining_ms; /* until it expires; DURATION_FOREVER */
    struct span key;      /* the effective key, or empty */
    struct block *block;  /* the message; valid until the outcome has been taken */
    bool batch;           /* for the agent's batch handler, with these behind it: */
    const struct run_other *others;
    size_t other_count;
};

/* What the sender of a stream gets before its answer. */
struct part_answer {
    bool accepted; /* the owner has it; there is no part yet */
    uint8_t encoding;
    uint32_t left_out;
    struct span body;
};

/* What a waiting sender gets. */
struct answer {
    bool ok;
    bool dup;
    bool forgot;   /* handled, but its result is lost: the owner does not keep it any more */
    uint8_t code;  /* enum code; TIMEOUT: nobody knows yet, the send goes on */
    uint8_t level; /* enum level */
    uint8_t result_encoding;
    uint8_t profile; /* enum profile of the message */
    uint16_t transmission;
    uint32_t facts;        /* enum receipt_facts of the owner */
    uint32_t sender_facts; /* the same bits, of this node */
    uint32_t attempts;     /* of the send policy */
    int64_t deadline_ms;   /* of the send policy; DURATION_FOREVER */
    int64_t retry_after_ms;
    struct span ref, word, reason, result;
};

/* Names as in API.md section 6, and seven more of our own: `sent` (each transmission), `attached`
 * and `refused` (of an address), `requeued` and `removed` (of a dead letter), `purged`,
 * `conflicted` (a delivery that never happened: what it had read was changed by another). */
#define FACT_MAP(X)                                                                                \
    X(SENT, "sent")                                                                                \
    X(STORED, "stored")                                                                            \
    X(DELIVERED, "delivered")                                                                      \
    X(HANDLED, "handled")                                                                          \
    X(RETRYING, "retrying")                                                                        \
    X(DEFERRED, "deferred")                                                                        \
    X(DEAD, "dead")                                                                                \
    X(EXPIRED, "expired")                                                                          \
    X(DUPLICATE, "duplicate")                                                                      \
    X(STALE, "stale")                                                                              \
    X(DROPPED, "dropped")                                                                          \
    X(ACKED, "acked")                                                                              \
    X(NACKED, "nacked")                                                                            \
    X(TIMED_OUT, "timed_out")                                                                      \
    X(REPLIED, "replied")                                                                          \
    X(START, "start")                                                                              \
    X(STOP, "stop")                                                                                \
    X(LINK_UP, "link_up")                                                                          \
    X(LINK_DOWN, "link_down")                                                                      \
    X(LINK_FAILED, "link_failed")                                                                  \
    X(RELOADED, "reloaded")                                                                        \
    X(ATTACHED, "attached")                                                                        \
    X(REFUSED, "refused")                                                                          \
    X(REQUEUED, "requeued")                                                                        \
    X(REMOVED, "removed")                                                                          \
    X(PURGED, "purged")                                                                            \
    X(CONFLICTED, "conflicted")

enum fact_kind {
#define X(name, text) FACT_##name,
    FACT_MAP(X)
#undef X
        FACT_COUNT
};

const char *fact_name(enum fact_kind kind);

struct fact {
    enum fact_kind kind;
    uint64_t note;       /* which of the engine's own notes is completed by it; 0: none */
    uint64_t batch;      /* whose commit it belongs to (struct batch); 0: of none */
    struct block *block; /* the message it is about, or NULL */
    struct span subject; /* id of the message, name of the link or address when there is no block */
    struct span link;    /* name of the peer it came from or goes to, or empty */
    uint8_t code;        /* enum code */
    uint8_t level;       /* enum level, of acked */
    uint8_t role;        /* enum role, of a link's peer, as it says */
    bool dup;
    bool notice; /* the message is a notice of a dead letter (notice.h) */
    bool again;  /* of a sender's retrying: the one before to this address said the same */
    uint16_t transmission; /* at the sender */
    uint32_t attempt;      /* at the handler; of a link: dials since it was last up */
    int64_t delay_ms;      /* until the next try; -1: there is none */
    uint32_t waiting;      /* link_down: messages waiting for it */
    struct span reason, word, traceback;
};

struct effect {
    enum effect_kind kind;
    uint8_t code;
    uint32_t connection, dial;
    uint64_t waiter;
    struct span address;
    struct block *block;
    struct batch *batch;
    struct load *load;
    const struct page *page; /* until its request is answered */
    union {
        struct run run;
        struct answer answer;
        struct fact fact;
        struct part_answer part;
    };
};

struct effects {
    struct effect *items;
    size_t count, capacity;
    struct arena arena;
};

/* Append an effect of this kind, the rest zero; valid until the next call. */
struct effect *effects_add(struct effects *effects, enum effect_kind kind);

/* Forget all of them, keeping the memory. Blocks of writes that nobody took are released. */
void effects_reset(struct effects *effects);
void effects_deinit(struct effects *effects);

#endif
