/* A node's place in the shell. */
#include "shell/seat.h"

#include <stdlib.h>
#include <unistd.h>
#include "core/ensure.h"
#include "shell/clock.h"
#include "shell/connection.h"
#include "shell/disk.h"
#include "shell/door.h"
#include "shell/left.h"
#include "shell/supervisor.h"
#include "shell/watchdog.h"

enum {
    STOP_WAIT_MS = 3000, /* how long links may take to say bye */
    SWEEP_MS = 200,      /* how exactly time limits of connections are kept */
    SLEEP_MS_MAX =
        10000, /* libuv's timers stand still while the machine sleeps, our clock does not */
};

/* ---- what the node asks for ---- */

static int64_t seat_now_ms(void *user)
{
    (void)user;
    return clock_now_ms();
}

static int64_t seat_wall_ms(void *user)
{
    (void)user;
    return clock_wall_ms();
}

static void seat_write(void *user, uint32_t connection, struct block *block)
{
    connection_write(user, connection, block);
}

static void seat_close_connection(void *user, uint32_t connection)
{
    connection_close(user, connection);
}

static void seat_dial(void *user, uint32_t dial, struct span address)
{
    door_dial(user, dial, address);
}

static void seat_wake_node(void *user)
{
    seat_wake(user);
}

static void seat_log(void *user, struct span node, const struct log_record *record)
{
    struct seat *seat = user;
    log_write(&seat->shell->log, node, record);
}

static void seat_commit(void *user, struct batch *batch)
{
    struct seat *seat = user;
    disk_commit(seat->disk, batch);
}

static void seat_load(void *user, struct load *load)
{
    struct seat *seat = user;
    disk_load(seat->disk, load);
}

static void seat_crash(void *user)
{
    (void)user;
    kill(getpid(), SIGKILL);
}

static struct node_io seat_io(struct seat *seat)
{
    return (struct node_io){
        .user = seat,
        .now_ms = seat_now_ms,
        .wall_ms = seat_wall_ms,
        .write = seat_write,
        .close = seat_close_connection,
        .dial = seat_dial,
        .commit = seat_commit,
        .load = seat_load,
        .wake = seat_wake_node,
        .log = seat_log,
        .crash = seat_crash,
    };
}

/* ---- turns ---- */

void seat_wake(struct seat *seat)
{
    seat->awake = true;
    shell_wake(seat->shell);
}

static void on_timer(uv_timer_t *timer)
{
    seat_wake(timer->data);
}

/* The nearest of the node's deadline and our own time limits. */
static void arm_timer(struct seat *seat)
{
    int64_t now_ms = clock_now_ms(), wait_ms = SLEEP_MS_MAX;
    int64_t deadline_ms = node_deadline_ms(seat->node);
    if (deadline_ms <= now_ms) return seat_wake(seat);
    if (deadline_ms - now_ms < wait_ms) wait_ms = deadline_ms - now_ms;
    bool limited = seat->expiring || seat->state != SEAT_OPEN;
    if (limited && wait_ms > SWEEP_MS) wait_ms = SWEEP_MS;
    if (deadline_ms == INT64_MAX && !limited)
        uv_timer_stop(&seat->timer);
    else
        uv_timer_start(&seat->timer, on_timer, (uint64_t)wait_ms, 0);
}

static void keep_limits(struct seat *seat)
{
    if (!seat->expiring) return;
    int64_t now_ms = clock_now_ms();
    connections_expire(seat, now_ms);
    dials_expire(seat, now_ms);
}

/* Numbers of connections are free again only if the node has seen their end. */
void seat_turn(struct seat *seat)
{
    seat->awake = false;
    if (seat->state == SEAT_LEAVING) return;
    keep_limits(seat);
    node_turn(seat->node);
    if (seat->charged) *seat->charged = engine_charged(node_engine(seat->node));
    connections_release(seat);
    arm_timer(seat);
}

/* ---- the store ---- */

/* Said once when it becomes so, and once when that is over. */
static void note_full(struct seat *seat, bool full)
{
    if (full == seat->full) return;
    seat->full = full;
    log_say(&seat->shell->log, full ? LOG_WARN : LOG_INFO, node_name(seat->node),
            full ? "the store is full: what is new is refused (STORE_FULL) until messages are "
                   "settled; raise store.max, or make room on its file system"
                 : "the store has room again");
}

static void on_committed(void *user, struct batch *batch, const struct store_room *room)
{
    struct seat *seat = user;
    note_full(seat, room->full);
    node_committed(seat->node, batch, room);
}

static void on_loaded(void *user, struct load *load)
{
    struct seat *seat = user;
    node_loaded(seat->node, load);
}

/* Nobody knows what is on disk, so nothing is said to anybody any more: the next start reads what
 * is there. */
static void on_disk_failed(void *user, const char *reason)
{
    struct seat *seat = user;
    log_say(&seat->shell->log, LOG_ERROR, node_name(seat->node),
            "the store failed: %s  (nothing of the last commit was confirmed; exit code %d)",
            reason, EXIT_STORE_FAILED);
    _exit(EXIT_STORE_FAILED);
}

static void on_disk_closed(void *user)
{
    struct seat *seat = user;
    seat->disk = NULL;
    seat_handle_closed(seat);
}

void seat_start_disk(struct seat *seat, struct store *store)
{
    struct disk_calls calls = {seat, on_committed, on_loaded, on_disk_failed};
    seat->disk = disk_new(&seat->shell->loop, store, &calls);
    seat->handles++;
}

/* ---- the watchdog ---- */

void seat_start_watchdog(struct seat *seat, int64_t limit_ms)
{
    seat->watchdog =
        watchdog_start(node_host(seat->node), limit_ms, &seat->shell->log, node_name(seat->node));
}

/* ---- the end ---- */

static void on_timer_closed(uv_handle_t *handle)
{
    seat_handle_closed(handle->data);
}

static void leave(struct seat *seat)
{
    connections_abort(seat, "the node has stopped");
    if (seat->drained) left_say(seat->node, &seat->shell->log, seat->disk);
    seat->state = SEAT_LEAVING;
    uv_close((uv_handle_t *)&seat->timer, on_timer_closed);
    if (seat->disk) disk_close(seat->disk, on_disk_closed, seat);
}

static void begin_stop(struct seat *seat)
{
    seat->state = SEAT_STOPPING;
    seat->stop_at_ms = clock_now_ms() + STOP_WAIT_MS;
    dials_cancel(seat);
    seat_wake(seat);
}

static size_t in_hand(const struct seat *seat)
{
    return engine_in_hand(node_engine(seat->node));
}

static void end_drain(struct seat *seat, bool late)
{
    size_t count = in_hand(seat);
    if (count > 0 && !late) return;
    if (count > 0)
        log_say(&seat->shell->log, LOG_WARN, node_name(seat->node),
                "%zu in hand did not end in time: given back, no attempt is charged", count);
    begin_stop(seat);
    node_stop(seat->node);
}

void seat_flush(struct seat *seat)
{
    if (seat->state == SEAT_LEAVING) return;
    connections_flush(seat);
    if (seat->state == SEAT_OPEN || seat->awake) return;
    bool late = clock_now_ms() >= seat->stop_at_ms;
    bool done = seat->connections == 0 && node_settled(seat->node);
    if (seat->state == SEAT_DRAINING)
        end_drain(seat, late);
    else if (done || late)
        leave(seat);
}

void seat_drop(struct seat *seat, void (*closed)(void *user), void *user)
{
    seat->closed = closed;
    seat->closed_user = user;
    doors_close(seat);
    begin_stop(seat);
}

void seat_drain(struct seat *seat, int64_t grace_ms, void (*closed)(void *user), void *user)
{
    if (seat->state != SEAT_OPEN) return;
    seat->state = SEAT_DRAINING;
    seat->drained = true;
    seat->closed = closed;
    seat->closed_user = user;
    seat->stop_at_ms = after_ms(clock_now_ms(), (uint64_t)grace_ms);
    doors_close(seat);
    node_drain(seat->node);
    if (in_hand(seat) > 0)
        log_say(&seat->shell->log, LOG_INFO, node_name(seat->node),
                "stopping: %zu in hand may end within %.1f s", in_hand(seat),
                (double)grace_ms / 1000);
    seat_wake(seat);
}

void seat_close(struct seat *seat, void (*closed)(void *user), void *user)
{
    if (seat->state != SEAT_OPEN) return;
    seat_drop(seat, closed, user);
    node_stop(seat->node);
}

void seat_handle_closed(struct seat *seat)
{
    ensure(seat->handles > 0);
    seat->handles--;
    shell_wake(seat->shell);
}

bool seat_gone(const struct seat *seat)
{
    return seat->state == SEAT_LEAVING && seat->handles == 0;
}

void seat_free(struct seat *seat)
{
    void (*closed)(void *) = seat->closed;
    void *user = seat->closed_user;
    watchdog_stop(seat->watchdog);
    node_free(seat->node);
    if (seat->folder >= 0) close(seat->folder);
    free(seat->slots);
    free(seat->root);
    free(seat);
    if (closed) closed(user);
}

/* ---- the beginning ---- */

struct seat *seat_open(struct shell *shell, const char *root, const struct node_options *options)
{
    struct seat *seat = calloc(1, sizeof *seat);
    ensure(seat != NULL);
    seat->shell = shell;
    seat->folder = -1;
    seat->root = strdup(root);
    seat->handles = 1;
    uv_timer_init(&shell->loop, &seat->timer);
    seat->timer.data = seat;
    seat->io = seat_io(seat);
    seat->next = shell->seats;
    shell->seats = seat;
    seat->node = node_new(options, &seat->io);
    seat_wake(seat);
    return seat;
}

void seat_move(struct seat *seat, struct span root)
{
    free(seat->root);
    seat->root = root.size ? strndup(root.bytes, root.size) : strdup(".");
    ensure(seat->root != NULL);
}

struct seat *seat_of(struct shell *shell, const struct node *node)
{
    struct seat *seat = shell->seats;
    while (seat && seat->node != node) seat = seat->next;
    return seat;
}
