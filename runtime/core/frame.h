/* The wire between two nodes: length-prefixed binary frames (PROTOCOL.md).
 *
 *   u32 length of what follows | u8 type | ...
 */
#ifndef MOONPOST_FRAME_H
#define MOONPOST_FRAME_H

#include "core/message.h"

enum { PROTOCOL_VERSION = 1, FRAME_LENGTH_BYTES = 4 };

#define FRAME_MAP(X)                                                                               \
    X(HELLO, 1, "hello")                                                                           \
    X(WELCOME, 2, "welcome")                                                                       \
    X(ATTACH, 3, "attach")                                                                         \
    X(DETACH, 4, "detach")                                                                         \
    X(DATA, 5, "data")                                                                             \
    X(RECEIPT, 6, "receipt")                                                                       \
    X(CREDIT, 7, "credit")                                                                         \
    X(PING, 8, "ping")                                                                             \
    X(PONG, 9, "pong")                                                                             \
    X(BYE, 10, "bye")                                                                              \
    X(PART, 11, "part")                                                                            \
    X(PROGRESS, 12, "progress") /* reserved */                                                     \
    X(CANCEL, 13, "cancel")

enum frame_type {
#define X(name, number, text) FRAME_##name = number,
    FRAME_MAP(X)
#undef X
};

enum role { ROLE_NODE = 0, ROLE_SENTINEL = 1, ROLE_CLIENT = 2 };

/* hello and welcome: who speaks, and what it will take. */
struct hello {
    uint16_t version;
    uint8_t role; /* enum role; information only, never believed by a listener */
    uint64_t features;
    uint64_t epoch;
    uint64_t credit; /* data frames the peer may send before the next credit frame */
    uint32_t heartbeat_ms;
    struct span name, store_id;
};

enum { ATTACH_CONFIRMED = 1 };

/* attach: dialler to listener, "this address is here"; back with ATTACH_CONFIRMED.
 * detach: the address is gone; or, listener to dialler, refused with a code. */
struct attach {
    uint8_t flags;
    uint8_t code; /* enum code, of a refusal */
    struct span address, reason;
};

/* What is in force where the receipt was made; the sender computes `guarantees` from it. */
enum receipt_facts {
    FACT_OWNER_MEMORY = 1,       /* the owner's store does not survive its process */
    FACT_OWNER_RELAXED = 2,      /* a power cut may undo the owner's last commits */
    FACT_OWNER_DEDUP = 4,        /* the agent's policy recognises duplicates */
    FACT_OWNER_AT_MOST_ONCE = 8, /* settled before the handler */
    FACT_OWNER_PAUSED = 16,      /* the mailbox is paused: it stores, and hands over nothing */
};

enum {
    RECEIPT_NACK = 1,
    RECEIPT_DUP = 2,
    RECEIPT_FORGOT = 4, /* handled, and whatever its result was is not known any more */
};

struct receipt {
    uint8_t flags;
    uint8_t code;  /* enum code */
    uint8_t level; /* enum level */
    uint8_t result_encoding;
    uint16_t transmission;
    uint32_t facts;                   /* enum receipt_facts */
    uint64_t lane_epoch, first, last; /* a range of numbers of one lane, both ends included */
    uint64_t retry_after_ms;
    struct span origin, destination;
    struct span ref;   /* the message's id when the range is one message, or empty */
    struct span owner; /* store id of who answers; empty for a node that only routes */
    struct span word;  /* a script's own code, with CODE_OTHER */
    struct span reason, result;
};

/* part: one of many answers to a number of a lane, before its last receipt.
 * cancel: the sender of that number wants no more of them. */
struct part {
    uint8_t encoding;  /* enum encoding, of the body; not of a cancel, nor ... */
    uint32_t left_out; /* ... how many parts between the one before and this one the reader was too
                        * slow for */
    uint64_t lane_epoch, number;
    struct span origin, destination;
    struct span body; /* none: it only tells what was left out */
};

struct bye {
    uint8_t code; /* enum code; CODE_NONE: an ordinary end */
    struct span reason;
};

struct frame {
    enum frame_type type;
    union {
        struct hello hello;   /* also welcome */
        struct attach attach; /* also detach */
        struct message message;
        struct receipt receipt;
        struct part part; /* also cancel */
        struct bye bye;
        uint64_t number; /* credit: total data frames allowed since the link came up; ping, pong:
                            echoed */
    };
};

/* The first whole frame of `bytes`, its length prefix included. MORE: not there yet. TOO_LARGE: its
 * length is over `size_max`. BAD_FRAME: a length of zero. */
enum status frame_split(struct span bytes, size_t size_max, struct span *frame);

/* Decode one whole frame; spans are borrowed from it. BAD_FRAME, UNKNOWN_TYPE. */
enum status frame_decode(struct span bytes, struct frame *frame);

/* "data", "receipt" ...; "unknown" for other numbers. */
const char *frame_type_name(unsigned type);

void frame_write_hello(struct buffer *out, enum frame_type type, const struct hello *hello);
void frame_write_attach(struct buffer *out, enum frame_type type, const struct attach *attach);
void frame_write_receipt(struct buffer *out, const struct receipt *receipt);
void frame_write_part(struct buffer *out, const struct part *part);
void frame_write_cancel(struct buffer *out, const struct part *part);
void frame_write_number(struct buffer *out, enum frame_type type, uint64_t number);
void frame_write_bye(struct buffer *out, const struct bye *bye);

#endif
