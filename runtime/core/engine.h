/* The engine decides: events and the time go in, effects come out. It does no I/O, reads no clock
 * and has no globals, so several live in one process, under libuv or in a simulated world. */
#ifndef MOONPOST_ENGINE_H
#define MOONPOST_ENGINE_H

#include "core/effect.h"
#include "core/event.h"
#include "core/inhand.h"
#include "core/policy.h"

struct link_settings {
    struct span address; /* as the shell understands it */
    struct retry_policy retry;
    int64_t stable_for_ms; /* up for so long, then the counter of dials starts anew */
    int64_t heartbeat_ms;
};

struct engine_settings {
    struct span name;
    char store_id[STORE_ID_BYTES];
    uint16_t engine_index;
    uint64_t epoch;  /* grows with every start of the same store */
    uint64_t seed;   /* of ids of lanes, jitter; all of the engine's randomness */
    uint8_t role;    /* enum role */
    uint8_t profile; /* enum profile of sends that name none */
    uint8_t level;   /* enum level awaited when nobody said; LEVEL_NONE: the profile's own */
    bool strict;     /* refuse profile mismatches */
    struct retry_policy send, handle;
    uint32_t window; /* unanswered messages per lane */
    size_t outbox_count_max, outbox_bytes_max;
    size_t mailbox_count_max, mailbox_bytes_max; /* each agent's */
    size_t body_max;
    int64_t heartbeat_ms; /* of links that others dialled */
    uint32_t store_facts; /* FACT_OWNER_MEMORY, FACT_OWNER_RELAXED */
    const struct link_settings *links;
    size_t link_count;
};

struct engine;

/* A new engine; settings and their spans are copied, policies are copied (their user pointer is
 * borrowed for the engine's life). */
struct engine *engine_new(const struct engine_settings *settings, const struct policies *policies);
void engine_free(struct engine *engine);

/* Take `count` events at the monotonic time `now_ms` (never going back) and append what must be
 * done. Also does what is due at `now_ms`, so it is called with no events when the time has come.
 */
void engine_step(struct engine *engine, const struct event *events, size_t count, int64_t now_ms,
                 struct effects *effects);

/* The kinds of records (first byte of their keys) in the order in which they are to be recovered,
 * each kind by its keys; ends with 0. */
const char *engine_recovery_order(void);

/* What an earlier life left in the store, before the first step; set the clock first. DAMAGED: the
 * record is none that this engine wrote; it is left alone. */
enum status engine_recover(struct engine *engine, struct span key, struct span value);

/* The handler of this message ran when an earlier life died: it is charged an attempt and runs
 * alone. Told before the records come in. */
void engine_suspect(struct engine *engine, uint64_t sequence);

/* The same of one of several messages whose handler ran for all of them: none is charged, and each
 * is handed over by itself. */
void engine_suspect_one_of(struct engine *engine, uint64_t sequence);

/* The same of what an earlier life had in hand. */
void engine_blame(struct engine *engine, const struct inhand *found);

/* How many suspects were charged so far, durably. */
uint64_t engine_charged(const struct engine *engine);

/* All records are here. */
void engine_recovered(struct engine *engine);

/* Who sent what waits in outboxes now is told of its end from here on: `token` names the waiter of
 * each, which gets one EFFECT_RECEIPT. Before the first step. */
void engine_wait_for_restored(struct engine *engine, uint64_t (*token)(void *user, struct span id),
                              void *user);

/* The two clocks at this moment: records hold wall time. To be told again when they drift. */
void engine_set_clock(struct engine *engine, int64_t now_ms, int64_t wall_ms);

/* Keep room for a send that a handler will make when it is acked, until its delivery ends; called
 * between steps. CODE_NONE, or why it cannot be made: BUSY, STORE_FULL, PROFILE_MISMATCH, DENIED,
 * UNSUPPORTED, TOO_LARGE, with `*reason`, valid until the next call. */
enum code engine_reserve(struct engine *engine, uint64_t delivery, const struct submit *submit,
                         const char **reason);

/* When the engine wants to be called next at the latest; INT64_MAX: nothing is due. */
int64_t engine_deadline_ms(const struct engine *engine);

/* The number of the last batch that there is something in so far (struct batch). */
uint64_t engine_changed(const struct engine *engine);

/* No change waits to be committed, and none is being committed. */
bool engine_settled(const struct engine *engine);

/* How many deliveries are in handlers' hands. */
size_t engine_in_hand(const struct engine *engine);

/* What a mailbox, or an outbox, holds, by state. */
struct left {
    struct span address;
    bool outbox;
    size_t waiting, leased, deferred, awaiting, dead;
    size_t unstored; /* of them: in memory only, being for at most once */
};

/* Call `each` for the queues that hold something. */
void engine_left(const struct engine *engine, void (*each)(void *, const struct left *),
                 void *user);

/* Which facts become effects (bit 1 << FACT_X), and which hook steps are asked (1 << HOOK_X). */
void engine_watch(struct engine *engine, uint32_t facts, uint32_t hook_steps);

/* One thing that is not finished: a message somewhere, or a handler at work. */
struct pending {
    struct span address, id;
    const char *state; /* "waiting", "leased", "deferred", "awaiting", "committing" */
    int64_t due_ms;    /* INT64_MAX: nothing is due */
    struct span why;   /* of one to be sent: nobody was found who has it; or empty */
};

/* Call `each` for all that is pending; answers how many there are. `each` may be NULL. */
size_t engine_pending(const struct engine *engine, void (*each)(void *, const struct pending *),
                      void *user);

/* One failed attempt in a dead letter. */
struct dead_failure {
    uint32_t attempt;
    int64_t at_ms;
    uint8_t code;
    struct span word, reason, traceback;
};

struct dead_letter {
    uint64_t handle;   /* for EVENT_REQUEUE, EVENT_REMOVE */
    uint64_t sequence; /* node-wide, grows with age: where a page goes on */
    bool outbox;       /* this node could not send it, or cannot know */
    struct block *block;
    uint8_t code; /* why it died */
    struct span word, reason;
    uint32_t attempts;
    int64_t first_ms, last_ms;
    int64_t expires_ms; /* nobody wants it from then on; INT64_MAX */
    const struct dead_failure *failures;
    size_t failure_count;
};

/* Call `each` for the dead letters of an address (a mailbox's, or those that this node could not
 * send there), oldest first. */
void engine_dead(const struct engine *engine, struct span address,
                 void (*each)(void *, const struct dead_letter *), void *user);

/* Which dead letters are wanted; what is empty or 0 chooses all. */
struct dead_query {
    struct span address, id, code; /* the code's word */
    struct span reason;            /* a part of why it died */
    int64_t since_ms, until_ms;    /* when it died */
    uint64_t after;                /* only those with a later sequence */
    size_t limit;
};

/* Call `each` for them, oldest first over all queues; answers the sequence to go on after, or 0
 * when those were all. */
uint64_t engine_letters(const struct engine *engine, const struct dead_query *query,
                        void (*each)(void *, const struct dead_letter *), void *user);

/* A mailbox, or an outbox: an address that this node sends to. */
struct queue_view {
    struct span address;
    bool outbox, served;
    uint8_t hold;               /* enum hold */
    int64_t held_ms, oldest_ms; /* since when; when its oldest waiting message came; INT64_MAX */
    size_t waiting, leased, deferred, awaiting, dead, bytes;
    struct agent_declaration agent; /* when served */
};

/* Call `each` for all of them, in the order in which they were made. */
void engine_queues(const struct engine *engine, void (*each)(void *, const struct queue_view *),
                   void *user);

struct link_view {
    struct span name, address; /* of the peer; where it was dialled, or empty */
    const char *state;         /* "up", "down", "dialing", "greeting", "closing", "failed" */
    uint8_t role;              /* enum role of the peer, as it says */
    struct span why;           /* it went down last, or could not be dialled; empty: it never was */
    int64_t up_ms, down_ms;    /* since when it is up, or not; else 0 */
    int64_t next_ms;           /* the next dial, or INT64_MAX */
    uint32_t dials;            /* since it was last up */
    size_t unwritten;          /* bytes */
};

void engine_links(const struct engine *engine, void (*each)(void *, const struct link_view *),
                  void *user);

/* Call `each` for at most `limit` addresses that were attached over links, newest first. Answers
 * how many there are. */
size_t engine_attached(const struct engine *engine, size_t limit,
                       void (*each)(void *, struct span address, struct span link), void *user);

/* One of the latest facts about a message. */
struct recent_view {
    enum fact_kind kind;
    int64_t at_ms, delay_ms; /* -1: there is no further try */
    struct span address;     /* or empty: not known any more */
    bool outbox;             /* it was sent from here */
    uint8_t code, level;
    uint32_t attempt;
    uint16_t transmission;
    struct span reason; /* the first RECENT_REASON_BYTES */
};

/* Call `each` for what is remembered of a message, oldest first. Answers when the oldest of all
 * facts that are remembered was; INT64_MIN: nothing was forgotten yet. */
int64_t engine_recent(const struct engine *engine, struct span id,
                      void (*each)(void *, const struct recent_view *), void *user);

/* A message that is here; everything as in struct queue_view and struct dead_letter. */
struct trace_view {
    struct block *block;
    struct span address;
    bool outbox, paused;
    const char *state;
    int64_t first_ms, due_ms, expires_ms; /* INT64_MAX: never */
    uint32_t attempts;
    uint16_t transmissions;              /* in a mailbox: of the frame that brought it */
    uint64_t number;                     /* in its lane; 0: it has none */
    uint64_t lane_base;                  /* the numbers of that lane below it are closed */
    struct span link;                    /* where it is on its way, or empty */
    const struct dead_failure *failures; /* oldest first; the last of a dead one is why it died */
    size_t failure_count;
};

/* Call `each` for the messages with this id that are in memory. Answers how many others there are,
 * in the store only, which were not looked at. */
size_t engine_trace(const struct engine *engine, struct span id,
                    void (*each)(void *, const struct trace_view *), void *user);

/* Whether a part of the stream of this request of $node would go; if not, it counts as left out.
 * Called between steps, before a part is made. */
bool engine_part_fits(struct engine *engine, uint64_t request);

/* A record of an agent as it is now, durable or not. */
struct state_value engine_state(struct engine *engine, struct span address, enum state_scope scope,
                                struct span key);

/* An ack with these writes is posted: who reads the records before the next step sees them so.
 * Their versions are drawn, for EVENT_OUTCOME. */
void engine_state_foresee(struct engine *engine, struct span address, struct state_write *writes,
                          size_t count);

/* Call `each` for all records of an agent in this scope, in no order of keys, as long as it answers
 * true. What it is given is borrowed. */
void engine_state_scan(struct engine *engine, struct span address, enum state_scope scope,
                       bool (*each)(void *user, struct span key, const struct state_value *value),
                       void *user);

/* The agent's STATE_KV records whose key begins with `prefix` and is behind `after` (empty: all),
 * by key, at most `limit` of them; answers how many. */
size_t engine_state_list(struct engine *engine, struct span address, struct span prefix,
                         struct span after, size_t limit,
                         void (*each)(void *user, struct span key, struct span value), void *user);

struct engine_counts {
    uint64_t conflicts; /* deliveries that ran again: their state had changed meanwhile */
    uint64_t sent, transmissions, stored, handled, duplicates, retried, dead, expired, dropped,
        lost, damaged, requeued, removed, purged;
    bool store_full; /* nothing new is accepted */
    size_t links_up, lanes, waiting, leased, deferred, awaiting, dead_now;
};

void engine_count(const struct engine *engine, struct engine_counts *counts);

#endif
