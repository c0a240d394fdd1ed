/* What the loop's thread does in Lua, so that another thread can tell a stuck turn from a busy one.
 *
 * Each beginning and each end of a turn is a beat. As long as the beats stand still the turn that
 * is named lives on the stack of the stuck thread, and what it names may be read. */
#include "script/host.h"

/* Of a handler without a budget its author has said that it may run for ever. */
static int64_t watched_ms(const struct turn *turn)
{
    if (!turn) return INT64_MAX;
    return turn->place == PLACE_HANDLER && turn->budget_ms == 0 ? INT64_MAX : turn->budget_ms;
}

static void beat(struct pulse *pulse, struct turn *turn)
{
    uint64_t beats = atomic_load_explicit(&pulse->beats, memory_order_relaxed);
    atomic_store_explicit(&pulse->turn, turn, memory_order_relaxed);
    atomic_store_explicit(&pulse->budget_ms, watched_ms(turn), memory_order_relaxed);
    atomic_store_explicit(&pulse->beats, beats + 1, memory_order_release);
}

void pulse_enter(struct turn *turn)
{
    struct pulse *pulse = &turn->host->pulse;
    turn->beaten = atomic_load_explicit(&pulse->turn, memory_order_relaxed);
    beat(pulse, turn);
}

void pulse_leave(struct turn *turn)
{
    beat(&turn->host->pulse, turn->beaten);
}

void script_look(struct script_host *host, struct pulse_look *look)
{
    struct pulse *pulse = &host->pulse;
    look->beats = atomic_load_explicit(&pulse->beats, memory_order_acquire);
    look->budget_ms = atomic_load_explicit(&pulse->budget_ms, memory_order_relaxed);
    if (!atomic_load_explicit(&pulse->turn, memory_order_relaxed)) look->budget_ms = INT64_MAX;
}

static const char *what_runs(const struct turn *turn)
{
    static const char *const places[] = {
        [PLACE_LOAD] = "a file while it loads",
        [PLACE_HANDLER] = "the handler",
        [PLACE_HOOK] = "a hook",
        [PLACE_POLICY] = "a policy",
        [PLACE_PROGRAM] = "a program",
        [PLACE_SPEC] = "a spec",
    };
    if (!turn->task || !turn->task->agent) return places[turn->place];
    if (turn->task->kind == TASK_START) return "on.start";
    return turn->task->kind == TASK_STOP ? "on.stop" : places[PLACE_HANDLER];
}

void script_culprit(struct script_host *host, struct culprit *culprit)
{
    const struct turn *turn = atomic_load_explicit(&host->pulse.turn, memory_order_acquire);
    *culprit = (struct culprit){.what = turn ? what_runs(turn) : "nothing"};
    const struct task *task = turn ? turn->task : NULL;
    if (!task || !task->agent) return;
    culprit->agent = span_text(task->agent->address);
    culprit->generation = task->agent->generation;
    if (task->block) culprit->id = message_id(task->block);
}
