/* The sender, by the files that make it up; private to the core.
 *
 *   sender.c       the outbox: what goes when, ACK timers, links that come and go
 *   sender_lane.c  the lane at its sender: opened, left, joined, closed
 *   transmit.c     the sender's messages on a link
 *   stall.c        messages that cannot go for now
 *   receipt.c      receipts of the sender's messages
 *   finish.c       the end of a message at its sender, IN_DOUBT too
 *
 * A message comes into an outbox by submit.c (see parts.h). The entries here are those of outboxes;
 * one that ends is freed, unless it becomes a dead letter. */
#ifndef MOONPOST_SENDER_H
#define MOONPOST_SENDER_H

#include <stdbool.h>
#include <stdint.h>
#include "core/code.h"
#include "core/message.h"
#include "core/span.h"

struct end;
struct engine;
struct entry;
struct link;
struct queue;
struct receipt;

/* ---- sender.c ---- */

/* Send what may go now. */
void sender_pump(struct engine *engine, struct queue *outbox);
void sender_deadline(struct engine *engine, struct entry *entry);

/* What was to be durable before the entry may leave is durable. */
void sender_released(struct engine *engine, uint64_t handle);

/* An entry of an earlier life, with its facts, stands in its outbox as waiting. */
void sender_restore(struct engine *engine, struct entry *entry, bool awaiting);

/* Nobody wants the entry, which is a stream, to go on: it ends with the code, and its owner is
 * told. */
void sender_cancel(struct engine *engine, struct entry *entry, enum code code, const char *reason);

/* A link came up: ask for what is awaited, look at every outbox. It went down: give back. */
void sender_link_up(struct engine *engine, const struct link *link);
void sender_link_down(struct engine *engine, struct link *link);

/* Nothing is to be done for the entry before this moment, or before it is given up or expires. */
void sender_wait(struct engine *engine, struct entry *entry);
void sender_wait_until(struct engine *engine, struct entry *entry, int64_t at_ms);

/* It may go, as soon as it is its turn. */
void sender_make_waiting(struct engine *engine, struct entry *entry);

/* It may go when the open batch is durable. */
void sender_commit_first(struct engine *engine, struct entry *entry);

/* Whether an exactly-once message may be at its owner without an answer. */
void sender_doubt(struct entry *entry, bool doubtful);

/* The owner may have it: nobody knows until it answers. */
void sender_left_unanswered(struct entry *entry);

/* The head of a lane has lost its link or its owner's memory once more; `why` it ends when it has
 * done so too often. */
void sender_count_death(struct engine *engine, struct entry *head, const char *why);

/* An awaiting entry is asked about in a while. */
void sender_ask_later(struct engine *engine, struct entry *entry);

/* ---- sender_lane.c ---- */

/* Whether the entry may go in its outbox's lane, or is the one that asks the owner for it. False:
 * it waits for another that asks. */
bool sender_lane_admits(struct engine *engine, struct queue *outbox, struct entry *entry);

/* An entry that is admitted goes over the link, or what has to come first is done for it: the lane
 * is opened, it gets a number there, or that is made durable. */
void sender_lane_transmit(struct engine *engine, struct entry *entry, struct link *link);

/* The owner does not know a leased exactly-once message: it has its lane now, or lacks it. */
void sender_lane_unknown(struct engine *engine, struct entry *entry, const struct receipt *receipt);

/* This node has the final receipts of all that it sent through the outbox: tell the owner, who may
 * forget its lane. */
void sender_farewell(struct engine *engine, const struct queue *outbox);

/* The node stops: farewells for all outboxes in which nothing is open. */
void sender_stop(struct engine *engine);

/* ---- transmit.c ---- */

/* The fields of the entry's latest transmission, as of now. */
struct transmission transmit_fields(const struct engine *engine, const struct entry *entry);

/* The message itself; or only the wish that its owner make a lane. It is leased to the link, and
 * its ACK timer runs. */
void transmit_entry(struct engine *engine, struct entry *entry, struct link *link);
void transmit_open(struct engine *engine, struct entry *entry, struct link *link);

/* At most once: without lease or timer. */
void transmit_once(struct engine *engine, struct entry *entry, struct link *link);

/* Without body: how far did the entry's number get? */
void transmit_ask(struct engine *engine, const struct entry *entry, struct link *link);

/* ---- stall.c ---- */

/* It cannot go now, at no attempt: try again after a while, or fail at once if so wished. `receipt`
 * (may be NULL) says so. */
void stall_entry(struct engine *engine, struct entry *entry, enum code code, struct span reason,
                 const struct receipt *receipt);

/* No link leads to its address. False: it stays, and so does what is behind it. */
bool stall_for_way(struct engine *engine, struct queue *outbox, struct entry *entry);

/* An older message waits for a way to the address: true, and this one waits with it. */
bool stall_behind(struct engine *engine, struct queue *outbox, struct entry *entry);

/* A message has got through. */
void stall_over(struct engine *engine, struct queue *outbox);

/* A new message, or an owner that has come, is a reason to look for the way now. */
void sender_look_for_way(struct engine *engine, struct queue *outbox);

/* ---- receipt.c ---- */

/* A receipt for this node, over a link. */
void sender_receipt(struct engine *engine, struct link *from, const struct receipt *receipt);

/* ---- finish.c ---- */

/* Nothing more will come of it here: the owner has settled it, or holds it as a dead letter.
 * `receipt` (may be NULL) says so. */
void finish_and_drop(struct engine *engine, struct entry *entry, const struct end *end,
                     const struct receipt *receipt);

/* It could not be sent, or nobody knows: file it as a dead letter of this node. */
void finish_and_bury(struct engine *engine, struct entry *entry, enum code code, struct span word,
                     struct span reason, const struct receipt *receipt);

/* Nobody knows what became of it, for this reason. */
void finish_in_doubt(struct engine *engine, struct entry *entry, const char *why);

/* Its time is over, or that of trying to send it: true, and it has ended. */
bool finish_if_over(struct engine *engine, struct entry *entry);

#endif
