/* Watching folders, because a file that is replaced takes its watch along:
 *
 *   an event --> quiet for a moment --> watch anew --> look --> watch what is read from now on, too
 *
 * A folder that is not there is watched for in the nearest one above it. */
#include "shell/watch.h"

#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/ensure.h"
#include "shell/clock.h"

struct folder {
    struct watch *watch;
    struct folder *next;
    uv_fs_event_t event;
    char *path;
};

struct watch {
    struct node *node; /* NULL: closed */
    struct watch_calls calls;
    uv_loop_t *loop;
    uv_signal_t hangup;
    uv_timer_t timer;
    struct folder *folders;
    size_t handles;    /* not closed yet */
    bool watching;     /* folders, too */
    bool had_terminal; /* at the start */
    bool added;        /* a folder, since that was last asked */
    int64_t first_ms;  /* of the events that have not been looked after; 0: none */
};

/* ---- handles ---- */

static void handle_closed(struct watch *watch)
{
    if (--watch->handles == 0 && !watch->node) free(watch);
}

static void on_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void on_folder_closed(uv_handle_t *handle)
{
    struct folder *folder = handle->data;
    struct watch *watch = folder->watch;
    free(folder->path);
    free(folder);
    handle_closed(watch);
}

static void close_folders(struct watch *watch)
{
    while (watch->folders) {
        struct folder *folder = watch->folders;
        watch->folders = folder->next;
        uv_close((uv_handle_t *)&folder->event, on_folder_closed);
    }
}

/* ---- quiet ---- */

static void on_quiet(uv_timer_t *timer);

static void happened(struct watch *watch)
{
    int64_t now_ms = clock_now_ms();
    if (watch->first_ms == 0) watch->first_ms = now_ms;
    int64_t left_ms = watch->first_ms + WATCH_LATE_MS - now_ms;
    int64_t wait_ms = left_ms < WATCH_QUIET_MS ? left_ms : WATCH_QUIET_MS;
    uv_timer_start(&watch->timer, on_quiet, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
    (void)name;
    (void)events;
    (void)status;
    happened(((struct folder *)event->data)->watch);
}

/* ---- folders ---- */

static bool is_watched(const struct watch *watch, const char *path)
{
    const struct folder *folder = watch->folders;
    while (folder && strcmp(folder->path, path) != 0) folder = folder->next;
    return folder != NULL;
}

static void watch_folder(struct watch *watch, const char *path)
{
    if (is_watched(watch, path)) return;
    struct folder *folder = calloc(1, sizeof *folder);
    ensure(folder != NULL);
    folder->watch = watch;
    folder->path = strdup(path);
    ensure(folder->path != NULL);
    folder->next = watch->folders;
    watch->folders = folder;
    watch->added = true;
    watch->handles++;
    uv_fs_event_init(watch->loop, &folder->event);
    folder->event.data = folder;
    int code = uv_fs_event_start(&folder->event, on_event, path, 0);
    if (code < 0) watch->calls.complain(watch->calls.user, path, code);
}

static bool is_folder(const char *path)
{
    struct stat at;
    return stat(path, &at) == 0 && S_ISDIR(at.st_mode);
}

/* The folder of a file, or the nearest above it that is there. */
static void watch_around(struct watch *watch, const char *file)
{
    char path[PATH_MAX];
    if (strlen(file) >= sizeof path) return;
    strcpy(path, file);
    char *at = dirname(path);
    while (!is_folder(at) && strcmp(at, ".") != 0 && strcmp(at, "/") != 0) at = dirname(at);
    watch_folder(watch, at);
}

/* Where a symbolic link leads is watched as well as the link. */
static void watch_file(void *user, const char *file)
{
    char real[PATH_MAX];
    watch_around(user, file);
    if (realpath(file, real)) {
        struct stat at;
        if (lstat(file, &at) == 0 && S_ISLNK(at.st_mode)) watch_around(user, real);
    }
}

static bool watch_files(struct watch *watch)
{
    watch->added = false;
    node_each_file(watch->node, watch_file, watch);
    return watch->added;
}

static void on_quiet(uv_timer_t *timer)
{
    struct watch *watch = timer->data;
    watch->first_ms = 0;
    close_folders(watch);
    watch_files(watch);
    bool again = watch->calls.look(watch->calls.user, false);
    if (watch_files(watch) || again)
        happened(watch); /* it may have changed before it was watched */
}

/* ---- SIGHUP ---- */

static void on_hangup(uv_signal_t *handle, int number)
{
    struct watch *watch = handle->data;
    (void)number;
    if (watch->had_terminal && !isatty(STDIN_FILENO))
        raise(SIGTERM);
    else
        watch->calls.look(watch->calls.user, true);
    if (watch->watching) watch_files(watch);
}

/* ---- life ---- */

struct watch *watch_open(uv_loop_t *loop, struct node *node, bool folders,
                         const struct watch_calls *calls)
{
    struct watch *watch = calloc(1, sizeof *watch);
    ensure(watch != NULL);
    *watch = (struct watch){.node = node,
                            .calls = *calls,
                            .loop = loop,
                            .handles = 2,
                            .watching = folders,
                            .had_terminal = isatty(STDIN_FILENO)};
    uv_signal_init(loop, &watch->hangup);
    uv_timer_init(loop, &watch->timer);
    watch->hangup.data = watch->timer.data = watch;
    uv_signal_start(&watch->hangup, on_hangup, SIGHUP);
    if (folders) watch_files(watch);
    return watch;
}

void watch_close(struct watch *watch)
{
    close_folders(watch);
    watch->node = NULL;
    uv_close((uv_handle_t *)&watch->hangup, on_closed);
    uv_close((uv_handle_t *)&watch->timer, on_closed);
}
