/* Keys and values of the store. Numbers are big-endian, so the store's order is age; moments are
 * wall clock, milliseconds since 1970, because the monotonic clock does not survive a boot.
 *
 *   'm' sequence                  a message: kind of queue, when it was accepted, data frame
 *   'f' sequence                  delivery facts, only when something happened
 *   'd' sequence                  a dead letter: why; the message stays in 'm', its notes in 'f'
 *   'l' origin epoch destination  a lane: base, end and its runs
 *   'g' origin epoch destination number  what a handler answered, of exactly-once: its encoding,
 * bytes 'b' address                   an outbox: its lane's epoch, and numbers that may have been
 * used 'h' address                   a mailbox that is held: since when, and whether it is drained
 *   'e' store id                  the highest epoch seen of it
 *   'a' address scope key         a record of an agent's state (core/state.h)
 *   'c' moment key                the record of a state with this key is worthless from then on
 *   'k' sequence                  a key that a dedup policy remembers, with the first result
 *   'i'                           who this node is (store/identity.h)
 *
 * Messages have the last letter: a store on disk fills its pages when keys are behind all others.
 * What can be computed from the data frame (queue, number, due, expiry) is not written again. */
#ifndef MOONPOST_RECORD_H
#define MOONPOST_RECORD_H

#include "core/buffer.h"
#include "core/lane.h"
#include "core/queue.h"
#include "core/seen.h"
#include "core/state.h"
#include "core/status.h"

enum record_kind {
    RECORD_MESSAGE = 'm',
    RECORD_FACTS = 'f',
    RECORD_DEAD = 'd',
    RECORD_LANE = 'l',
    RECORD_RESULT = 'g',
    RECORD_OUTBOX = 'b',
    RECORD_HOLD = 'h',
    RECORD_EPOCH = 'e',
    RECORD_IDENTITY = 'i',
    RECORD_STATE = 'a',
    RECORD_DUE = 'c',
    RECORD_SEEN = 'k',
};

/* The key of a state: kind, size and bytes of the address, scope, key. The longest is that of its
 * end. */
enum {
    RECORD_STATE_KEY_MAX = 3 + ADDRESS_BYTES_MAX + STATE_KEY_BYTES_MAX,
    RECORD_KEY_MAX = 1 + 8 + RECORD_STATE_KEY_MAX,
};

/* Compose a key into `buffer` (RECORD_KEY_MAX bytes). */
struct span record_key(char *buffer, enum record_kind kind, uint64_t sequence);
struct span record_lane_key(char *buffer, const struct lane *lane);
struct span record_outbox_key(char *buffer, struct span address);
struct span record_hold_key(char *buffer, struct span address);
struct span record_epoch_key(char *buffer, struct span store_id);

struct span record_result_key(char *buffer, const struct lane *lane, uint64_t number);

/* The lane's key in the key of a result, and the number; empty: it is none. */
struct span record_result_lane(struct span key, uint64_t *number);

enum { RESULT_FORGOTTEN = 255 /* instead of an encoding */ };

struct span record_state_key(char *buffer, struct span address, uint8_t scope, struct span key);

/* The end of a record of state, by its key. Reading: empty when it is none. */
struct span record_due_key(char *buffer, int64_t expires_wall_ms, struct span state_key);
struct span record_due_state(struct span key, int64_t *expires_wall_ms);

/* The sequence in a key of a message, facts or dead letter; 0: it is none. */
uint64_t record_sequence(struct span key);

/* ---- values ----
 *
 * Writers append to `out`; `wall_ms` is what has to be added to the engine's clock to get the wall
 * clock. Readers answer DAMAGED when the value is none of its kind; their spans are borrowed from
 * the value. */

/* Of a message's value, what stands before its data frame. */
struct record_message {
    uint8_t queue_kind; /* enum queue_kind */
    bool fail_fast;
    bool notice;     /* of a dead letter (notice.h) */
    bool has_policy; /* it goes by `policy`, not by the node's */
    int64_t first_wall_ms;
    struct retry_policy policy;
    struct span name;  /* of the queue */
    struct span frame; /* the data frame, which holds a message that can be decoded */
};

/* `policy` NULL: the node's. What follows in the value is the entry's block. */
void record_message_head(const struct entry *entry, const struct retry_policy *policy,
                         int64_t wall_ms, struct buffer *out);
enum status record_message_read(struct span value, struct record_message *record);

struct record_facts {
    uint32_t attempt, spent;
    uint16_t transmissions;
    uint8_t state; /* enum entry_state */
    uint8_t last_code;
    bool unanswered;
    int64_t due_wall_ms; /* 0: nothing is due */
    int64_t wait_ms;     /* how long that was away when it was written */
    struct span notes;   /* for record_note_next, oldest first */
};

void record_facts(const struct entry *entry, int64_t now_ms, int64_t wall_ms, struct buffer *out);
enum status record_facts_read(struct span value, struct record_facts *record);

/* One note of a failure; false at the end. `at_ms` is wall clock. */
bool record_note_next(struct span *notes, struct failure_note *note);

/* The entry's notes, for record_note_next. */
void record_notes(const struct entry *entry, int64_t wall_ms, struct buffer *out);

/* Why the entry died: its newest note. */
void record_dead(const struct entry *entry, int64_t wall_ms, struct buffer *out);
enum status record_dead_read(struct span value, struct failure_note *why);

void record_lane(const struct lane *lane, struct buffer *out);

/* Make the lane of a record; NULL: key or value are damaged. */
struct lane *record_lane_read(struct span key, struct span value);

struct record_outbox {
    uint64_t lane_epoch;
    uint64_t ceiling; /* no number from here on was ever used */
    bool opened;      /* its owner has the lane for exactly-once */
    bool asked;       /* or may have it */
    bool left_more;   /* lanes that were opened and left: more than these */
    uint8_t left_count;
    uint64_t left[LANES_LEFT_MAX];
};

void record_outbox(const struct queue *outbox, struct buffer *out);
enum status record_outbox_read(struct span value, struct record_outbox *record);

struct record_seen {
    struct span mailbox, key, result;
    int64_t forget_wall_ms; /* INT64_MAX: never */
    bool forgot, has_version;
    uint8_t result_encoding;
    double version;
};

/* All but the result, which follows. */
void record_seen(const struct seen *seen, struct span mailbox, int64_t wall_ms, struct buffer *out);
enum status record_seen_read(struct span value, struct record_seen *record);

struct record_state {
    uint64_t version;
    uint32_t writer;         /* version of the script that wrote it */
    int64_t expires_wall_ms; /* 0: never */
    struct span value;
};

/* All but the value, which follows. */
void record_state_head(const struct record_state *state, struct buffer *out);
enum status record_state_read(struct span value, struct record_state *state);

void record_hold(const struct queue *mailbox, int64_t wall_ms, struct buffer *out);
enum status record_hold_read(struct span value, enum hold *hold, int64_t *since_wall_ms);

#endif
