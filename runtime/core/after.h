/* What the engine does once a batch is durable; private to the engine. */
#ifndef MOONPOST_AFTER_H
#define MOONPOST_AFTER_H

#include "core/batch.h"

enum after_kind {
    AFTER_RECEIPT, /* tell a sender how far its message got */
    AFTER_ANSWER,  /* the same for a waiter of this engine */
    AFTER_RELEASE, /* a message of the outbox may leave now */
    AFTER_RUN,     /* a delivery may begin that had to wait for the store */
    AFTER_SUSPECT, /* a suspect's charge is durable */
    AFTER_CREDIT,  /* `count` data frames of a link are dealt with */
    AFTER_ADMIN,   /* answer a request of $node; `handle` is its token */
};

struct after {
    enum after_kind kind;
    uint64_t handle; /* of a lane, an entry, a delivery or a link's session; a waiter's token */
    uint64_t number; /* in the lane */
    uint32_t connection, count;
    uint16_t transmission;
    uint8_t level, code, flags, result_encoding;
    uint32_t facts; /* enum receipt_facts */
    uint64_t retry_after_ms;
    struct span ref, word, reason, result; /* in the batch's arena */
};

/* Append to the batch's list; the rest of it is zero. Valid until the next call. */
struct after *batch_after(struct batch *batch, enum after_kind kind);

#endif
