/* What a service manager is told through NOTIFY_SOCKET: that the node is up, that its loop still
 * turns, that it stops. The protocol is systemd's sd_notify(3). */
#ifndef MOONPOST_NOTIFY_H
#define MOONPOST_NOTIFY_H

#include <uv.h>

struct notify;

/* NULL: nobody asked (NOTIFY_SOCKET is not set), which all functions here take. The loop must run
 * once more after notify_close. */
struct notify *notify_open(uv_loop_t *loop);

/* The node is up. From now on the loop says WATCHDOG=1 twice in WATCHDOG_USEC, if that is meant for
 * this process or for `holder`, its supervisor: a loop that is stuck does not. `status` is for
 * people, copied. */
void notify_ready(struct notify *notify, long holder, const char *status);

void notify_stopping(struct notify *notify);
void notify_close(struct notify *notify);

#endif
