/* The store thread.
 *
 *   disk_commit, disk_load, disk_condemn --queue--> thread --done--> uv_async --> committed,
 * loaded, failed
 *
 * The thread takes a job, does it, hands over the result and only then does what can wait (tend of
 * the store). What passes between the threads passes under one mutex; after a failure the
 * thread does nothing but end. */
#include "shell/disk.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "core/ensure.h"

struct job {
    struct job *next;
    struct batch *batch;    /* to be committed ... */
    struct load *load;      /* ... or to be read; neither: the store is condemned */
    struct store_room room; /* after the commit */
};

struct jobs {
    struct job *first, **last;
};

struct disk {
    uv_async_t async;
    uv_thread_t thread;
    struct store *store;
    struct disk_calls calls;
    bool committing;
    bool told; /* of the failure */
    void (*last)(struct store *store, void *user, char *why);
    void *last_user;
    void (*closed)(void *user);
    void *closed_user;

    /* The rest is shared, under the mutex. */
    uv_mutex_t mutex;
    uv_cond_t work;
    struct jobs queued, done;
    bool failed, closing, ended;
    char error[STORE_ERROR_BYTES]; /* of the failure */
};

/* ---- lists of jobs ---- */

static void jobs_init(struct jobs *jobs)
{
    *jobs = (struct jobs){NULL, &jobs->first};
}

static void jobs_add(struct jobs *jobs, struct job *job)
{
    job->next = NULL;
    *jobs->last = job;
    jobs->last = &job->next;
}

static struct job *jobs_take(struct jobs *jobs)
{
    struct job *job = jobs->first;
    if (!job) return NULL;
    jobs->first = job->next;
    if (!jobs->first) jobs->last = &jobs->first;
    return job;
}

/* ---- on the store's thread ---- */

/* The next job, once there is one; NULL: it is time to end. */
static struct job *wait_for_job(struct disk *disk)
{
    uv_mutex_lock(&disk->mutex);
    while (!disk->queued.first && !disk->closing) uv_cond_wait(&disk->work, &disk->mutex);
    struct job *job = disk->failed ? NULL : jobs_take(&disk->queued);
    uv_mutex_unlock(&disk->mutex);
    return job;
}

static void hand_over(struct disk *disk, struct job *job)
{
    uv_mutex_lock(&disk->mutex);
    jobs_add(&disk->done, job);
    uv_mutex_unlock(&disk->mutex);
    uv_async_send(&disk->async);
}

static void end_with(struct disk *disk, const char *error)
{
    uv_mutex_lock(&disk->mutex);
    disk->failed = true;
    snprintf(disk->error, sizeof disk->error, "%s", error);
    uv_mutex_unlock(&disk->mutex);
    uv_async_send(&disk->async);
}

/* The job is over; what it was about stays with whoever handed it in. */
static void fail(struct disk *disk, struct job *job, enum status status)
{
    free(job);
    const char *error = disk->store->engine->error(disk->store);
    end_with(disk, error[0] ? error : status_text(status));
}

static bool do_last(struct disk *disk, struct job *job)
{
    char why[STORE_ERROR_BYTES] = "";
    free(job);
    disk->last(disk->store, disk->last_user, why);
    end_with(disk, why);
    return false;
}

static bool do_commit(struct disk *disk, struct job *job)
{
    struct store *store = disk->store;
    enum status status = store->engine->commit(store, job->batch->ops, job->batch->op_count);
    if (status != STATUS_OK) {
        fail(disk, job, status);
        return false;
    }
    job->room = store->engine->room(store);
    hand_over(disk, job);
    store->engine->tend(store);
    return true;
}

static bool do_load(struct disk *disk, struct job *job)
{
    enum status status = store_load(disk->store, job->load);
    if (status != STATUS_OK) {
        fail(disk, job, status);
        return false;
    }
    hand_over(disk, job);
    return true;
}

static bool do_job(struct disk *disk, struct job *job)
{
    if (job->batch) return do_commit(disk, job);
    return job->load ? do_load(disk, job) : do_last(disk, job);
}

static void run(void *user)
{
    struct disk *disk = user;
    struct job *job;
    while ((job = wait_for_job(disk)) && do_job(disk, job)) continue;
    uv_mutex_lock(&disk->mutex);
    while (!disk->closing) uv_cond_wait(&disk->work, &disk->mutex);
    disk->ended = true;
    uv_mutex_unlock(&disk->mutex);
    uv_async_send(&disk->async);
}

/* ---- on the loop's thread ---- */

static void tell(struct disk *disk, const struct job *job)
{
    if (job->load) {
        disk->calls.loaded(disk->calls.user, job->load);
        return;
    }
    disk->committing = false;
    disk->calls.committed(disk->calls.user, job->batch, &job->room);
}

static void on_closed(uv_handle_t *handle)
{
    struct disk *disk = handle->data;
    void (*closed)(void *) = disk->closed;
    void *user = disk->closed_user;
    for (struct job *job; (job = jobs_take(&disk->queued));) free(job);
    uv_mutex_destroy(&disk->mutex);
    uv_cond_destroy(&disk->work);
    free(disk);
    closed(user);
}

static void on_news(uv_async_t *async)
{
    struct disk *disk = async->data;
    uv_mutex_lock(&disk->mutex);
    struct job *job = disk->done.first;
    jobs_init(&disk->done);
    bool failed = disk->failed, ended = disk->ended;
    uv_mutex_unlock(&disk->mutex);
    while (job) {
        struct job *next = job->next;
        tell(disk, job);
        free(job);
        job = next;
    }
    if (failed && !disk->told) {
        disk->told = true;
        disk->calls.failed(disk->calls.user, disk->error);
    }
    if (!ended) return;
    uv_thread_join(&disk->thread);
    uv_close((uv_handle_t *)&disk->async, on_closed);
}

static void queue(struct disk *disk, struct batch *batch, struct load *load)
{
    struct job *job = calloc(1, sizeof *job);
    ensure(job != NULL);
    job->batch = batch;
    job->load = load;
    uv_mutex_lock(&disk->mutex);
    ensure(!disk->closing);
    jobs_add(&disk->queued, job);
    uv_cond_signal(&disk->work);
    uv_mutex_unlock(&disk->mutex);
}

void disk_commit(struct disk *disk, struct batch *batch)
{
    ensure(!disk->committing);
    disk->committing = true;
    queue(disk, batch, NULL);
}

void disk_load(struct disk *disk, struct load *load)
{
    queue(disk, NULL, load);
}

void disk_condemn(struct disk *disk, void (*last)(struct store *store, void *user, char *why),
                  void *user)
{
    ensure(!disk->last);
    disk->last = last;
    disk->last_user = user;
    queue(disk, NULL, NULL);
}

/* ---- life ---- */

/* Signals are the loop's. */
static void start_thread(struct disk *disk)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = uv_thread_create(&disk->thread, run, disk);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ensure(status == 0);
}

struct disk *disk_new(uv_loop_t *loop, struct store *store, const struct disk_calls *calls)
{
    struct disk *disk = calloc(1, sizeof *disk);
    ensure(disk != NULL);
    disk->store = store;
    disk->calls = *calls;
    jobs_init(&disk->queued);
    jobs_init(&disk->done);
    ensure(uv_mutex_init(&disk->mutex) == 0 && uv_cond_init(&disk->work) == 0);
    ensure(uv_async_init(loop, &disk->async, on_news) == 0);
    disk->async.data = disk;
    start_thread(disk);
    return disk;
}

void disk_close(struct disk *disk, void (*closed)(void *user), void *user)
{
    disk->closed = closed;
    disk->closed_user = user;
    uv_mutex_lock(&disk->mutex);
    disk->closing = true;
    uv_cond_signal(&disk->work);
    uv_mutex_unlock(&disk->mutex);
}
