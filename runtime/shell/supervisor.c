/* The supervisor: waits for its child's end and for signals, and does nothing else.
 *
 *   RUNNING --exit 74 or a crash--> RUNNING anew, at most RESPAWN_MAX times in RESPAWN_WINDOW_S
 *   RUNNING --any other end, or an end after SIGINT, SIGTERM or SIGQUIT--> over, with its exit code
 */
#include "shell/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shell/clock.h"
#include "shell/log.h"

struct supervisor {
    pid_t child;
    bool stopping;                  /* somebody asked for the end */
    int64_t starts_ms[RESPAWN_MAX]; /* of the latest new starts, in a ring */
    size_t start_count;
    sigset_t watched, before;
    struct log log;
};

bool supervisor_wanted(int argc, char *const *argv)
{
    bool node = argc > 0 && (strcmp(argv[0], "run") == 0 || strcmp(argv[0], "sentinel") == 0);
    for (int i = 1; i < argc && node && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--no-respawn") == 0 || strcmp(argv[i], "--help") == 0 ||
            strcmp(argv[i], "-h") == 0)
            return false;
    return node;
}

static void watch_signals(struct supervisor *supervisor)
{
    static const int signals[] = {SIGCHLD, SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
    sigemptyset(&supervisor->watched);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&supervisor->watched, signals[i]);
    sigprocmask(SIG_BLOCK, &supervisor->watched, &supervisor->before);
}

/* ---- the child ---- */

/* Its parent may have died before prctl. */
static void become_child(const struct supervisor *supervisor, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(EXIT_FAILURE);
    sigprocmask(SIG_SETMASK, &supervisor->before, NULL);
}

/* False in the child. */
static bool start_child(struct supervisor *supervisor)
{
    pid_t parent = getpid();
    supervisor->child = fork();
    if (supervisor->child != 0) return true;
    become_child(supervisor, parent);
    return false;
}

/* ---- the wait ---- */

static bool is_order_to_stop(int number)
{
    return number == SIGINT || number == SIGTERM || number == SIGQUIT;
}

/* Answers the child's status. */
static int wait_for_end(struct supervisor *supervisor)
{
    int status;
    for (;;) {
        int number = sigwaitinfo(&supervisor->watched, NULL);
        if (number == SIGCHLD && waitpid(supervisor->child, &status, WNOHANG) == supervisor->child)
            return status;
        if (number <= 0 || number == SIGCHLD) continue;
        supervisor->stopping |= is_order_to_stop(number);
        kill(supervisor->child, number);
    }
}

/* Somebody's kill -HUP is no crash. */
static bool is_crash(int status)
{
    if (WIFEXITED(status)) return WEXITSTATUS(status) == EXIT_STORE_FAILED;
    return !is_order_to_stop(WTERMSIG(status)) && WTERMSIG(status) != SIGHUP;
}

static int exit_code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- new starts ---- */

static void describe(int status, char *text, size_t size)
{
    if (WIFEXITED(status))
        snprintf(text, size, "ended with exit code %d", WEXITSTATUS(status));
    else
        snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
}

/* How many new starts there were within the window. */
static int count_starts(const struct supervisor *supervisor, int64_t now_ms)
{
    int count = 0;
    for (size_t i = 0; i < supervisor->start_count && i < RESPAWN_MAX; i++)
        if (now_ms - supervisor->starts_ms[i] < RESPAWN_WINDOW_S * 1000) count++;
    return count;
}

static bool may_start_again(struct supervisor *supervisor, int status)
{
    char end[128];
    int64_t now_ms = clock_now_ms();
    int count = count_starts(supervisor, now_ms);
    struct span name = span_text("supervisor");
    describe(status, end, sizeof end);
    if (count == RESPAWN_MAX) {
        log_say(&supervisor->log, LOG_ERROR, name,
                "the node %s; it was started again %d times within %d s, so this is the end", end,
                count, RESPAWN_WINDOW_S);
        return false;
    }
    supervisor->starts_ms[supervisor->start_count++ % RESPAWN_MAX] = now_ms;
    log_say(&supervisor->log, LOG_WARN, name,
            "the node %s; it is started again (%d of %d times within %d s)", end, count + 1,
            RESPAWN_MAX, RESPAWN_WINDOW_S);
    return true;
}

/* ---- all of it ---- */

/* Lines look as those of the node, as far as the environment says how. */
static struct log open_log(void)
{
    struct log log = log_to_stderr();
    const char *words = getenv("MOONPOST_LOG");
    if (words) log_choose(&log, span_text(words));
    return log;
}

long supervisor_start(int *exit_code)
{
    struct supervisor supervisor = {.log = open_log()};
    watch_signals(&supervisor);
    for (;;) {
        if (!start_child(&supervisor)) return (long)getppid();
        if (supervisor.child < 0) {
            fprintf(stderr, "moonpost: cannot start the node: %s\n", strerror(errno));
            *exit_code = EXIT_FAILURE;
            return 0;
        }
        int status = wait_for_end(&supervisor);
        *exit_code = exit_code_of(status);
        if (supervisor.stopping || !is_crash(status) || !may_start_again(&supervisor, status))
            return 0;
    }
}
