/* The thread wakes a few times within the limit and counts how often it found the same turn. */
#include "shell/watchdog.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>
#include "core/ensure.h"

enum {
    TICKS = 8,        /* within the limit */
    LAST_WORDS_S = 2, /* to write the line: what is stuck may hold a lock */
    NAME_BYTES_MAX = 256,
};

struct watchdog {
    struct script_host *host;
    int64_t limit_ms, tick_ms;
    struct log log;
    char node[NAME_BYTES_MAX];
    uv_thread_t thread;
    uv_mutex_t mutex;
    uv_cond_t end;
    bool ending;
};

/* ---- on its own thread ---- */

static void say(struct watchdog *watchdog, int64_t ran_ms)
{
    char text[1024], agent[512] = "";
    struct culprit culprit;
    script_culprit(watchdog->host, &culprit);
    if (culprit.agent.size > 0)
        snprintf(agent, sizeof agent, " of %.*s, generation %u, message %.*s",
                 SPAN_ARGS(culprit.agent), culprit.generation, SPAN_ARGS(culprit.id));
    snprintf(text, sizeof text,
             "stuck: %s%s has run for %.1f s where nothing can stop it; the process ends",
             culprit.what, agent, (double)ran_ms / 1000);
    struct log_record record = {.level = LOG_ERROR,
                                .text = span_text(text),
                                .agent = culprit.agent,
                                .id = culprit.id,
                                .generation = culprit.generation};
    log_write(&watchdog->log, span_text(watchdog->node), &record);
}

static void end_process(struct watchdog *watchdog, int64_t ran_ms)
{
    signal(SIGALRM, SIG_DFL);
    alarm(LAST_WORDS_S);
    say(watchdog, ran_ms);
    abort();
}

/* False: it is time to end. */
static bool sleep_a_tick(struct watchdog *watchdog)
{
    uint64_t tick_ns = (uint64_t)watchdog->tick_ms * 1000000;
    uv_mutex_lock(&watchdog->mutex);
    if (!watchdog->ending) uv_cond_timedwait(&watchdog->end, &watchdog->mutex, tick_ns);
    bool ending = watchdog->ending;
    uv_mutex_unlock(&watchdog->mutex);
    return !ending;
}

/* A tick counts as one, however long it took: the whole process may have been stopped. */
static void run(void *user)
{
    struct watchdog *watchdog = user;
    struct pulse_look look, before = {.beats = 0, .budget_ms = INT64_MAX};
    int64_t ran_ms = 0;
    while (sleep_a_tick(watchdog)) {
        script_look(watchdog->host, &look);
        bool same = look.beats == before.beats && look.budget_ms != INT64_MAX;
        ran_ms = same ? ran_ms + watchdog->tick_ms : 0;
        before = look;
        if (same && ran_ms >= after_ms(watchdog->limit_ms, (uint64_t)look.budget_ms))
            end_process(watchdog, ran_ms);
    }
}

/* ---- on the loop's thread ---- */

/* Signals are the loop's. */
static void start_thread(struct watchdog *watchdog)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGALRM);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = uv_thread_create(&watchdog->thread, run, watchdog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ensure(status == 0);
}

struct watchdog *watchdog_start(struct script_host *host, int64_t limit_ms, const struct log *log,
                                struct span node)
{
    struct watchdog *watchdog = calloc(1, sizeof *watchdog);
    ensure(watchdog != NULL);
    watchdog->host = host;
    watchdog->limit_ms = limit_ms;
    watchdog->tick_ms = limit_ms / TICKS > 0 ? limit_ms / TICKS : 1;
    watchdog->log = *log;
    snprintf(watchdog->node, sizeof watchdog->node, "%.*s", SPAN_ARGS(node));
    ensure(uv_mutex_init(&watchdog->mutex) == 0 && uv_cond_init(&watchdog->end) == 0);
    start_thread(watchdog);
    return watchdog;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (!watchdog) return;
    uv_mutex_lock(&watchdog->mutex);
    watchdog->ending = true;
    uv_cond_signal(&watchdog->end);
    uv_mutex_unlock(&watchdog->mutex);
    uv_thread_join(&watchdog->thread);
    uv_mutex_destroy(&watchdog->mutex);
    uv_cond_destroy(&watchdog->end);
    free(watchdog);
}
