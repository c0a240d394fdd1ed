/* Stops scripts that run too long without waiting.
 *
 * Under a real clock a timer signals the loop's own thread; the signal sets a debug hook that runs
 * before the next instruction. The hook looks how long the present turn really runs: too long, it
 * raises, and it stays, so that a loop around pcall does not get away; not so long, the timer is
 * set for the rest. The timer is not touched between turns: a busy node arms it a few times a
 * second, however many handlers it runs. With a virtual clock instructions are counted instead. */
#include "script/host.h"

#include <signal.h>
#include <unistd.h>

enum { INSTRUCTIONS_PER_MS = 100000 };

static int guard_signal_number(void)
{
    return SIGRTMIN + 3;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The same from the last tick of the kernel's clock, which is cheaper to read: never more than a
 * tick late, so a turn that is given another tick never has less than its budget. */
static int64_t tick_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t tick_length_ns(void)
{
    struct timespec length;
    if (clock_getres(CLOCK_MONOTONIC_COARSE, &length) != 0) return 10000000;
    return (int64_t)length.tv_sec * 1000000000 + length.tv_nsec;
}

static void guard_hook(lua_State *L, lua_Debug *activation);

static void guard_signalled(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    struct guard *guard = info->si_value.sival_ptr;
    if (info->si_code != SI_TIMER || !guard) return;

    guard->expires_ns = 0;
    struct turn *turn = guard->turn;
    if (!turn) return;
    guard->hooked = true;
    lua_sethook(turn->script->L, guard_hook, LUA_MASKCOUNT, 1);
}

static void guard_make(struct script_host *host)
{
    struct sigaction action = {.sa_sigaction = guard_signalled,
                               .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = guard_signal_number(),
                             .sigev_value.sival_ptr = &host->guard};
    event._sigev_un._tid = gettid();

    host->guard.made = sigaction(guard_signal_number(), &action, NULL) == 0 &&
                       timer_create(CLOCK_MONOTONIC, &event, &host->guard.timer) == 0;
    host->guard.refused = !host->guard.made;
    host->guard.tick_ns = tick_length_ns();
    if (host->guard.refused)
        host_log(host, LOG_WARN, span_text(NULL),
                 "no timer for the guard: budgets are not enforced");
}

static void guard_arm(struct guard *guard, int64_t expires_ns)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = expires_ns / 1000000000, .tv_nsec = expires_ns % 1000000000}};
    guard->expires_ns = expires_ns;
    timer_settime(guard->timer, TIMER_ABSTIME, &when, NULL);
}

static int64_t turn_deadline_ns(const struct turn *turn)
{
    return turn->started_ns + turn->budget_ms * 1000000;
}

/* Let the guard watch this turn. The turn is named first: a signal in between is then seen. */
static void guard_watch(struct guard *guard, struct turn *turn)
{
    guard->turn = turn;
    if (!turn) return;
    int64_t expires_ns = guard->expires_ns;
    if (expires_ns == 0 || expires_ns > turn_deadline_ns(turn))
        guard_arm(guard, turn_deadline_ns(turn));
}

/* A thread sanitizer holds signals back until the next system call, which a runaway never makes. */
static bool counts_instructions(const struct turn *turn)
{
#ifdef __SANITIZE_THREAD__
    (void)turn;
    return true;
#else
    return turn->host->env.deterministic;
#endif
}

static void guard_count(const struct turn *turn)
{
    int64_t instructions = turn->budget_ms * INSTRUCTIONS_PER_MS;
    lua_sethook(turn->script->L, guard_hook, LUA_MASKCOUNT,
                instructions < INT32_MAX ? (int)instructions : INT32_MAX);
}

void guard_enter(struct turn *turn)
{
    struct guard *guard = &turn->host->guard;
    turn->guarded_outer = guard->turn;
    if (counts_instructions(turn)) {
        guard->turn = turn;
        guard_count(turn);
        return;
    }
    if (!guard->made && !guard->refused) guard_make(turn->host);
    if (guard->refused) return;
    turn->started_ns = tick_ns() + guard->tick_ns;
    guard_watch(guard, turn);
}

void guard_leave(struct turn *turn)
{
    struct guard *guard = &turn->host->guard;
    guard->turn = NULL;
    if (guard->hooked || counts_instructions(turn)) {
        guard->hooked = false;
        lua_sethook(turn->script->L, NULL, 0, 0);
    }
    if (counts_instructions(turn))
        guard->turn = turn->guarded_outer;
    else if (guard->made)
        guard_watch(guard, turn->guarded_outer);
}

/* Raise before every instruction until the turn ends. */
static void guard_insist(struct turn *turn)
{
    turn->host->guard.hooked = true;
    lua_sethook(turn->script->L, guard_hook, LUA_MASKCOUNT, 1);
}

void guard_continue(struct turn *turn)
{
    struct guard *guard = &turn->host->guard;
    if (turn->over)
        guard_insist(turn);
    else if (counts_instructions(turn))
        guard_count(turn);
    else if (guard->made && guard->turn == turn && !guard->hooked)
        guard_watch(guard, turn);
}

void guard_deinit(struct guard *guard)
{
    if (guard->made) timer_delete(guard->timer);
    guard->made = false;
}

/* Is what runs at this level the user's, not the library's or C? */
static bool level_of_user(lua_State *L, int level, lua_Debug *activation)
{
    if (!lua_getstack(L, level, activation)) return false;
    lua_getinfo(L, "Sl", activation);
    return activation->currentline > 0 && strncmp(activation->source, "=moonpost", 9) != 0;
}

/* Push "agents/a.lua:12: " for the innermost place of a user's script. */
static void push_place(lua_State *L)
{
    lua_Debug activation;
    for (int level = 0; lua_getstack(L, level, &activation); level++) {
        if (!level_of_user(L, level, &activation)) continue;
        lua_pushfstring(L, "%s:%d: ", activation.short_src, activation.currentline);
        return;
    }
    lua_pushliteral(L, "");
}

static void guard_blame(lua_State *L, struct turn *turn)
{
    push_place(L);
    lua_pushfstring(L, "%sran for more than %d ms without waiting", lua_tostring(L, -1),
                    (int)turn->budget_ms);
    turn->reason = block_copy(span_at(L, -1));
    luaL_traceback(L, L, NULL, 0);
    block_release(turn->traceback);
    turn->traceback = block_copy(span_at(L, -1));
    lua_pop(L, 3);
}

static void guard_raise(lua_State *L, struct turn *turn)
{
    if (!turn->over) guard_blame(L, turn);
    turn->over = true;
    guard_insist(turn);
    error_push(L, turn->script,
               &(struct error_fields){
                   .code = "OVER_BUDGET", .reason = block_span(turn->reason), .outside = true});
    lua_error(L);
}

static bool is_over(const struct turn *turn)
{
    if (turn->over || counts_instructions(turn)) return true;
    return now_ns() >= turn_deadline_ns(turn);
}

static void guard_hook(lua_State *L, lua_Debug *activation)
{
    (void)activation;
    struct turn *turn = script_of(L)->turn;
    if (turn && turn->budget_ms > 0 && is_over(turn)) guard_raise(L, turn);

    lua_sethook(L, NULL, 0, 0);
    if (!turn || turn->budget_ms == 0) return;
    turn->host->guard.hooked = false;
    guard_watch(&turn->host->guard, turn);
}
