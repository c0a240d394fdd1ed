/* A queue of messages with leases: a mailbox and an outbox are the same code, only the consumer
 * differs, a handler or a link.
 *
 *               due, or room for it                 settled
 *   deferred ---------------------> waiting --> leased ------> gone
 *       ^                              ^          |  |
 *       |        retry, defer, no route|          |  +-------> dead
 *       +------------------------------+----------+
 *                                given back       +----------> awaiting   (outbox only: stored at
 *                                                                          the owner, not handled)
 * An entry of a mailbox whose dedup key is in another entry's hands stands as `blocked`, one whose
 * order key is, as `parked`; an entry whose put is not durable yet and may not leave before stands
 * as `committing`. */
#ifndef MOONPOST_QUEUE_H
#define MOONPOST_QUEUE_H

#include "core/agent.h"
#include "core/heap.h"
#include "core/map.h"
#include "core/prints.h"
#include "core/sequences.h"

#define QUEUE_STATE_MAP(X)                                                                         \
    X(COMMITTING, "committing")                                                                    \
    X(WAITING, "waiting")                                                                          \
    X(LEASED, "leased")                                                                            \
    X(DEFERRED, "deferred")                                                                        \
    X(AWAITING, "awaiting")                                                                        \
    X(BLOCKED, "blocked")                                                                          \
    X(PARKED, "parked")                                                                            \
    X(DEAD, "dead")

enum entry_state {
#define X(name, text) ENTRY_##name,
    QUEUE_STATE_MAP(X)
#undef X
        ENTRY_STATE_COUNT
};

struct chain;
struct failure_note;
struct reservation;
struct waiter;
struct seen;
struct link;
struct load;
struct queue;

/* One message in a queue. */
struct entry {
    struct entry *next, *previous; /* in its queue's list of its state, ordered by sequence */
    struct queue *queue;
    struct deadline deadline;      /* what is next for it, by state: due, ACK timer, ask, timeout */
    struct block *block;           /* one reference is the entry's */
    uint64_t handle;               /* in engine.entries */
    uint64_t sequence;             /* node-wide; the store's key */
    int64_t first_ms;              /* when it was accepted */
    int64_t expires_ms;            /* worthless from then on; INT64_MAX */
    int64_t sent_ms, timer_ms;     /* of a transmission: when, and when its answer is overdue; of an
                                    * awaiting one: when the owner was last heard of it, and first */
    int64_t give_up_ms;            /* in an outbox: when the sender stops trying; INT64_MAX */
    uint64_t said_batch;           /* number of the batch with its latest receipt ... */
    size_t said_after;             /* ... and the index of it there */
    struct waiter *waiter;         /* who wants to know its end, or NULL */
    struct failure_note *failures; /* newest first */
    size_t weight;                 /* bytes it counts for: its block and its notes */
    uint64_t put_batch;            /* number of the batch with its put ... */
    size_t put_op;                 /* ... and the index of it there */
    uint8_t state;                 /* enum entry_state */
    uint8_t profile;               /* enum profile */
    uint8_t level;                 /* enum level the sender waits for */
    uint8_t last_code;             /* enum code of the last failure */
    struct chain *chain;           /* of its order key; NULL: it has none, or has not joined yet */
    struct entry *chain_previous, *chain_next;
    bool indexed;      /* stands in its queue's by_id */
    bool stored;       /* has a record in the store, or in a batch on its way there */
    bool facts_stored; /* and one of its delivery facts */
    bool fail_fast;
    uint8_t failure_count; /* notes kept */

    /* in a mailbox */
    uint32_t attempt;                 /* deliveries begun and charged */
    uint16_t transmission;            /* of the frame that brought it */
    bool notice;                      /* of a dead letter of its mailbox (notice.h) */
    bool settled_first;               /* at-most-once: removed before the handler */
    bool handed;                      /* a handler of this life has begun it */
    uint8_t suspect;                  /* enum suspect_stage */
    uint8_t conflicts;                /* times its state had changed when it was done */
    uint64_t lane;                    /* handle of the lane it came by; 0: from this engine */
    uint64_t delivery;                /* handle of its lease */
    struct entry *leader, *bundled;   /* of a bundle: its first, or NULL, and the next */
    bool singly;                      /* it was in a bundle when the process died: not again */
    int64_t extension_ms;             /* what its handler asked for instead of the timeout; or 0 */
    struct reservation *reservations; /* room kept for what its handler sends, or NULL */
    struct seen *seen;                /* what the dedup policy remembers of it */

    /* in an outbox, and the number in the lane for both */
    uint64_t number;
    uint32_t spent;  /* attempts: transmissions left unanswered while link and route were up */
    uint32_t stalls; /* answers that cost time only, in a row */
    uint16_t transmissions;
    uint8_t link_deaths;               /* links that died while it was the head of its lane */
    bool unanswered;                   /* the owner may have it */
    bool doubtful;                     /* counted in its queue */
    bool opens;                        /* what is out is only the wish to have a lane */
    bool last_try;                     /* the policy gave no further attempt */
    bool owner_paused;                 /* as its owner said when it was last heard of it */
    struct link *link;                 /* where it was transmitted */
    const struct retry_policy *policy; /* kept in the engine */
};

struct entry_list {
    struct entry *head, *tail;
    size_t count;
};

/* How much there is: for bounds. */
struct queue_total {
    size_t count, bytes;
};

enum queue_kind { QUEUE_MAILBOX, QUEUE_OUTBOX };

/* What a person has told a mailbox; it lasts over restarts. */
enum hold {
    HOLD_NONE,
    HOLD_PAUSED,   /* accepts and stores, delivers nothing */
    HOLD_DRAINING, /* delivers, accepts nothing new */
};

struct queue {
    struct queue *next;       /* all queues, in the order in which they were made */
    struct queue *ready_next; /* queues to look at before the step ends */
    struct span name;         /* address; owned */
    uint8_t kind;
    bool ready;
    struct entry_list lists[ENTRY_STATE_COUNT];
    struct queue_total own;      /* of this queue's messages, dead letters and their notes too */
    struct queue_total *shared;  /* of all queues that are bounded together, or NULL */
    struct map chains;           /* order key to struct chain */
    struct map by_id;            /* id to struct entry, of those in nobody's hands ... */
    bool indexed;                /* ... once somebody has asked for one ... */
    size_t twins;                /* ... but for so many, whose id was there already */
    struct queue_total reserved; /* a mailbox's: kept for the sends of handlers at work */

    /* a mailbox */
    struct agent_declaration agent; /* agent.agent 0: nobody is there now */
    bool mismatch_told;
    uint8_t hold;              /* enum hold */
    int64_t held_ms;           /* since when */
    uint32_t running;          /* deliveries in handlers' hands */
    struct deadline gathered;  /* when those that wait are handed over as a bundle */
    int64_t gathering_ms;      /* since when the first of them waits; 0: none does */
    uint64_t alone;            /* handle of an entry beside which no other is delivered; 0: none */
    struct sequences tail;     /* waiting ones that are not in memory, behind the list */
    size_t tail_bytes;         /* of all that are not in memory */
    struct load *load;         /* a page of them on its way into memory, or NULL */
    size_t loading;            /* ... and how many it has */
    size_t away;               /* parked ones that are in the store only ... */
    struct chain *away_chains; /* ... of these chains */
    struct chain *hungry;      /* those of them that want some back */
    struct map seen;           /* dedup key to struct seen: held and young ones */
    struct seen *seen_oldest, *seen_newest; /* the young, in the order in which they were settled */
    struct prints prints;   /* the other settled ones, whose records are in the store */
    struct seen *seen_read; /* the latest of them that was asked for, or NULL */

    /* an outbox */
    uint64_t lane_epoch, next_number, base;
    struct base_mark {
        uint64_t batch, base; /* base when this batch was open: true when that is durable */
    } marks[3];               /* newest first, at most two of them not durable */
    bool opened;              /* the owner has this lane for exactly-once ... */
    uint64_t opened_batch;    /* ... which is kept by this batch */
    bool opening;             /* it is being asked for that */
    bool asked;               /* somebody was asked for that, and may have granted it unheard */
    uint64_t opener;          /* handle of the entry that asks next, while its lane is committed */
    uint64_t left[LANES_LEFT_MAX]; /* lanes that were opened and left, the latest last ... */
    uint8_t left_count;
    bool left_more;   /* ... and there were others before */
    size_t doubtful;  /* exactly-once messages that an owner may have, with no answer so far */
    uint64_t ceiling; /* numbers below it may be used without telling the store */
    struct entry **numbers; /* ring over [base, next_number) */
    size_t numbers_capacity;
    uint32_t turn;      /* which of several upstream links is tried */
    uint8_t told_code;  /* why a message could not go, when last told; 0: one has gone since ... */
    struct block *told; /* ... and of NO_ROUTE in words, with the nearest address; or NULL */
};

const char *entry_state_name(enum entry_state state);

/* A queue of this name (copied). */
struct queue *queue_new(enum queue_kind kind, struct span name, uint64_t seed);
void queue_free(struct queue *queue); /* its entries must be gone */

/* Put an entry in the list of a state, at its place by sequence. It is in no list before. */
void queue_insert(struct queue *queue, struct entry *entry, enum entry_state state);

/* Take it out of its list. */
void queue_take(struct entry *entry);

/* So many messages and bytes more (or fewer) belong to the queue. */
void queue_count(struct queue *queue, ptrdiff_t count, ptrdiff_t bytes);

/* The entry, which stands in a queue, takes so many bytes more (or fewer). */
void queue_weigh(struct entry *entry, ptrdiff_t bytes);

/* Another block (given) instead of its own, with the same id. */
void queue_set_block(struct entry *entry, struct block *block);

/* From one state's list to another's. */
void queue_move(struct entry *entry, enum entry_state state);

/* The oldest entry in nobody's hands with this id, sent by `from` (empty: by anybody), that is in
 * memory; or NULL. The first time the queue is walked through; from then on it keeps an index. */
struct entry *queue_find(struct queue *queue, struct span id, struct span from);

/* The outbox entry with this number, or NULL. */
struct entry *queue_numbered(const struct queue *queue, uint64_t number);

/* An entry of an earlier life takes its place again by its number, which is below next_number. */
void queue_renumber(struct queue *queue, struct entry *entry);

/* Give the entry the next number of the lane. The numbers of dead letters are let go of when the
 * lane has come NUMBERS_HELD further. */
void queue_number(struct queue *queue, struct entry *entry);

/* Where the numbers begin, in a new outbox or in one that comes back from the store. */
void queue_begin_at(struct queue *queue, uint64_t base);

/* The base that a peer may be told while the batch `open` grows and those up to `committed` are
 * durable: a start after a crash does not come back to a number below it. */
uint64_t queue_durable_base(struct queue *queue, uint64_t open, uint64_t committed);

/* The number needs no further receipt: base moves over closed ones. */
void queue_close_number(struct queue *queue, uint64_t number);

#endif
