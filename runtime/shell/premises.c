/* Looking after the files of a node's folder: one stat of each, once in a while. An event would
 * only come for a folder that is still there. */
#include "shell/premises.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "core/ensure.h"

enum { PATH_BYTES_MAX = 4096, FILES_MAX = 2 };

struct file {
    char path[PATH_BYTES_MAX];
    bool store, there;
    dev_t device;
    ino_t number;
};

struct premises {
    uv_timer_t timer;
    struct premises_calls calls;
    size_t count;
    struct file files[FILES_MAX];
};

/* A file that cannot be looked at is not gone. */
static bool is_gone(const struct file *file)
{
    struct stat at;
    if (!file->there) return false;
    if (stat(file->path, &at) != 0) return errno == ENOENT || errno == ENOTDIR;
    return at.st_dev != file->device || at.st_ino != file->number;
}

static void on_timer(uv_timer_t *timer)
{
    struct premises *premises = timer->data;
    for (size_t i = premises->count; i-- > 0;) {
        const struct file *file = &premises->files[i];
        if (!is_gone(file)) continue;
        uv_timer_stop(timer);
        premises->calls.gone(premises->calls.user, file->path, file->store);
        return;
    }
}

static void add_file(struct premises *premises, const char *folder, const char *name, bool store)
{
    struct stat at;
    struct file *file = &premises->files[premises->count++];
    snprintf(file->path, sizeof file->path, "%s/%s", folder, name);
    file->store = store;
    file->there = stat(file->path, &at) == 0;
    if (!file->there) return;
    file->device = at.st_dev;
    file->number = at.st_ino;
}

struct premises *premises_watch(uv_loop_t *loop, const char *folder, bool store,
                                const struct premises_calls *calls)
{
    struct premises *premises = calloc(1, sizeof *premises);
    ensure(premises != NULL);
    premises->calls = *calls;
    add_file(premises, folder, "moonpost.pid", false);
    if (store) add_file(premises, folder, "data.mdb", true);
    uv_timer_init(loop, &premises->timer);
    premises->timer.data = premises;
    uv_timer_start(&premises->timer, on_timer, PREMISES_LOOK_MS, PREMISES_LOOK_MS);
    uv_unref((uv_handle_t *)&premises->timer);
    return premises;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void premises_close(struct premises *premises)
{
    if (premises) uv_close((uv_handle_t *)&premises->timer, on_closed);
}
