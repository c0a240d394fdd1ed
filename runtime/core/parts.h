/* The parts of an engine, shared by the files that make it up; private to the core.
 *
 *   engine.c   the step: events in, deadlines, what is flushed at the end
 *   commit.c   group commit: batches filled, closed, handed out and back
 *   session.c  what happens on links: connections, frames, heartbeats
 *   link.c     the life of a link
 *   hello.c    who a peer is: hello, welcome, bye, names, fencing
 *   credit.c   how much may be on its way over a link
 *   attach.c   addresses: who serves which, told up and down
 *   epoch.c    the latest start of each store that was here
 *   route.c    address to queue or link, and the way back to an origin
 *   submit.c   where a message begins: refused, put here, or into an outbox
 *   sender.h   the outbox: sender.c, sender_lane.c, transmit.c, stall.c, receipt.c and finish.c
 *   owner.c    the mailbox: what comes into it, agents that come and go
 *   receive.c  what comes for a mailbox over a link
 *   results.c  what was answered under exactly-once
 *   order.c    messages of one key, one after the other
 *   dedup.c    duplicates: who holds a key, who waits for it
 *   deliver.c  from the mailbox to its handler
 *   bundle.c   messages that one delivery hands over together
 *   settle.c   the end of a delivery
 *   notice.c   agents are told of their dead letters
 *   state.c    what handlers keep
 *   sweep.c    records of state whose time is over
 *   suspect.c  messages whose handler ran when the process died
 *   drain.c    the end in order, and what is left
 *   backlog.c  the part of a mailbox that waits in the store only
 *   away.c     parked messages that are in the store only
 *   recover.c  records back to queues and lanes, at start
 *   lanes.c    lanes found, made, written and forgotten
 *   answer.c   receipts on their way out, and answers to those who wait here
 *   waiter.c   those who wait here
 *   policy.c   retry policies: kept while they are used, and asked
 *   admin.c    $node: requests of this node's user, and their answers
 *   stream.c   answers in parts, at both ends
 *   recent.c   the latest facts about messages, and where a message is
 *   requeue.c  dead letters that go back, or for ever
 *   cancel.c   messages that are taken back
 *   peek.c     a page of what a queue holds
 *   purge.c    messages that are removed from their mailbox
 *   look.c     what a person may want to know of all this
 */
#ifndef MOONPOST_PARTS_H
#define MOONPOST_PARTS_H

#include "core/after.h"
#include "core/array.h"
#include "core/engine.h"
#include "core/failure.h"
#include "core/heap.h"
#include "core/lane.h"
#include "core/map.h"
#include "core/page.h"
#include "core/plant.h"
#include "core/queue.h"
#include "core/random.h"
#include "core/record.h"
#include "core/seen.h"
#include "core/sender.h"
#include "core/slots.h"
#include "core/state.h"
#include "core/suspect.h"

enum deadline_kind {
    DEADLINE_ENTRY,
    DEADLINE_WAITER,
    DEADLINE_LINK,
    DEADLINE_BUNDLE,
    DEADLINE_SWEEP,
    DEADLINE_LATE,
};

enum { NO_CONNECTION = UINT32_MAX, NO_DIAL = UINT32_MAX };

enum link_state {
    LINK_DOWN, /* of a dialled link: waiting for the next dial */
    LINK_DIALING,
    LINK_GREETING, /* connected; hello or welcome is not here yet */
    LINK_UP,
    LINK_CLOSING, /* nothing is read any more; what was said leaves with this step */
    LINK_CLOSED,  /* asked to close; EVENT_CLOSED must follow */
    LINK_FAILED,  /* finally */
};

/* One session between two nodes; a dialled link lives through many connections. */
struct link {
    struct link *next; /* all links, in the order in which they were made */
    struct deadline deadline;
    const struct link_settings *settings; /* of a dialled link, else NULL */
    uint32_t dial, connection;
    uint8_t state;
    uint8_t role;                          /* enum role of the peer, as it says */
    bool refused;                          /* by a bye with a final code: never dial again */
    bool own;                              /* a program of this node's user: may ask $node */
    uint32_t dials;                        /* since it was last up and stable */
    int64_t up_ms, heard_ms, heartbeat_ms; /* up_ms 0: not up */
    uint64_t session;                      /* grows with every connection, over all links */
    struct span name;     /* of the peer; owned; before the hello its address or "?" */
    struct span parting;  /* its reason for its bye; owned */
    uint8_t parting_code; /* enum code of that */
    struct span why;      /* it is down, or was at last; owned */
    int64_t down_ms;      /* of a dialled link: since when; 0: it was never down, or is up */
    char store_id[STORE_ID_BYTES];
    uint64_t epoch;
    bool successor;        /* of an older link of the same start, see hello.c */
    bool answered;         /* the ping of asked_ms */
    int64_t asked_ms;      /* when it was pinged because a newcomer has its name; 0: never */
    struct buffer in, out; /* an unfinished frame; what leaves at the end of the step */
    size_t unwritten;      /* bytes handed out and not known to have left */
    uint64_t credit, sent; /* data frames the peer allows in all; sent so far */
    uint64_t granted, received, settled; /* the same, the other way round */
    uint32_t open_puts;                  /* data frames accepted into the open batch */
    int64_t beat_ms;                     /* when the next ping is due */
    struct map refusals;                 /* addresses that the peer refused, to struct refusal */
    struct refusal *refused_first;       /* the same as a list */
    uint32_t attach_tries;               /* since the last new refusal */
    int64_t attach_ms;                   /* when they are asked for again; INT64_MAX: none is */
    struct late *late; /* frames that a fault holds back, oldest first; see late.c */
};

/* An address that this node tells of over a link and the peer does not take yet. */
struct refusal {
    struct refusal *next, *previous;
    uint8_t code;                /* enum code */
    struct span address, reason; /* owned, behind the struct */
};

/* An address that somebody attached over a link. */
struct attachment {
    struct link *link;
    struct span address;                /* owned, behind the struct */
    struct attachment *next, *previous; /* all attachments, newest first */
};

/* The way back to a sender's store. It goes with its link. */
struct origin_route {
    struct link *link;
    int64_t heard_ms;                   /* when a frame of this origin came over the link */
    struct span origin;                 /* owned, behind the struct */
    struct origin_route *older, *newer; /* by last use */
};

/* Somebody who waits: for the end of a message, or for a moment. */
struct waiter {
    uint64_t token; /* also its key in the map */
    struct deadline deadline;
    struct entry *entry; /* NULL: a sleep, or the entry has ended and its commit is awaited ... */
    uint64_t sequence;   /* ... or, when not 0, the message is in the store only */
    struct block *block; /* the message; NULL: a sleep */
    const struct retry_policy *policy; /* of the send */
    bool stream;                       /* it takes parts */
};

/* The latest start of a store that said hello here; first starts are not worth remembering. */
struct store_epoch {
    uint64_t epoch;
    char store_id[STORE_ID_BYTES];
    struct store_epoch *older, *newer; /* by last hello */
};

/* A policy that messages and waiters go by; equal ones share it where that is cheap. */
struct policy_node {
    struct policy_node *next, *previous;
    size_t references;
    struct retry_policy policy;
};

#define STORE_FULL_TEXT "the store is full: what room is left is for settling what is there"
#define PURGED_TEXT     "purged from its mailbox, as the user of its node asked"
#define DRAINING_TEXT   "the mailbox is being drained: it takes nothing new until it is resumed"

/* What a program of this node's user asked of $node; it lives until it is answered. */
struct request {
    struct request *next; /* all of them, the oldest first */
    uint64_t token;
    struct block *block; /* the message that asks */
    uint64_t waiter;     /* who asked in this engine; or 0, and ... */
    uint32_t connection; /* ... the link that it came over */
    uint64_t session;
    struct work *work; /* what goes on for it over several steps, or NULL */
    bool changed;      /* it changed something in the store */
    bool takes_parts;  /* of a waiter here: it asked for a stream */
    bool streams;      /* it is answered by parts, until it is cancelled or answered */
    uint64_t left_out; /* parts that were too much for who asked, since the latest that went */
    uint32_t taken, refused; /* dead letters that went back, and that could not */
    uint8_t refusal;         /* enum code of the last of these */
    struct block *why;       /* ... and its reason */
    uint8_t code, encoding;  /* of the answer, with ... */
    struct block *word, *reason, *result;
};

struct recent_note;

struct engine {
    struct engine_settings settings;
    struct policies policies;
    struct span origin; /* store id and engine index, as it travels */
    char origin_bytes[STORE_ID_BYTES + 2];
    uint64_t random;
    int64_t now_ms;
    bool draining, stopping;
    uint32_t facts, hook_steps;

    struct heap deadlines;
    struct slots entries, leases, lane_handles;
    size_t in_hand; /* deliveries in handlers' hands */
    struct suspects suspects;
    struct entry *spare_entries; /* memory for the next ones, by `next` */
    size_t spare_entry_count;
    uint64_t sequence;         /* of the youngest message */
    uint64_t sealed;           /* of the youngest that was handed to the store */
    bool unsealed;             /* a mailbox waits for younger ones */
    struct recovery *recovery; /* while the records of an earlier life come in */
    int64_t wall_ms;           /* to be added to now_ms to get the wall clock */

    struct queue *queues, **queues_tail;
    struct map mailboxes, outboxes;     /* address to struct queue */
    struct queue_total outbox;          /* over all outboxes */
    struct queue_total inbox;           /* over all mailboxes, what is not in memory too */
    size_t tail_bytes;                  /* of what is not in memory */
    struct queue_total outbox_reserved; /* kept for the sends of handlers at work */
    struct queue *ready, **ready_tail;
    struct map lanes;
    struct lane *lane_oldest, *lane_newest;
    struct map waiters;
    struct map absent; /* sequence to the waiter of a message that is in the store only */

    struct link *links, **links_tail;
    struct link **connections; /* by connection number */
    size_t connection_capacity;
    uint64_t sessions;
    struct map attachments, origins, epochs;
    struct attachment *attached;
    struct origin_route *origin_oldest, *origin_newest;
    struct store_epoch *epoch_oldest, *epoch_newest;

    struct batch *open;                  /* never NULL */
    struct batch *spare;                 /* given back and empty, or NULL */
    struct batch *closed, **closed_tail; /* full ones that wait until the store is free */
    bool committing;                     /* a batch is out */
    uint64_t committed;                  /* number of the last one that came back */
    bool store_full;                     /* as of the last commit */
    bool urgent;                         /* somebody waits for the open batch */
    int64_t opened_ms;                   /* when the open batch got its first change */
    int64_t committed_ms;                /* when the last commit came back */
    uint64_t batches;                    /* number of the open batch */
    struct lane **touched;               /* lanes whose record the open batch must write */
    size_t touched_count, touched_capacity;

    struct request *requests, **requests_tail;
    struct request *asked; /* the one at work, or NULL */
    size_t request_count, requests_committing, stream_count;
    uint64_t request_tokens;

    struct recent_note *recent; /* a ring of RECENT_FACTS, or NULL: none was noted */
    uint64_t recent_count;      /* facts noted so far; the latest ones are in the ring */
    size_t recent_open;         /* notes of the running step that an effect completes */

    struct effects *effects; /* of the running step */
    bool ran;                /* the running step started a handler */
    struct policy_node *policies_kept;
    struct buffer scratch;
    char refusal[96]; /* why engine_reserve refused */
    struct states states;
    uint64_t seen_sequence; /* of the latest record of a dedup policy */
    size_t results_bytes;   /* of all lanes */
    struct engine_counts counts;
};

/* ---- engine.c ---- */

/* Look at this queue before the step ends. */
void engine_ready(struct engine *engine, struct queue *queue);

/* The queue of this name, made when it is not there. */
struct queue *engine_queue(struct engine *engine, enum queue_kind kind, struct span name);

/* An entry for the block (its reference is given), with handle, sequence and time. */
struct entry *engine_entry(struct engine *engine, struct block *block);

/* All queues, in a list: add one behind, take the first out of it (NULL: there is none). */
void engine_push_queue(struct engine *engine, struct queue *queue);
struct queue *engine_pop_queue(struct engine *engine);

/* Take it out of its list, forget it and release what it holds. */
void engine_drop(struct engine *engine, struct entry *entry);

/* Put the entry's record into the open batch; take it out again. */
void engine_put(struct engine *engine, struct entry *entry);
void engine_delete(struct engine *engine, struct entry *entry);
void engine_put_facts(struct engine *engine, struct entry *entry);

/* What is known of an outbox, with the open batch. */
void engine_put_outbox(struct engine *engine, const struct queue *outbox);

/* File an entry as a dead letter. Its waiter must have been answered. */
void engine_bury(struct engine *engine, struct entry *entry, uint8_t code, struct span word,
                 struct span reason);

/* Set the entry's deadline, but never beyond the moment it expires. */
void engine_entry_deadline(struct engine *engine, struct entry *entry, int64_t at_ms);

bool engine_wants_fact(const struct engine *engine, enum fact_kind kind);

/* A fact about a message; the block is retained. NULL when nobody wants it. */
struct fact *engine_fact(struct engine *engine, enum fact_kind kind, const struct entry *entry);

/* A fact about a link or an address. NULL when nobody wants it. */
struct fact *engine_fact_of(struct engine *engine, enum fact_kind kind, struct span subject);

/* A text in the effects' arena, valid until the effects are reset. */
struct span engine_format(struct engine *engine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- commit.c ---- */

void commit_init(struct engine *engine);
void commit_free(struct engine *engine);

/* A change is coming into the open batch: note when, and whether somebody waits for it. */
void engine_changes(struct engine *engine, bool urgent);

/* Between two transactions: an open batch that is large enough is closed. */
void commit_bound(struct engine *engine);

/* When the next batch is to be handed out; INT64_MAX: there is none, or one is out. */
int64_t commit_due_ms(const struct engine *engine);
void commit_flush(struct engine *engine);
void commit_done(struct engine *engine, struct batch *batch);

/* ---- waiter.c ---- */

/* Somebody waits under this token: for the end of the entry (timeout 0: however long it takes), or,
 * without an entry, for the moment. */
struct waiter *waiter_new(struct engine *engine, uint64_t token, struct entry *entry,
                          int64_t timeout_ms);
struct waiter *waiter_find(const struct engine *engine, uint64_t token);
void waiter_free(struct engine *engine, struct waiter *waiter);

/* The entry leaves memory, not the mailbox; it is back. */
void waiter_part(struct engine *engine, struct entry *entry);
void waiter_join(struct engine *engine, struct entry *entry);
void waiter_deadline(struct engine *engine, struct waiter *waiter);

/* ---- policy.c ---- */

/* The policy (NULL: the node's `send`) for as long as it is not released. */
const struct retry_policy *policy_keep(struct engine *engine, const struct retry_policy *policy);

/* No longer used; NULL is allowed. */
void policy_release(struct engine *engine, const struct retry_policy *policy);

/* Whether n attempts are all that the policy gives, as far as that is known without asking. */
bool engine_is_last(const struct retry_policy *policy, uint32_t n);

/* The wait after failure n by this policy; asks the script first. False: give up; `*reason` is then
 * the script's (valid during the step), or untouched. */
bool engine_retry(struct engine *engine, const struct retry_policy *policy,
                  const struct failure *failure, int64_t *delay_ms, struct span *reason);

/* ---- session.c ---- */

void session_start(struct engine *engine);
void session_accepted(struct engine *engine, uint32_t connection, bool own);
void session_connected(struct engine *engine, uint32_t dial, uint32_t connection);
void session_dial_failed(struct engine *engine, uint32_t dial, struct span reason);
void session_bytes(struct engine *engine, uint32_t connection, struct span bytes);
void session_closed(struct engine *engine, uint32_t connection, struct span reason);
void session_deadline(struct engine *engine, struct link *link);
void session_stop(struct engine *engine);

/* Hand out what links have to say, as one write each. A peer that makes LINK_UNREAD_BYTES_MAX wait
 * loses its link. */
void session_flush(struct engine *engine);
void session_free(struct engine *engine);

/* ---- route.c ---- */

/* The link that leads to an address, or NULL. `turn` chooses among several upstream links;
 * `from` (may be NULL) is never answered. `*upstream` says whether it is one that we dialled. */
struct link *route_to(struct engine *engine, struct span address, uint32_t turn,
                      const struct link *from, bool *upstream);

/* Why there is no link: NO_ROUTE or UNREACHABLE, with a sentence. */
enum code route_missing(struct engine *engine, struct span address, struct span *reason);

/* The link that leads back to a sender's store, or NULL. */
struct link *route_back(struct engine *engine, struct span origin);

/* A frame of this origin came over this link: it leads back there, unless another link has a better
 * claim. The link whose hello has the origin's store is the best; else a link keeps the way while
 * it hears frames of the origin at least every ORIGIN_HOLD_MS. Beyond ORIGINS_MAX ways the one used
 * longest ago is forgotten: its sender will send again, and be learned again. */
void route_learn(struct engine *engine, struct span origin, struct link *link);

/* Who holds an address: NULL when nobody does. */
struct attachment *route_attachment(const struct engine *engine, struct span address);

/* Whether ATTACHMENTS_MAX addresses are attached; then no other may be. */
bool route_is_full(const struct engine *engine);
void route_attach(struct engine *engine, struct span address, struct link *link);

/* Forget one address of a link, or all of them. Detaches upstream as well. */
void route_detach(struct engine *engine, struct span address);
void route_link_gone(struct engine *engine, struct link *link);
void route_free(struct engine *engine);

/* The known address that looks most like this one, or an empty span. */
struct span route_nearest(const struct engine *engine, struct span address);

/* ---- link.c ---- */

/* A new link: dialled, with its settings (borrowed) and number, or accepted (NULL, NO_DIAL). */
struct link *link_new(struct engine *engine, const struct link_settings *settings, uint32_t dial);
void link_free(struct engine *engine, struct link *link);
void link_rename(struct link *link, struct span name);
void link_part(struct link *link, enum code code, struct span reason);

/* The link of a connection, or NULL. */
struct link *link_of_connection(const struct engine *engine, uint32_t connection);

/* It has a connection and waits for hello or welcome; it has none any more. */
void link_connect(struct engine *engine, struct link *link, uint32_t connection);
void link_disconnect(struct engine *engine, struct link *link);

/* What was said leaves first, then the connection is closed, which EVENT_CLOSED tells. */
void link_close(struct link *link);
void link_bye(struct link *link, enum code code, struct span reason);

/* Arm the deadline of a link that is up: its next ping, or its next try to attach. */
void link_schedule(struct engine *engine, struct link *link);

/* The next ping is due after one heartbeat. */
void link_beat(struct engine *engine, struct link *link);

/* Of a dialled link: dial; wait for the next dial; never dial again. */
void link_dial(struct engine *engine, struct link *link);
void link_wait(struct engine *engine, struct link *link, struct span reason);
void link_failed(struct engine *engine, struct link *link, enum code code, struct span reason);

/* ---- hello.c ---- */

/* Say hello, or welcome. */
void hello_write(struct engine *engine, struct link *link, enum frame_type type);

/* What the peer says of itself: the link is up, or said bye to. */
void hello_take(struct engine *engine, struct link *link, const struct hello *hello);
void hello_take_welcome(struct engine *engine, struct link *link, const struct hello *hello);
void hello_take_bye(struct engine *engine, struct link *link, const struct bye *bye);
void hello_take_pong(struct link *link, uint64_t number);

/* A successor has spoken: its older link goes. */
void hello_succeed(struct engine *engine, struct link *link);

/* ---- credit.c ---- */

/* The peer takes so many data frames in all. */
void credit_take(struct engine *engine, struct link *link, uint64_t credit);

/* A batch with `count` data frames of this link is durable, or they need no batch. */
void credit_settled(struct engine *engine, uint32_t connection, uint64_t session, uint32_t count);

/* Give the peer credit again when it has used up half of it. */
void credit_renew(struct link *link);

/* So many bytes that were handed out for a connection have left. */
void credit_written(struct engine *engine, uint32_t connection, size_t size);

/* Whether LINK_OUT_BYTES_MAX wait to be written: no more data, and no more credit for the peer. */
bool credit_is_full(const struct link *link);

/* ---- attach.c ---- */

/* Tell every upstream link that an address is here, or is gone. */
void attach_tell(struct engine *engine, struct span address);
void attach_withdraw(struct engine *engine, struct span address);

/* Tell a link that came up of every address. */
void attach_all(struct engine *engine, struct link *link);

/* Frames of a peer. */
void attach_take(struct engine *engine, struct link *link, const struct attach *attach);
void attach_take_detach(struct engine *engine, struct link *link, const struct attach *attach);

/* `link->attach_ms` has come: ask for the refused addresses again. */
void attach_again(struct engine *engine, struct link *link);

/* The link is down: what was refused over it is told anew when it is up. */
void attach_link_gone(struct link *link);

/* ---- epoch.c ---- */

/* Note which start of its store the peer is; durable with the open batch. False: a later one was
 * here. Beyond EPOCHS_MAX stores the one seen longest ago that is not linked is forgotten. */
bool epoch_is_current(struct engine *engine, const struct hello *hello);
void epoch_free(struct engine *engine);

/* Take it from its record. DAMAGED. */
enum status epoch_recover(struct engine *engine, struct span key, struct span value);

/* ---- forward.c ---- */

/* A data frame of a peer: to a mailbox here, or on to a link. */
void forward_message(struct engine *engine, struct link *from, const struct message *message);

/* A receipt of a peer: for this node's outbox, or on to the link its sender is behind. */
void forward_receipt(struct engine *engine, struct link *from, const struct receipt *receipt);

/* Whether the link may take one more data frame: by the peer's credit, and by the bytes that wait
 * to be written to it. Other frames always go. */
bool forward_has_credit(const struct link *link);

/* A data frame of this number (0: nobody could tell a copy of it) was written to link->out from
 * `from` on: it is counted, and meets its fate. */
void data_written(struct engine *engine, struct link *link, size_t from, uint64_t number,
                  const struct fate *fate);

/* ---- submit.c ---- */

void sender_submit(struct engine *engine, const struct submit *submit);

/* All of them, or none. */
void sender_transact(struct engine *engine, const struct transaction *transaction);

/* The same from a handler that was acked: engine_reserve has kept room for it, so it is taken. */
void sender_submit_effect(struct engine *engine, const struct submit *submit);

/* The delivery has ended: what was kept for its sends is free again. */
void reservations_release(struct entry *lease);

/* Why this node takes no such message now; CODE_NONE: it does. */
enum code submit_refusal(struct engine *engine, const struct message *message, const char **reason);

/* When the sending ends of a message of an outbox that was accepted at this moment. */
int64_t submit_ends_ms(const struct engine *engine, const struct retry_policy *policy,
                       int64_t first_ms);

/* An outbox has a message with this number from an earlier life: if the record of its numbers is
 * lost, go by that. */
void submit_restore(struct queue *outbox, uint64_t lane_epoch, uint64_t number);

/* ---- lanes.c ---- */

/* The lane of a message, or NULL; made when it is not there, and advanced to the message's base. */
struct lane *lanes_find(const struct engine *engine, const struct message *message);
struct lane *lanes_of(struct engine *engine, const struct message *message);

/* The sender has the final receipts of all numbers below. */
void lanes_advance(struct engine *engine, struct lane *lane, uint64_t base);

/* Its record is written with the open batch. */
void lanes_touch(struct engine *engine, struct lane *lane);

/* The entry's number got so far. Nothing for an entry that came by no lane. */
void lanes_entry_level(struct engine *engine, const struct entry *entry, enum lane_level level);

/* The sender has the final receipts of all numbers below the message's: nothing need be remembered
 * of its lane. */
void lanes_farewell(struct engine *engine, const struct message *message);

/* Take a lane (given) from its record. */
void lanes_add(struct engine *engine, struct lane *lane);

/* ---- backlog.c ---- */

/* Whether an entry that comes now stands behind what is not in memory. */
bool backlog_wants(const struct engine *engine, const struct queue *mailbox,
                   const struct entry *entry);

/* The entry was put: only its sequence stays. Nobody here may wait for its end. */
void backlog_admit(struct engine *engine, struct entry *entry);

/* The same for a message that is in the store only. */
void backlog_restore(struct engine *engine, struct queue *mailbox, uint64_t sequence, size_t bytes);

/* So many bytes more are in the store only. */
void backlog_note(struct engine *engine, struct queue *mailbox, size_t bytes);

/* Whether so many messages of one state are as many as are held in memory. */
bool backlog_is_full(const struct engine *engine, const struct queue *mailbox, size_t count);

/* Ask for the page that comes first; there must be one, it must be sealed, and no other be out. */
struct load *backlog_page(struct engine *engine, struct queue *mailbox);

/* A message of a page is in memory again, in no list yet. NULL: it is damaged, and was left. */
struct entry *backlog_take(struct engine *engine, struct queue *mailbox,
                           const struct load_item *item);

/* Ask for the next page when the window has room. */
void backlog_pump(struct engine *engine, struct queue *mailbox);

/* Everything up to this sequence was handed to the store: it can be asked for. */
void backlog_sealed(struct engine *engine, uint64_t sequence);
void backlog_loaded(struct engine *engine, struct load *load);

/* ---- admin.c ---- */

/* A data frame of a peer for a node address: a request, when the peer may ask. */
void admin_receive(struct engine *engine, struct link *from, const struct message *message);

/* A message of the node's own user in this engine. False: it is not for $node. */
bool admin_submit(struct engine *engine, const struct submit *submit,
                  const struct message *message);

/* Nobody waits under this token any more. */
void admin_waiter_gone(struct engine *engine, uint64_t waiter);

/* What the request comes to; tokens that are not at work are ignored. */
void admin_requeue(struct engine *engine, uint64_t token, const struct requeue *requeue);
void admin_hold(struct engine *engine, uint64_t token, struct span address, enum hold hold);
void admin_remove(struct engine *engine, uint64_t token, uint64_t letter);
void admin_peek(struct engine *engine, uint64_t token, const struct peek *peek);
void admin_purge(struct engine *engine, uint64_t token, const struct purge *purge);
void admin_answer(struct engine *engine, uint64_t token, const struct administered *answer);

/* The page of the request is complete: show it. */
void admin_show(struct engine *engine, struct request *request);

/* Something that the request at work may have waited for has happened. */
void admin_go_on(struct engine *engine);

/* Its changes are durable. */
void admin_committed(struct engine *engine, uint64_t token);

/* The request of this token, or NULL. */
struct request *admin_request(const struct engine *engine, uint64_t token);

/* The request at work is to be refused, whatever it comes to. */
void admin_refuse(struct request *request, enum code code, const char *reason);

/* EVENT_CANCEL_MESSAGE was for this request; false: it is none. */
bool admin_cancelled(struct engine *engine, uint64_t token, bool done);

/* An open stream ends because who asked wants no more; because nobody is there any more. */
void admin_cancel(struct engine *engine, struct request *request);
void admin_forget(struct engine *engine, struct request *request);
void admin_free(struct engine *engine);

/* ---- stream.c ---- */

/* The request at work is answered by parts; once it is administered, who asked is told that the
 * stream is open. */
void stream_open(struct engine *engine, uint64_t token);
void stream_opened(struct engine *engine, struct request *request);
void stream_part(struct engine *engine, uint64_t token, const struct part *part);

/* Tell those who have read what they had how much they missed. */
void stream_flush(struct engine *engine);

/* Frames of a peer. */
void stream_take_part(struct engine *engine, struct link *from, const struct part *part);
void stream_take_cancel(struct engine *engine, const struct link *from, const struct part *cancel);

/* Nobody reads what was asked for over this connection any more. */
void stream_link_gone(struct engine *engine, uint32_t connection, uint64_t session);

/* The owner has the entry's message: its waiter is told, if it takes parts. */
void stream_accepted(struct engine *engine, const struct entry *entry);

/* Is the entry, of an outbox, a request that parts answer? It ends with its link and its waiter. */
bool stream_is(const struct entry *entry);

/* The waiter wants no more parts. */
void stream_cancel(struct engine *engine, uint64_t token);

/* ---- recent.c ---- */

/* Remember a fact about an entry's message; about a message of which only the id is known. */
void recent_note(struct engine *engine, enum fact_kind kind, const struct entry *entry);
void recent_note_of(struct engine *engine, enum fact_kind kind, struct span id);

/* The step ends: what the facts among its effects tell is all there. */
void recent_complete(struct engine *engine);
void recent_free(struct engine *engine);

/* ---- requeue.c ---- */

/* A dead letter goes back: to its mailbox or outbox under its id, its failures forgotten, with all
 * attempts anew; or to another address. CODE_NONE, or why it stays where it is, with `*reason`
 * (valid during the step): EXPIRED, TOO_LARGE, BUSY, STORE_FULL, PROFILE_MISMATCH, UNSUPPORTED;
 * BAD_VALUE: it is no dead letter. */
enum code requeue_letter(struct engine *engine, const struct requeue *requeue, const char **reason);

/* A dead letter goes for ever. False: it is none any more. */
bool requeue_remove(struct engine *engine, uint64_t letter);

/* ---- peek.c, purge.c ---- */

/* What a request has to wait for. */
struct work {
    enum { WORK_PEEK, WORK_PURGE } kind;
    uint64_t request; /* its token */
    struct queue *queue;
    uint32_t states;      /* peek: bits 1 << enum entry_state */
    uint64_t after, last; /* only messages with a sequence in (after, last] */
    size_t limit;
    bool loading; /* a page of its own is out */
    bool shown;   /* the request was asked again, with the page */
    struct page page;
};

/* Go on with it. True: its page is complete. */
bool peek_go_on(struct engine *engine, struct work *work);
bool purge_go_on(struct engine *engine, struct work *work);

/* A message in nobody's hands is removed from its mailbox; its sender is told this. */
void purge_entry(struct engine *engine, struct entry *entry, enum code code, struct span reason);

/* What a page of theirs held has come. */
void peek_loaded(struct engine *engine, struct load *load);
void purge_page(struct engine *engine, const struct load *load);

/* ---- cancel.c ---- */

/* Take a message back that nobody was handed; `from` empty: whoever sent it. False: there is none.
 */
bool cancel_message(struct engine *engine, struct span id, struct span from);
void cancel_asked(struct engine *engine, const struct event *event);

/* ---- away.c ---- */

/* The message is to stand behind so many others that it waits in the store only. It is in no chain
 * yet. */
bool away_wants(struct engine *engine, struct queue *mailbox, const struct entry *entry);

/* It stands in a list, is in the store, and leaves memory. */
void away_send(struct engine *engine, struct entry *entry);

/* The chain has become shorter. */
void away_feel(struct engine *engine, struct queue *mailbox, struct chain *chain);

/* Ask for what is wanted back; a page has come. */
void away_pump(struct engine *engine, struct queue *mailbox);
void away_loaded(struct engine *engine, struct load *load);

/* All that is in the store only stands in the tail again, by age. */
void away_gather(struct engine *engine, struct queue *mailbox);
void away_free(struct queue *mailbox);

/* ---- recover.c ---- */

/* An entry of its record, in no list yet; `queue` and the facts of its frame are set. */
struct entry *entry_restore(struct engine *engine, struct queue *queue, uint64_t sequence,
                            const struct record_message *record);

/* ---- owner.c ---- */

/* What a sender is told when it is refused for a lack of room. */
enum { BUSY_RETRY_AFTER_MS = 1000 };

#define NO_KEY_TEXT "the agent orders by key, and this message has none"

/* The mailbox of an address with an agent behind it, or NULL. */
struct queue *owner_mailbox(struct engine *engine, struct span address);

bool owner_is_full(const struct engine *engine, const struct queue *mailbox);

/* Why the mailbox takes no such message of this engine now; CODE_NONE: it does. */
enum code owner_refusal(struct engine *engine, const struct queue *mailbox,
                        const struct message *message, const char **reason);

/* The agent asks more of its senders than this message gives: refused when strict, told once
 * otherwise. */
bool owner_is_too_weak(struct engine *engine, struct queue *mailbox, const struct message *message);

/* A message of this engine for a mailbox here. `forced`: room was promised, so it is taken even
 * when the mailbox is full. */
void owner_put(struct engine *engine, struct queue *mailbox, const struct submit *submit,
               const struct message *message, bool forced);

/* The block of the message as the store hook leaves it (given), or NULL when it drops it. `from`:
 * NULL when it is of this engine. */
struct block *owner_through_hook(struct engine *engine, const struct message *message,
                                 const struct link *from);

/* Facts of a new entry from its message. */
void owner_describe(struct engine *engine, struct entry *entry, const struct message *message);

/* A described entry, in no list yet, into the mailbox; `place` also into the store. */
void owner_enter(struct engine *engine, struct queue *mailbox, struct entry *entry);
void owner_place(struct engine *engine, struct queue *mailbox, struct entry *entry);

/* An entry that came back from the store: it waits for its handler, if it is not worthless or a
 * duplicate by now. It is in no list. */
void owner_restore(struct engine *engine, struct entry *entry);

/* It waits for its handler, or until it is due. */
void owner_start_waiting(struct engine *engine, struct entry *entry);

void owner_agent_up(struct engine *engine, const struct agent_declaration *agent);
void owner_stop(struct engine *engine);

/* ---- state.c ---- */

/* Whether an agent's records are still what the outcome's reads saw, and its writes possible. */
bool state_is_current(struct engine *engine, struct span address, const struct outcome *outcome);

/* Its writes, with the open batch. */
void state_apply(struct engine *engine, struct span address, const struct outcome *outcome);

/* All outcomes that were on their way have been taken. */
void state_arrived(struct engine *engine);
void states_deinit(struct states *states);

/* The record with this key of the store goes if that is still when its time is over. */
void state_drop_expired(struct engine *engine, struct span key, int64_t expires_wall_ms);

/* ---- sweep.c ---- */

/* The end of a record of state moves in the open batch; 0: there is none. */
void sweep_end_moves(struct engine *engine, struct span key, int64_t before_wall_ms,
                     int64_t after_wall_ms);

/* Look what an earlier life left; its store can be read. */
void sweep_recovered(struct engine *engine);
void sweep_deadline(struct engine *engine);

/* ---- receive.c ---- */

/* A message for a mailbox here, over a link. */
void receive_message(struct engine *engine, struct link *from, const struct message *message,
                     struct queue *mailbox);

/* ---- results.c ---- */

/* What the number's handler answered; NULL: nothing, or it is not known any more. */
const struct lane_result *results_find(const struct lane *lane, uint64_t number);

/* The entry was handled: keep its result with the open batch, if its profile is exactly-once. */
void results_keep(struct engine *engine, const struct entry *entry, const struct outcome *outcome);

/* The lane's sender has the receipts of all numbers below. */
void results_advance(struct engine *engine, struct lane *lane, uint64_t base);

/* Note a result (given). */
void results_add(struct engine *engine, struct lane *lane, uint64_t number, struct block *bytes,
                 uint8_t encoding);

/* Take it from its record, behind the lanes. DAMAGED. */
enum status results_recover(struct engine *engine, struct span key, struct span value);

/* ---- order.c ---- */

/* The messages of one key. */
struct chain {
    struct span key;            /* owned, behind this struct */
    struct entry *first, *last; /* in memory */
    size_t count;
    struct sequences away; /* behind these: in the store only (away.c) */
    struct load *load;     /* some of them on their way back, or NULL */
    bool hungry;           /* stands in its queue's list of these */
    struct chain *next_hungry, *next_away, *previous_away;
};

/* The key of an entry that may be in no list yet. */
struct span order_key_in(struct engine *engine, const struct queue *mailbox,
                         const struct entry *entry);

/* The chain of this key, or NULL; it is freed when nothing of it is left. */
struct chain *order_chain(const struct queue *queue, struct span key);
void order_tidy(struct queue *queue, struct chain *chain);

/* The agent orders by key, and the message has none. */
bool order_lacks_key(struct engine *engine, const struct queue *mailbox,
                     const struct message *message);

/* The key in force of an entry of a mailbox; valid until a policy is asked. */
struct span order_key(struct engine *engine, const struct entry *entry);

/* Whether an entry of a mailbox may be delivered; it joins the chain of its key for that. */
bool order_is_first(struct engine *engine, struct entry *entry);

/* It is not there any more for the others of its key: the next one may be delivered. */
void order_leave(struct engine *engine, struct entry *entry);

/* The mailbox has another agent: its order is in force for what is there. */
void order_agent_up(struct engine *engine, struct queue *mailbox);

/* An entry of an outbox, with its number, joins those of its key. */
void order_of_outbox(struct entry *entry);

/* The number of the one before it that is still open, or 0. */
uint64_t order_after(const struct entry *entry);

/* The message has come before one that its agent must be handed first. */
bool order_is_overtaking(const struct queue *mailbox, const struct lane *lane,
                         const struct message *message);

/* ---- dedup.c ---- */

enum { NO_RESULT = ENCODING_JSON }; /* without bytes; an empty string has none either, but is raw */

/* The key under which the policy remembers the message; empty: it is never a duplicate. */
struct span dedup_key(struct engine *engine, const struct queue *mailbox,
                      const struct message *message);

/* The message holds its dedup key from now on (ENTRY_WAITING), or waits for its holder
 * (ENTRY_BLOCKED). */
enum entry_state dedup_claim(struct engine *engine, struct queue *mailbox, struct entry *entry);

/* How the first message of a key ended; it was handled. */
struct end dedup_end(const struct seen *seen);

/* A blocked entry whose first was handled is acknowledged like it and dropped: true. */
bool dedup_settle(struct engine *engine, struct entry *entry);

/* The holder was handled: those who waited for it are duplicates. It ended otherwise: the next one
 * takes its place. */
void dedup_handled(struct engine *engine, struct queue *mailbox, struct seen *seen,
                   const struct outcome *outcome);
void dedup_released(struct engine *engine, struct queue *mailbox, struct seen *seen);

/* ---- deliver.c ---- */

/* Begin what may begin now. */
void deliver_pump(struct engine *engine, struct queue *mailbox);

/* Whether a delivery to the mailbox may begin now; begin one. */
bool deliver_takes(const struct engine *engine, const struct queue *mailbox);
void deliver_entry(struct engine *engine, struct entry *entry);

/* Its two halves: the entry is leased and charged (true: its handler has to wait for the store),
 * and the delivery that it leads begins. */
bool deliver_take(struct engine *engine, struct entry *entry);
void deliver_lease(struct engine *engine, struct entry *entry, bool waits);

/* What its handler had to wait for is durable. */
void deliver_committed(struct engine *engine, uint64_t delivery);

/* ---- bundle.c ---- */

/* Begin what may begin now of an agent that takes messages together. */
void bundle_pump(struct engine *engine, struct queue *mailbox);

/* The message is handed over in a bundle, be it alone there. */
bool bundle_is_for(const struct entry *entry);

/* The entry that holds the lease of this one's delivery. */
struct entry *bundle_leader(struct entry *entry);

/* Is one of them worthless by now? */
bool bundle_is_late(const struct engine *engine, const struct entry *entry);

/* Would the agent as it is now take them together? It may be another than when they were leased. */
bool bundle_fits(const struct entry *first);

/* It is on its own again; answers the next of its bundle, or NULL. */
struct entry *bundle_part(struct entry *entry);

/* ---- settle.c ---- */

void settle_outcome(struct engine *engine, const struct outcome *outcome);

/* The delivery may take so long from now, whatever was left of its timeout. */
void settle_extend(struct engine *engine, uint64_t delivery, int64_t delay_ms);
void settle_deadline(struct engine *engine, struct entry *entry);

/* A failed attempt has been noted: another one by the policy, or a dead letter. */
void settle_judge(struct engine *engine, struct entry *entry, const struct outcome *outcome);
void settle_die(struct engine *engine, struct entry *entry, uint8_t code, struct span word,
                struct span reason);
void settle_expire(struct engine *engine, struct entry *entry);

/* The delivery that the entry leads never happened: its messages wait again. */
void settle_give_back(struct engine *engine, struct entry *entry);

/* The delivery that the entry leads has not begun, and some of it is worthless by now: that has
 * expired, the rest waits again. */
void settle_late(struct engine *engine, struct entry *entry);

/* Take a delivery back: its handler ends with the code; the entry's lease is over. */
void settle_interrupt(struct engine *engine, const struct entry *entry, enum code code);
void settle_end_lease(struct engine *engine, struct entry *entry);

/* ---- notice.c ---- */

/* Tell the agent of a dead letter of its mailbox, in the open batch, under this key. */
void notice_post(struct engine *engine, const struct entry *letter, struct span key);

/* A notice has failed for good: it goes, and that is said. */
void notice_drop(struct engine *engine, struct entry *notice, uint8_t code, struct span word,
                 struct span reason);

/* ---- drain.c ---- */

void drain_begin(struct engine *engine);

/* ---- answer.c ---- */

/* How far a message got, or why it ended. */
struct end {
    uint8_t code, level, flags; /* flags of struct receipt */
    uint8_t result_encoding;
    struct span word, reason, result;
    uint64_t retry_after_ms;
};

/* Tell the sender of a mailbox's entry once the open batch is durable; what the sender does not
 * wait for is not told. An earlier word in the same batch is replaced. */
void answer_later(struct engine *engine, struct entry *entry, const struct end *end);

/* Tell the sender of a number that this node knows how far it got. What is known may not be durable
 * yet, so this too is said after the open batch. */
void answer_again(struct engine *engine, const struct lane *lane, const struct queue *mailbox,
                  const struct message *message, const struct end *end);

/* Tell the sender of a frame that made no entry, at once. Nothing under at-most-once. */
void answer_now(struct engine *engine, struct link *to, const struct message *message,
                const struct end *end);

/* Say what a durable batch allows to be said. */
void answer_committed(struct engine *engine, struct batch *batch);

/* Tell a waiter the end of its message and forget the waiter. NULL: nobody waits. */
void answer_waiter(struct engine *engine, struct waiter *waiter, uint16_t transmission,
                   uint32_t facts, const struct end *end);

/* Tell the waiter of a message that was refused before it became an entry. */
void answer_refused(struct engine *engine, const struct submit *submit, const struct end *end);

/* Tell the waiter of what is no entry. */
void answer_waiting(struct engine *engine, const struct submit *submit, const struct end *end);

/* Put a receipt on a link, through the hooks. `from` is where it comes from. */
void answer_send(struct engine *engine, struct link *to, const struct receipt *receipt,
                 enum hop_end from);

/* Ask the hooks. False: dropped. `*altered` (given; NULL: unchanged) replaces the message. `*fate`
 * is for late_apply; NULL: not on its way to a link. */
bool hook_message(struct engine *engine, enum hook_step step, const struct message *message,
                  const struct hop *hop, struct block **altered, struct fate *fate);
bool hook_receipt(struct engine *engine, enum hook_step step, const struct receipt *receipt,
                  struct span ref, const struct hop *hop, struct fate *fate);

/* ---- late.c ---- */

/* What was written to link->out from `from` on, one frame, meets its fate. */
void late_apply(struct engine *engine, struct link *link, size_t from, const struct fate *fate);
void late_deadline(struct engine *engine, struct deadline *deadline);

/* What is late on the link is lost. */
void late_link_gone(struct engine *engine, struct link *link);

/* Where a link leads, seen from here. */
enum hop_end link_end(const struct link *link);

#endif
