/* A client that sends as fast as its window allows and times every answer: the sending half of
 * `moonpost bench`. It is a node of the shell like any client, fed from C. */
#ifndef MOONPOST_PRODUCER_H
#define MOONPOST_PRODUCER_H

#include "shell/shell.h"

struct producer_options {
    struct span link, to; /* copied */
    uint64_t count;
    uint32_t window;          /* messages without an answer */
    uint32_t size;            /* bytes of a body, at least PRODUCER_NUMBER_BYTES */
    uint32_t keys;            /* how many keys the messages have in turn; 0: they have none */
    uint8_t profile;          /* enum profile */
    uint8_t level;            /* enum level awaited */
    void (*done)(void *user); /* all are answered, or there is no link; called once */
    void *user;
};

enum { PRODUCER_NUMBER_BYTES = 12 }; /* a body begins with its number, in decimal */

struct producer_report {
    uint64_t sent, answered, refused;
    double seconds; /* from the first send to the last answer */
    double p50_ms, p90_ms, p99_ms, max_ms;
    char reason[256]; /* why it ended early, or what the first refusal said */
};

struct producer;

/* Start; the first message leaves when the link is up. */
struct producer *producer_start(struct shell *shell, const struct producer_options *options);

/* What happened so far; the times only when it is done. */
void producer_look(struct producer *producer, struct producer_report *report);

/* Close its link. */
void producer_free(struct producer *producer);

#endif
