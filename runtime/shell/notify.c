/* Words for a service manager. */
#include "shell/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "core/ensure.h"

enum { TEXT_BYTES_MAX = 512 };

struct notify {
    uv_timer_t watchdog;
    int socket;
    struct sockaddr_un to;
    socklen_t to_size;
};

/* A path, or "@name" in the abstract namespace. False: it is neither, or too long. */
static bool read_address(const char *text, struct notify *notify)
{
    size_t size = strlen(text);
    if ((text[0] != '/' && text[0] != '@') || size >= sizeof notify->to.sun_path) return false;
    notify->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(notify->to.sun_path, text, size);
    notify->to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (text[0] == '/'));
    if (text[0] == '@') notify->to.sun_path[0] = 0;
    return true;
}

struct notify *notify_open(uv_loop_t *loop)
{
    const char *text = getenv("NOTIFY_SOCKET");
    if (!text || !text[0]) return NULL;
    struct notify *notify = calloc(1, sizeof *notify);
    ensure(notify != NULL);
    notify->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->socket < 0 || !read_address(text, notify)) {
        fprintf(stderr, "moonpost: NOTIFY_SOCKET=%s: %s\n", text,
                notify->socket < 0 ? strerror(errno) : "not a path and not @name");
        if (notify->socket >= 0) close(notify->socket);
        free(notify);
        return NULL;
    }
    uv_timer_init(loop, &notify->watchdog);
    notify->watchdog.data = notify;
    return notify;
}

/* A manager that is gone or does not keep up is told nothing. */
static void tell(const struct notify *notify, const char *text)
{
    (void)!sendto(notify->socket, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *)&notify->to, notify->to_size);
}

/* ---- the watchdog ---- */

static void on_watchdog(uv_timer_t *timer)
{
    tell(timer->data, "WATCHDOG=1");
}

/* Milliseconds between two words, 0: nobody watches this process. */
static uint64_t watchdog_period_ms(long holder)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    long watched = pid && pid[0] ? strtol(pid, NULL, 10) : holder;
    if (!usec || (watched != holder && watched != (long)getpid())) return 0;
    unsigned long long period_us = strtoull(usec, NULL, 10);
    if (period_us == 0) return 0;
    return period_us < 2000 ? 1 : period_us / 2000;
}

/* ---- life ---- */

void notify_ready(struct notify *notify, long holder, const char *status)
{
    char text[TEXT_BYTES_MAX];
    if (!notify) return;
    snprintf(text, sizeof text, "READY=1\nSTATUS=%s", status);
    tell(notify, text);
    uint64_t period_ms = watchdog_period_ms(holder);
    if (period_ms) uv_timer_start(&notify->watchdog, on_watchdog, period_ms, period_ms);
}

void notify_stopping(struct notify *notify)
{
    if (notify) tell(notify, "STOPPING=1");
}

static void on_closed(uv_handle_t *handle)
{
    struct notify *notify = handle->data;
    close(notify->socket);
    free(notify);
}

void notify_close(struct notify *notify)
{
    if (notify) uv_close((uv_handle_t *)&notify->watchdog, on_closed);
}
