/* The supervisor: waits for its child's end and for signals, and does nothing else.
 *
 *   RUNNING --exit 74 or a crash--> RUNNING anew, at most RESPAWN_MAX times in RESPAWN_WINDOW_S;
 *           a life that charged a message for the crash before it got on, and does not count
 *   RUNNING --any other end, or an end after SIGINT, SIGTERM or SIGQUIT--> over, with its exit code
 */
#include "shell/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shell/clock.h"
#include "shell/log.h"
#include "shell/override.h"

struct start {
    int64_t at_ms;
    bool counts;
};

struct supervisor {
    pid_t child;
    bool stopping;                           /* somebody asked for the end */
    uint64_t *charged;                       /* what the child says; NULL: it cannot */
    struct start starts[RESPAWN_MAX_IN_ALL]; /* the latest new ones, in a ring */
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
    if (supervisor->charged) *supervisor->charged = 0;
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

/* How many new starts there were within the window: those that count, or all. */
static int count_starts(const struct supervisor *supervisor, int64_t now_ms, bool all)
{
    int count = 0;
    for (size_t i = 0; i < supervisor->start_count && i < RESPAWN_MAX_IN_ALL; i++) {
        const struct start *start = &supervisor->starts[i];
        bool late = now_ms - start->at_ms < RESPAWN_WINDOW_S * 1000;
        if (late && (all || start->counts)) count++;
    }
    return count;
}

static bool give_up(struct supervisor *supervisor, const char *end, int count)
{
    log_say(&supervisor->log, LOG_ERROR, span_text("supervisor"),
            "the node %s; it was started again %d times within %d s, so this is the end", end,
            count, RESPAWN_WINDOW_S);
    return false;
}

static bool start_again(struct supervisor *supervisor, const char *end, int count)
{
    struct span name = span_text("supervisor");
    if (count > 0)
        log_say(&supervisor->log, LOG_WARN, name,
                "the node %s; it is started again (%d of %d times within %d s)", end, count,
                RESPAWN_MAX, RESPAWN_WINDOW_S);
    else
        log_say(&supervisor->log, LOG_WARN, name,
                "the node %s; it is started again (and charges a message for it)", end);
    return true;
}

static bool may_start_again(struct supervisor *supervisor, int status)
{
    char end[128];
    int64_t now_ms = clock_now_ms();
    bool counts = !supervisor->charged || *supervisor->charged == 0;
    int count = count_starts(supervisor, now_ms, false);
    int all = count_starts(supervisor, now_ms, true);
    describe(status, end, sizeof end);
    if (all == RESPAWN_MAX_IN_ALL || (counts && count == RESPAWN_MAX))
        return give_up(supervisor, end, all);
    supervisor->starts[supervisor->start_count++ % RESPAWN_MAX_IN_ALL] =
        (struct start){now_ms, counts};
    return start_again(supervisor, end, counts ? count + 1 : 0);
}

/* ---- all of it ---- */

/* Lines look as those of the node, as far as the environment says how. */
static struct log open_log(void)
{
    struct log log = log_to_stderr();
    char words[256];
    struct complaint complaint;
    if (override_variable("LOG", words, sizeof words, &complaint))
        log_choose(&log, span_text(words));
    return log;
}

static uint64_t *share_word(void)
{
    void *word =
        mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return word == MAP_FAILED ? NULL : word;
}

long supervisor_start(int *exit_code, uint64_t **charged)
{
    struct supervisor supervisor = {.log = open_log(), .charged = share_word()};
    *charged = supervisor.charged;
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
