/* A play of frames and events, legal and illegal, against a live engine, see engine.c. What can
 * happen in it is chosen by a tape. */
#ifndef MOONPOST_FUZZ_PLAY_H
#define MOONPOST_FUZZ_PLAY_H

#include "core/ensure.h"
#include "core/queue.h"
#include "shell.h"
#include "tape.h"

enum {
    NAMES = 4,     /* of peers; the last one is the node's own */
    LANES = 2,     /* lane epochs of a peer */
    ADDRESSES = 8, /* the first AGENTS are served here at times */
};

struct play {
    struct shell shell;
    struct tape tape;
    uint64_t seq[NAMES][ADDRESSES][LANES]; /* the highest number of a peer's lane, and its base */
    uint64_t base[NAMES][ADDRESSES][LANES];
    uint64_t claimed[NAMES][ADDRESSES][LANES]; /* the highest base that was said of the lane */
    uint8_t name_of[CONNECTIONS];              /* who the peer says it is */
    struct retry_policy policy;
    struct buffer out, headers;
    uint64_t tokens;
    int lives;
};

/* ---- play.c: choices ---- */

extern const char *const play_addresses[ADDRESSES];
extern const char *const play_names[NAMES];

int64_t choose_ms(struct tape *tape);

/* As scripts may give one: see lua/moonpost/retry.lua. */
struct retry_policy choose_policy(struct tape *tape);
struct span choose_address(struct tape *tape);
struct span choose_id(struct tape *tape);
struct span choose_body(struct tape *tape);

/* A waiter that nobody was before, or 0. */
uint64_t choose_waiter(struct play *play);

/* A message of this node; its policy is the play's. */
struct submit choose_submit(struct play *play);

/* What each name's store is, or another one's. */
void store_id_of(unsigned name, bool other, char *store_id);

/* ---- peers.c ---- */

/* Somebody connects (`dial` DIALS: to this node), or a dial fails. */
void play_connect(struct play *play, uint32_t dial, bool own);
void play_fail_dial(struct play *play);

/* A peer that does all that is expected of it until its link is up, and serves an address. */
void play_link_up(struct play *play);

/* A peer says `what`. */
void play_speak(struct play *play, unsigned what);

/* ---- agents.c ---- */

void play_agent_up(struct play *play, unsigned which);

/* It has an order, or takes several messages at once. */
void play_orderly_agent_up(struct play *play, unsigned which);

/* A handler ends; some end between two steps, with what they kept and took back. */
void play_outcome(struct play *play);
void play_keeping_outcomes(struct play *play);

/* A handler asks for more time; an agent keeps something outside of a delivery. */
void play_extend(struct play *play);
void play_keep(struct play *play);

/* What agents keep is the same wherever it is looked at. */
void play_look_at_state(struct play *play);

/* ---- people.c: what $node is asked, and what it does ---- */

void play_ask_node(struct play *play, bool stream);
void play_requeue(struct play *play);
void play_remove(struct play *play);
void play_hold(struct play *play);
void play_peek(struct play *play);
void play_purge(struct play *play);
void play_cancel_message(struct play *play);
void play_stream(struct play *play);
void play_part(struct play *play);
void play_administered(struct play *play);
void play_look(struct play *play);

#endif
