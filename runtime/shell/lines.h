/* Standard input, line by line, without stopping the loop. */
#ifndef MOONPOST_LINES_H
#define MOONPOST_LINES_H

#include <uv.h>
#include "core/buffer.h"

struct lines {
    uv_loop_t *loop;
    uv_poll_t poll; /* of what can make us wait; a file is just read */
    bool polled, ended;
    int flags;          /* of standard input, before */
    struct buffer text; /* read, not taken */
    size_t taken;
    void (*ready)(void *user); /* asked for by lines_wait */
    void *user;
};

/* `loop` is borrowed. Nothing is read before lines_take or lines_wait. */
void lines_init(struct lines *lines, uv_loop_t *loop);

enum lines_answer { LINES_LINE, LINES_END, LINES_LATER };

/* The next line, without its newline; borrowed until the next call. LATER: call lines_wait. A last
 * line without a newline counts. */
enum lines_answer lines_take(struct lines *lines, struct span *line);

/* Call `ready` once when lines_take would no longer answer LATER. */
void lines_wait(struct lines *lines, void (*ready)(void *user), void *user);

/* The handle closes in the next rounds of the loop. */
void lines_deinit(struct lines *lines);

#endif
