/* A message: what a sender made, in the bytes in which it is stored, queued and sent.
 *
 * A message is kept as one block that holds a complete data frame (see frame.h and PROTOCOL.md).
 * Its strings and its body never change; the fields that belong to one transmission (seq, base,
 * hops, remaining time ...) are written into the copy that goes out. */
#ifndef MOONPOST_MESSAGE_H
#define MOONPOST_MESSAGE_H

#include "core/block.h"
#include "core/buffer.h"
#include "core/code.h"
#include "core/limits.h"
#include "core/status.h"

enum profile { AT_MOST_ONCE = 0, AT_LEAST_ONCE = 1, EXACTLY_ONCE = 2 };

/* How far a message got. UNKNOWN answers an ASK about a number the owner never accepted. */
enum level {
    LEVEL_NONE = 0,
    LEVEL_SENT = 1,
    LEVEL_STORED = 2,
    LEVEL_HANDLED = 3,
    LEVEL_UNKNOWN = 4
};

enum encoding { ENCODING_RAW = 0, ENCODING_JSON = 1 };

/* Flags of data frames without a body: they are about a lane. One at most. */
enum {
    MESSAGE_ASK = 1,      /* tell me the level of this number */
    MESSAGE_FAREWELL = 2, /* I have the final receipts of all numbers below this one */
    MESSAGE_OPEN = 4,     /* exactly-once: have a lane for what follows, and tell me so */
};

/* The transmission of every MESSAGE_OPEN: a late answer to it is none to a message. */
#define TRANSMISSION_OPEN UINT16_MAX

#define REMAINING_FOREVER UINT64_MAX

/* A decoded message. All spans are borrowed from the frame's bytes. */
struct message {
    uint8_t flags;
    uint8_t profile;  /* enum profile */
    uint8_t level;    /* enum level: what the sender waits for */
    uint8_t encoding; /* enum encoding, of the body */
    uint8_t hops;
    uint16_t transmission; /* 1 for the first */
    uint16_t requeues;
    uint64_t lane_epoch, seq, base, after;
    uint64_t due_ms;       /* not before this many milliseconds from now */
    uint64_t remaining_ms; /* worthless after this many; REMAINING_FOREVER */
    uint64_t sent_at_ms;   /* wall clock of the sender, milliseconds since 1970 */
    struct span id, origin, to, from, reply_to, key, method, topic;
    struct span headers; /* encoded, see headers_next */
    struct span body;
    struct span frame; /* the bytes it was decoded from while it is what they say, else empty */
};

/* The whole message as a data frame. The block is given to the caller. */
struct block *message_encode(const struct message *message);

/* The same, at the end of a buffer. */
void message_write(const struct message *message, struct buffer *out);

/* Decode the frame that `frame` holds exactly. BAD_FRAME: lengths that do not add up, or a value
 * outside its range; `message` is untouched then. */
enum status message_decode(struct span frame, struct message *message);

/* The same for a frame out of a store: one of this node's own may have no number yet. */
enum status message_decode_kept(struct span frame, struct message *message);

/* The same for bytes that message_encode made: cannot fail. */
struct message message_of(const struct block *block);

/* Single fields of such bytes, where the rest is not looked at. */
struct span message_id(const struct block *block);
struct span message_to(const struct block *block);
struct span message_key(const struct block *block);
struct span message_method(const struct block *block);
uint64_t message_lane_epoch(const struct block *block);
uint64_t message_due_ms(const struct block *block);
uint16_t message_requeues(const struct block *block);

/* The fields of one transmission. */
struct transmission {
    uint8_t flags, hops;
    uint16_t number;
    uint64_t base, after, due_ms, remaining_ms;
};

/* Append a copy of a stored message, with the fields of this transmission, to `out`.
 * With a flag the body and the headers are left out. */
void message_transmit(const struct block *block, const struct transmission *transmission,
                      struct buffer *out);

/* Walk the encoded headers: false at the end. `*rest` starts as message.headers. */
bool headers_next(struct span *rest, struct span *name, struct span *value);

/* Append one header. */
void headers_put(struct buffer *out, struct span name, struct span value);

#endif
