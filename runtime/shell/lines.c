/* Lines of standard input. */
#include "shell/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "core/ensure.h"

enum { READ_BYTES = 1 << 16 };

void lines_init(struct lines *lines, uv_loop_t *loop)
{
    *lines = (struct lines){.loop = loop};
}

/* Make room by forgetting what was taken. */
static void forget_taken(struct lines *lines)
{
    if (!lines->taken) return;
    char *bytes = lines->text.block->bytes;
    memmove(bytes, bytes + lines->taken, lines->text.used - lines->taken);
    lines->text.used -= lines->taken;
    lines->taken = 0;
}

static void read_some(struct lines *lines)
{
    forget_taken(lines);
    char *room = buffer_extend(&lines->text, READ_BYTES);
    ssize_t size = read(STDIN_FILENO, room, READ_BYTES);
    int number = errno;
    lines->text.used -= READ_BYTES - (size > 0 ? (size_t)size : 0);
    if (size == 0 || (size < 0 && number != EAGAIN && number != EINTR)) lines->ended = true;
}

static bool take_line(struct lines *lines, struct span *line)
{
    size_t left = lines->text.used - lines->taken;
    const char *first = left ? lines->text.block->bytes + lines->taken : NULL;
    const char *newline = left ? memchr(first, '\n', left) : NULL;
    if (!newline && !(lines->ended && left)) return false;
    *line = span_of(first, newline ? (size_t)(newline - first) : left);
    lines->taken += newline ? line->size + 1 : left;
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct lines *lines = poll->data;
    read_some(lines);
    uv_poll_stop(poll);
    lines->ready(lines->user);
}

/* What epoll does not take is a plain file and never makes us wait. libuv makes the rest
 * non-blocking, for everybody who shares it, so that is undone at the end. */
static bool can_wait(struct lines *lines)
{
    if (!lines->polled) lines->flags = fcntl(STDIN_FILENO, F_GETFL);
    if (!lines->polled && uv_poll_init(lines->loop, &lines->poll, STDIN_FILENO) == 0) {
        lines->poll.data = lines;
        lines->polled = true;
    }
    return lines->polled;
}

enum lines_answer lines_take(struct lines *lines, struct span *line)
{
    for (;;) {
        if (take_line(lines, line)) return LINES_LINE;
        if (lines->ended) return LINES_END;
        if (can_wait(lines)) return LINES_LATER;
        read_some(lines);
    }
}

void lines_wait(struct lines *lines, void (*ready)(void *user), void *user)
{
    ensure(lines->polled);
    lines->ready = ready;
    lines->user = user;
    uv_poll_start(&lines->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

void lines_deinit(struct lines *lines)
{
    if (lines->polled) {
        uv_close((uv_handle_t *)&lines->poll, NULL);
        fcntl(STDIN_FILENO, F_SETFL, lines->flags);
    }
    buffer_deinit(&lines->text);
}
