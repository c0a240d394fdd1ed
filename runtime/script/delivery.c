/* Deliveries: a message in a handler's hands, from EFFECT_RUN to its outcome. */
#include "script/host.h"

#include <stdio.h>

/* ---- begin ---- */

static struct task *delivery_new(struct agent *agent, const struct run *run)
{
    struct task *task = task_new(agent->host, agent->script, TASK_DELIVERY);
    task->agent = agent;
    agent->tasks++;
    agent->host->inhand->count++;
    task->run = *run;
    task->run.key = arena_copy(&task->arena, run->key);
    task->block = block_retain(run->block);
    if (run->remaining_ms != DURATION_FOREVER)
        task->expires_ms = agent->host->env.wall_ms(agent->host->env.user) + run->remaining_ms;
    return task;
}

static void count_outcome(struct agent *agent, const struct outcome *outcome)
{
    if (outcome->kind == OUTCOME_ACK || outcome->kind == OUTCOME_SKIP)
        agent->handled++;
    else if (outcome->kind != OUTCOME_DEFER)
        agent->failed++;
}

static void post_outcome(struct script_host *host, const struct outcome *outcome)
{
    struct event event = {.kind = EVENT_OUTCOME, .outcome = outcome};
    host->env.post(host->env.user, &event);
}

static void refuse_run(struct script_host *host, const struct run *run)
{
    struct outcome outcome = {.delivery = run->delivery,
                              .kind = OUTCOME_RETRY,
                              .delay_ms = -1,
                              .code = CODE_STOPPING,
                              .reason = span_text("the agent is gone")};
    post_outcome(host, &outcome);
}

void script_run(struct script_host *host, const struct run *run)
{
    struct agent *agent = agent_find(host, run->agent);
    if (!agent)
        refuse_run(host, run);
    else
        task_start(delivery_new(agent, run));
}

static enum ref function_of(const struct task *task)
{
    return task->kind == TASK_DELIVERY ? REF_RUN : task->kind == TASK_START ? REF_START : REF_STOP;
}

int delivery_prepare(lua_State *co, struct task *task)
{
    push_ref(co, task->script, function_of(task));
    lua_rawgeti(co, LUA_REGISTRYINDEX, task->agent->ref);
    ctx_push(co, task);
    if (task->kind == TASK_START) lua_pushstring(co, task->why);
    if (task->kind == TASK_DELIVERY) message_push_delivered(co, task, lua_gettop(co));
    return lua_gettop(co);
}

/* ---- end ---- */

/* What handler.run returns, by place. */
enum { AT_KIND = 1, AT_REASON, AT_CODE, AT_DELAY, AT_RESULT, AT_ENCODING, AT_TRACEBACK };

static struct span text_at(lua_State *co, int index)
{
    return lua_type(co, index) == LUA_TSTRING ? span_at(co, index) : span_text(NULL);
}

static uint8_t outcome_kind(struct span kind)
{
    static const char *const names[] = {
        [OUTCOME_ACK] = "ack",       [OUTCOME_RETRY] = "retry", [OUTCOME_DEFER] = "defer",
        [OUTCOME_REJECT] = "reject", [OUTCOME_SKIP] = "skip",
    };
    for (uint8_t i = 0; i < sizeof names / sizeof *names; i++)
        if (span_equal(kind, span_text(names[i]))) return i;
    return OUTCOME_RETRY;
}

static void read_outcome(lua_State *co, struct outcome *outcome)
{
    outcome->kind = outcome_kind(text_at(co, AT_KIND));
    if (lua_gettop(co) == AT_KIND && outcome->kind == OUTCOME_ACK) {
        outcome->encoding = ENCODING_JSON;
        return;
    }
    outcome->reason = text_at(co, AT_REASON);
    code_take(text_at(co, AT_CODE), &outcome->code, &outcome->word);
    if (outcome->kind == OUTCOME_RETRY && outcome->code == CODE_NONE)
        outcome->code = CODE_HANDLER_ERROR;
    outcome->delay_ms =
        lua_type(co, AT_DELAY) == LUA_TNUMBER ? ms_of_seconds(lua_tonumber(co, AT_DELAY)) : -1;
    outcome->result = text_at(co, AT_RESULT);
    outcome->encoding =
        span_equal(text_at(co, AT_ENCODING), span_text("raw")) ? ENCODING_RAW : ENCODING_JSON;
    outcome->traceback = text_at(co, AT_TRACEBACK);
}

static void fail_outcome(struct outcome *outcome, enum code code, struct span reason,
                         struct span traceback)
{
    outcome->kind = OUTCOME_RETRY;
    outcome->code = (uint8_t)code;
    outcome->reason = reason;
    outcome->traceback = traceback;
}

/* A coroutine that died of an error that handler.run did not see. */
static void read_error(struct task *task, lua_State *co, struct turn *turn, struct outcome *outcome)
{
    struct span reason = error_text(task->host, co, -1);
    luaL_traceback(co, co, NULL, 0);
    block_release(turn->traceback);
    turn->traceback = block_copy(span_at(co, -1));
    lua_pop(co, 1);
    fail_outcome(outcome, CODE_HANDLER_ERROR, reason, block_span(turn->traceback));
}

/* What was read counts even when nothing is written: the answer may rest on it. */
static void add_effects(const struct task *task, struct outcome *outcome)
{
    if (outcome->kind != OUTCOME_ACK) return;
    outcome->sends = task->sends;
    outcome->send_count = task->send_count;
    outcome->reads = task->reads;
    outcome->read_count = task->read_count;
    outcome->writes = task->writes;
    outcome->write_count = task->write_count;
}

static void read_end(struct task *task, int status, struct turn *turn, struct outcome *outcome)
{
    lua_State *co = task->worker->co;
    if (turn->over)
        fail_outcome(outcome, CODE_OVER_BUDGET, block_span(turn->reason),
                     block_span(turn->traceback));
    else if (status != 0)
        read_error(task, co, turn, outcome);
    else
        read_outcome(co, outcome);
    if (task->script->memory.denied && outcome->kind == OUTCOME_RETRY)
        fail_outcome(outcome, CODE_HANDLER_ERROR, memory_reason(task), outcome->traceback);
    add_effects(task, outcome);
}

static void commit_effects(const struct task *task, const struct outcome *outcome)
{
    struct script_env *env = &task->host->env;
    if (outcome->write_count > 0)
        env->post(env->user, &(struct event){.kind = EVENT_STATE,
                                             .address = span_text(task->agent->address),
                                             .outcome = outcome});
    for (size_t i = 0; i < outcome->send_count; i++)
        env->post(env->user, &(struct event){.kind = EVENT_SUBMIT, .submit = &outcome->sends[i]});
}

/* The node is told of a staged agent that has waited: it swaps or refuses it now. */
static void start_ended(struct task *task, bool ok, struct span text)
{
    struct agent *agent = task->agent;
    struct script_env *env = &task->host->env;
    agent->start = ok ? START_DONE : START_FAILED;
    if (agent->staged && task->waited)
        env->started(env->user, agent->number, ok, text);
    else if (!ok && task->waited)
        host_log(task->host, LOG_ERROR, span_text(agent->address), "%.*s", SPAN_ARGS(text));
}

/* on.start or on.stop: what the engine does not know of. */
static void event_end(struct task *task, const struct outcome *outcome)
{
    struct agent *agent = task->agent;
    bool ok = outcome->kind == OUTCOME_ACK || outcome->kind == OUTCOME_SKIP;
    const char *what = task->kind == TASK_START ? "on.start" : "on.stop";
    commit_effects(task, outcome);
    struct span text = ok ? span_text("")
                          : error_format(task->host, "%s: %s: %.*s", agent->origin, what,
                                         SPAN_ARGS(outcome->reason));
    if (task->kind == TASK_START)
        start_ended(task, ok, text);
    else if (!ok)
        host_log(task->host, LOG_ERROR, span_text(agent->address), "%.*s", SPAN_ARGS(text));
}

/* Handlers that run before the engine's next step see what this one leaves. */
static void foresee_state(const struct task *task, const struct outcome *outcome)
{
    struct script_env *env = &task->host->env;
    struct engine *engine = outcome->write_count > 0 && env->engine ? env->engine(env->user) : NULL;
    if (engine)
        engine_state_foresee(engine, span_text(task->agent->address), task->writes,
                             task->write_count);
}

void delivery_end(struct task *task, int status, struct turn *turn)
{
    struct outcome outcome = {.delivery = task->run.delivery, .delay_ms = -1};
    read_end(task, status, turn, &outcome);
    foresee_state(task, &outcome);
    if (task->kind == TASK_DELIVERY) {
        count_outcome(task->agent, &outcome);
        post_outcome(task->host, &outcome);
    } else
        event_end(task, &outcome);
}

/* ---- from outside ---- */

struct interruption {
    struct task *task;
    enum code code;
};

static int answer_interruption(lua_State *L, void *user)
{
    const struct interruption *interruption = user;
    char reason[96] = "the node is stopping";
    if (interruption->code == CODE_TIMEOUT)
        snprintf(reason, sizeof reason, "the delivery took longer than its timeout of %g s",
                 (double)interruption->task->run.timeout_ms / 1000);
    lua_pushboolean(L, false);
    error_push(L, interruption->task->script,
               &(struct error_fields){.code = code_name(interruption->code),
                                      .reason = span_text(reason),
                                      .outside = true});
    return 2;
}

static struct task *delivery_find(struct script_host *host, uint64_t delivery)
{
    struct task *task = host->tasks;
    while (task && (task->kind != TASK_DELIVERY || task->run.delivery != delivery))
        task = task->next;
    return task;
}

void script_interrupt(struct script_host *host, uint64_t delivery, enum code code)
{
    struct task *task = delivery_find(host, delivery);
    if (!task || task->interrupted) return;
    task->interrupted = true;
    if (code == CODE_TIMEOUT) task->agent->failed++;
    if (task->running) return; /* it ends this turn, or is left when it waits */
    wait_forget(task);
    struct interruption interruption = {task, code};
    task_answer(task, answer_interruption, &interruption);
}
