/* Deliveries: a message in a handler's hands, from EFFECT_RUN to its outcome. */
#include "script/host.h"

#include <stdio.h>
#include "core/notice.h"

/* ---- begin ---- */

/* The delivery of a batch is that of its message which has come furthest. */
static void take_others(struct task *task, const struct run *run)
{
    size_t size = run->other_count * sizeof *run->others;
    struct run_other *others = arena_take(&task->arena, size);
    memcpy(others, run->others, size);
    task->run.others = others;
    for (size_t i = 0; i < run->other_count; i++) {
        struct run *whole = &task->run;
        block_retain(others[i].block);
        if (others[i].attempt > whole->attempt) whole->attempt = others[i].attempt;
        if (others[i].transmission > whole->transmission)
            whole->transmission = others[i].transmission;
        whole->last |= others[i].last;
    }
}

static struct task *delivery_new(struct agent *agent, const struct run *run)
{
    struct task *task = task_new(agent->host, agent->script, TASK_DELIVERY);
    task->agent = agent;
    agent->tasks++;
    agent->host->inhand->count += 1 + run->other_count;
    task->run = *run;
    task->run.key = arena_copy(&task->arena, run->key);
    if (run->other_count > 0) take_others(task, run);
    task->block = block_retain(run->block);
    if (run->remaining_ms != DURATION_FOREVER)
        task->expires_ms = agent->host->env.wall_ms(agent->host->env.user) + run->remaining_ms;
    return task;
}

static void count_outcome(struct agent *agent, const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->part_count; i++) count_outcome(agent, &outcome->parts[i]);
    if (outcome->part_count > 0) return;
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
    if (task->run.notice) return REF_DEAD;
    if (task->run.batch) return REF_BATCH;
    return task->kind == TASK_DELIVERY ? REF_RUN : task->kind == TASK_START ? REF_START : REF_STOP;
}

/* What on.dead is told of; nil when the record of it is damaged. */
static void push_letter(lua_State *co, struct task *task)
{
    struct message notice = message_of(task->block);
    struct dead_letter letter;
    if (notice_read(notice.body, &task->arena, &letter) != STATUS_OK) {
        lua_pushnil(co);
        return;
    }
    dead_push(co, task->script, &letter, 0, true);
    block_release(letter.block);
    if (task->run.key.size > 0) set_span(co, "key", task->run.key);
}

static void push_batch(lua_State *co, const struct task *task)
{
    lua_createtable(co, (int)task->run.other_count + 1, 0);
    message_push(co, task->script, task->block);
    lua_rawseti(co, -2, 1);
    for (size_t i = 0; i < task->run.other_count; i++) {
        message_push(co, task->script, task->run.others[i].block);
        lua_rawseti(co, -2, (int)i + 2);
    }
}

static void push_message(lua_State *co, struct task *task)
{
    if (task->run.batch) {
        push_batch(co, task);
        return;
    }
    if (task->run.notice)
        push_letter(co, task);
    else
        message_push_delivered(co, task, lua_gettop(co));
}

int delivery_prepare(lua_State *co, struct task *task)
{
    push_ref(co, task->script, function_of(task));
    lua_rawgeti(co, LUA_REGISTRYINDEX, task->agent->ref);
    ctx_push(co, task);
    if (task->kind == TASK_START) lua_pushstring(co, task->why);
    if (task->kind == TASK_DELIVERY) push_message(co, task);
    return lua_gettop(co);
}

/* ---- end ---- */

/* What handler.run returns, by place. */
enum { AT_KIND = 1, AT_REASON, AT_CODE, AT_DELAY, AT_RESULT, AT_ENCODING, AT_TRACEBACK, AT_PARTS };

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

/* The values that begin at this place of the stack. */
static void read_values(lua_State *co, int before, struct outcome *outcome)
{
    outcome->kind = outcome_kind(text_at(co, before + AT_KIND));
    outcome->reason = text_at(co, before + AT_REASON);
    code_take(text_at(co, before + AT_CODE), &outcome->code, &outcome->word);
    if (outcome->kind == OUTCOME_RETRY && outcome->code == CODE_NONE)
        outcome->code = CODE_HANDLER_ERROR;
    outcome->delay_ms = lua_type(co, before + AT_DELAY) == LUA_TNUMBER
                            ? ms_of_seconds(lua_tonumber(co, before + AT_DELAY))
                            : -1;
    outcome->result = text_at(co, before + AT_RESULT);
    outcome->encoding = span_equal(text_at(co, before + AT_ENCODING), span_text("raw"))
                            ? ENCODING_RAW
                            : ENCODING_JSON;
    outcome->traceback = text_at(co, before + AT_TRACEBACK);
}

/* One of a batch's outcomes, whose texts the table on top of the stack keeps alive. */
static struct outcome read_part(lua_State *co, int index)
{
    struct outcome part = {.kind = OUTCOME_ACK, .encoding = ENCODING_JSON, .delay_ms = -1};
    lua_rawgeti(co, -1, index);
    int table = lua_gettop(co);
    if (lua_istable(co, table)) {
        for (int at = AT_KIND; at <= AT_TRACEBACK; at++) lua_rawgeti(co, table, at);
        read_values(co, table, &part);
    }
    lua_settop(co, table - 1);
    return part;
}

static void read_parts(struct task *task, lua_State *co, struct outcome *outcome)
{
    size_t count = task->run.other_count + 1;
    struct outcome *parts = arena_take(&task->arena, count * sizeof *parts);
    lua_settop(co, AT_PARTS);
    ensure(lua_checkstack(co, LUA_MINSTACK));
    for (size_t i = 0; i < count; i++) parts[i] = read_part(co, (int)i + 1);
    outcome->parts = parts;
    outcome->part_count = count;
}

static void read_outcome(struct task *task, lua_State *co, struct outcome *outcome)
{
    outcome->kind = outcome_kind(text_at(co, AT_KIND));
    if (lua_gettop(co) == AT_KIND && outcome->kind == OUTCOME_ACK) {
        outcome->encoding = ENCODING_JSON;
        return;
    }
    read_values(co, 0, outcome);
    if (lua_istable(co, AT_PARTS)) read_parts(task, co, outcome);
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

static bool acks_any(const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->part_count; i++)
        if (outcome->parts[i].kind == OUTCOME_ACK) return true;
    return outcome->part_count == 0;
}

/* What was read counts even when nothing is written: the answer may rest on it. */
static void add_effects(const struct task *task, struct outcome *outcome)
{
    if (outcome->kind != OUTCOME_ACK || !acks_any(outcome)) return;
    outcome->sends = task->sends;
    outcome->send_count = task->send_count;
    outcome->cancels = task->cancels;
    outcome->cancel_count = task->cancel_count;
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
        read_outcome(task, co, outcome);
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
    for (size_t i = 0; i < outcome->cancel_count; i++)
        env->post(env->user, &(struct event){.kind = EVENT_CANCEL_MESSAGE,
                                             .address = span_text(task->agent->address),
                                             .bytes = outcome->cancels[i]});
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
        snprintf(reason, sizeof reason,
                 interruption->task->extended ? EXTENSION_TEXT : TIMEOUT_TEXT,
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
