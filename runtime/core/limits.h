/* Every bound of the system, named, with its unit. */
#ifndef MOONPOST_LIMITS_H
#define MOONPOST_LIMITS_H

#include <stdint.h>

enum {
    ID_BYTES_MAX = 128,          /* message id */
    ADDRESS_BYTES_MAX = 255,     /* "name@domain", node names, topics */
    KEY_BYTES_MAX = 255,         /* message key */
    METHOD_BYTES_MAX = 128,      /* method name */
    ORIGIN_BYTES_MAX = 32,       /* store id and engine index; opaque to others */
    HEADERS_BYTES_MAX = 4096,    /* names and values of all headers together */
    HEADERS_WIRE_MAX = 8192,     /* the same, encoded */
    REASON_BYTES_MAX = 1024,     /* a sentence for people in a receipt or a bye */
    RESULT_BYTES_MAX = 1 << 20,  /* a handler's result */
    BODY_BYTES_MAX = 1 << 20,    /* default of the setting body_max */
    STATE_BYTES_MAX = 64 << 10,  /* default of the setting state_max */
    BODY_BYTES_LIMIT = 64 << 20, /* highest value of the setting body_max */
    FRAME_OVERHEAD_MAX = 16384,  /* everything in a data frame that is not its body */
    STORE_ID_BYTES = 16,
    HOPS_MAX = 16,   /* nodes that pass a message on before it is refused */
    DELAYS_MAX = 16, /* entries of a retry policy's list */
    EFFECTS_PER_DELIVERY_MAX = 1000,
    RECEIPT_RANGE_MAX = 8192, /* numbers that one receipt answers */
    LINK_CREDIT = 8192, /* data frames a node takes from a link before it has dealt with them */
    LINK_OUT_BYTES_MAX = 8 << 20,     /* written to a link and not gone: no data frame joins more */
    PARTS_UNREAD_BYTES_MAX = 1 << 20, /* so much waits for a peer: parts for it are left out */
    LINK_WRITTEN_BYTES = PARTS_UNREAD_BYTES_MAX / 2, /* a shell says so often what has gone */
    LINK_UNREAD_BYTES_MAX = 8 * LINK_OUT_BYTES_MAX,  /* ... and a frame: the link is closed */
    SILENCE_HEARTBEATS = 2, /* nothing was heard for so many: the link is dead */
    STOOD_STILL_MS = 500,   /* a step so late: what peers have said meanwhile is not read yet ... */
    CATCH_UP_MS = 100,      /* ... but is within this time */
    ORIGINS_MAX = 65536,    /* ways back to senders; the one used longest ago is forgotten */
    ORIGIN_HOLD_MS = 5000,  /* a way in use is not taken over by another link */
    EPOCHS_MAX = 4096,      /* restarted stores remembered; the one seen longest ago is forgotten */
    ATTACHMENTS_MAX = 65536, /* addresses attached over all links; a further one is BUSY */
    WINDOW_DEFAULT = 64,     /* unanswered messages per lane */
    CONCURRENCY_MAX = 1024,
    BUNDLE_MAX = 1000,    /* messages that are handed over together */
    GENERATIONS_MAX = 16, /* of an agent, with handlers in flight; a further one is refused */
    WINDOW_COUNT = 8192,  /* waiting messages of a mailbox in memory; the others are in the store */
    WINDOW_BYTES = 8 << 20, /* and their bytes */
    WINDOW_SMALL = 64,      /* ... when all mailboxes together hold RESIDENT_BYTES in memory */
    RESIDENT_BYTES = 64 << 20,
    NUMBERS_AHEAD = 1024,   /* numbers of an outbox that one record lets be used */
    OUTBOXES_MAX = 65536,   /* destinations a node holds messages for; more are refused */
    OUTBOXES_LOOKED_AT = 8, /* for each new one, when half of that are there: idle ones go */
    NUMBERS_APART =
        1 << 26, /* numbers of an outbox that are in a store; one further back is damaged */
    NUMBERS_HELD = 65536, /* numbers of an outbox since the oldest that an IN_DOUBT letter holds */
    REQUESTS_MAX = 64,    /* requests of $node that wait for their answer; a further one is BUSY */
    RECENT_FACTS = 4096,  /* the latest facts about messages that a node remembers; a power of 2 */
    RECENT_REASON_BYTES = 256,
    FAILURES_KEPT = 32,           /* notes of one message: its first, then the newest */
    LANES_LEFT_MAX = 8,           /* opened lanes that an outbox remembers after it has left them */
    SOLO_AFTER_LINK_DEATHS = 3,   /* then the head of a lane travels alone and spends attempts */
    RETRY_AFTER_MAX_MS = 3600000, /* a peer cannot make a sender wait longer */
    RETRY_MIN_MS = 10,            /* whatever a policy says, a sender or a dialler does not spin */
    ASK_FIRST_MS = 1000,          /* how soon a sender asks for an awaited `handled` */
    ASK_INTERVAL_MS = 30000,      /* ... and how often at last */
    LAZY_COMMIT_MS = 5,           /* how long a settle that nobody waits for may wait for company */
    MEMORY_DEADLINE_MS = 120000,  /* how long an outbox in memory tries */
};

/* How long an outbox keeps a message whose owner is not heard of. */
#define OUTBOX_KEPT_MS (7LL * 24 * 3600 * 1000)

/* No clock says a moment that is further from 1970, in milliseconds. */
#define MOMENT_MS_MAX (INT64_C(1) << 60)

/* The moment that is so many milliseconds after another; never beyond INT64_MAX, which is never. */
static inline int64_t after_ms(int64_t now_ms, uint64_t delay_ms)
{
    int64_t room_ms = now_ms > 0 ? INT64_MAX - now_ms : INT64_MAX; /* it may lie before a boot */
    return delay_ms < (uint64_t)room_ms ? now_ms + (int64_t)delay_ms : INT64_MAX;
}

/* The same moment on the wall clock, as records hold it. */
static inline int64_t wall_moment(int64_t at_ms, int64_t wall_ms)
{
    return at_ms < MOMENT_MS_MAX - wall_ms ? at_ms + wall_ms : MOMENT_MS_MAX;
}

/* A policy's delay before the next try of what may go on without end. */
static inline int64_t some_ms(int64_t delay_ms)
{
    return delay_ms > RETRY_MIN_MS ? delay_ms : RETRY_MIN_MS;
}

#endif
