/* One line a queue: "left for mail@local  waiting 12  deferred 3". */
#include "shell/left.h"

#include <stdio.h>

enum { LINES_MAX = 20 };

struct report {
    struct node *node;
    struct log *log;
    const char *word; /* "left", "lost" */
    enum log_level level;
    bool kept; /* in a store, but for those at most once */
    size_t lines, others, messages;
};

static void add(char *text, size_t size, const char *state, size_t count)
{
    size_t used = strlen(text);
    if (count > 0) snprintf(text + used, size - used, "  %s %zu", state, count);
}

static void say_queue(void *user, const struct left *left)
{
    struct report *report = user;
    char text[512];
    size_t pending = left->waiting + left->leased + left->deferred + left->awaiting;
    if (pending == 0) return;
    if (report->lines++ >= LINES_MAX) {
        report->others++;
        report->messages += pending;
        return;
    }
    snprintf(text, sizeof text, "%s %s %.*s", report->word, left->outbox ? "to be sent to" : "for",
             SPAN_ARGS(left->address));
    add(text, sizeof text, "waiting", left->waiting + left->leased);
    add(text, sizeof text, "deferred", left->deferred);
    add(text, sizeof text, "awaiting", left->awaiting);
    add(text, sizeof text, "dead", left->dead);
    if (report->kept) add(text, sizeof text, "of these at most once, so lost:", left->unstored);
    log_say(report->log, report->kept && left->unstored > 0 ? LOG_WARN : report->level,
            node_name(report->node), "%s", text);
}

void left_say(struct node *node, struct log *log, bool kept)
{
    struct report report = {.node = node,
                            .log = log,
                            .word = kept ? "left" : "lost with this process:",
                            .level = kept ? LOG_INFO : LOG_WARN,
                            .kept = kept};
    if (!node_engine(node)) return;
    engine_left(node_engine(node), say_queue, &report);
    if (report.others > 0)
        log_say(log, report.level, node_name(node), "%s %zu messages in %zu other queues",
                report.word, report.messages, report.others);
}
