/* Coroutines at work: started, resumed, waiting, ended.
 *
 *   new -> running -> ended
 *            |  ^
 *            v  | task_answer: what it waited for is there
 *          waiting
 *
 * A task that is interrupted is resumed once with an error. Whatever it does then is ignored; when
 * it waits again it is left where it is, and the collector takes it. */
#include "script/host.h"

#include <stdlib.h>

enum { BEGIN = -1, WAIT = -2 }; /* instead of a count of values */

/* ---- workers ---- */

static int worker_make(lua_State *L, void *user)
{
    struct worker *worker = user;
    worker->co = lua_newthread(L);
    worker->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static struct worker *worker_new(struct script *script)
{
    struct worker *worker = calloc(1, sizeof *worker);
    ensure(worker != NULL);
    struct turn turn;
    turn_enter(&turn, host_now(script), script, PLACE_LOAD, NULL, 0);
    bool made = turn_invoke(&turn, worker_make, worker, 0, 0);
    turn_leave(&turn);
    ensure(made);
    return worker;
}

static struct worker *worker_take(struct script *script)
{
    struct worker *worker = script->idle;
    if (!worker) return worker_new(script);
    script->idle = worker->next;
    return worker;
}

/* A coroutine that ended well runs the next task; any other is left to the collector. */
static void worker_give(struct script *script, struct worker *worker, bool reusable)
{
    if (reusable) {
        lua_settop(worker->co, 0);
        worker->next = script->idle;
        script->idle = worker;
        return;
    }
    luaL_unref(script->L, LUA_REGISTRYINDEX, worker->ref);
    free(worker);
}

void workers_free(struct script *script)
{
    while (script->idle) {
        struct worker *worker = script->idle;
        script->idle = worker->next;
        free(worker);
    }
}

/* ---- life ---- */

static struct task *task_spare(struct script_host *host)
{
    struct task *task = host->spare_tasks;
    if (!task) {
        task = calloc(1, sizeof *task);
        ensure(task != NULL);
        return task;
    }
    host->spare_tasks = task->next;
    *task = (struct task){.arena = task->arena,
                          .sends = task->sends,
                          .send_capacity = task->send_capacity,
                          .cancels = task->cancels,
                          .cancel_capacity = task->cancel_capacity,
                          .reads = task->reads,
                          .read_capacity = task->read_capacity,
                          .writes = task->writes,
                          .write_capacity = task->write_capacity};
    return task;
}

struct task *task_new(struct script_host *host, struct script *script, enum task_kind kind)
{
    struct task *task = task_spare(host);
    task->host = host;
    task->script = script;
    task->kind = kind;
    task->worker = worker_take(script);
    task->expires_ms = DURATION_FOREVER;
    task->next = host->tasks;
    if (task->next) task->next->previous = task;
    host->tasks = task;
    return task;
}

static void task_unlink(struct task *task)
{
    if (task->previous)
        task->previous->next = task->next;
    else
        task->host->tasks = task->next;
    if (task->next) task->next->previous = task->previous;
}

static void task_release(struct task *task, bool reusable)
{
    struct script_host *host = task->host;
    if (task->kind == TASK_DELIVERY) host->inhand->count -= 1 + task->run.other_count;
    for (size_t i = 0; i < task->run.other_count; i++) block_release(task->run.others[i].block);
    sendings_drop_task(task);
    slots_remove(&host->waiters, task->waiter);
    slots_remove(&task->script->deliveries, task->ctx);
    if (task->memo) luaL_unref(task->script->L, LUA_REGISTRYINDEX, task->memo);
    worker_give(task->script, task->worker, reusable);
    block_release(task->block);
    arena_reset(&task->arena);
    task_unlink(task);
    task->next = host->spare_tasks;
    host->spare_tasks = task;
    if (task->agent) agent_release(task->agent);
}

void task_drop(struct task *task)
{
    task_release(task, false);
}

static void task_end(struct task *task, int status, struct turn *turn)
{
    if (!task->interrupted) delivery_end(task, status, turn);
    turn_forget(turn);
    task_release(task, status == 0);
}

/* A program's own function, beside its coroutine: what it answers is nobody's. */
static void task_end_callback(struct task *task, int status, struct turn *turn)
{
    lua_State *co = task->worker->co;
    if (status != 0) {
        struct span text = error_text(task->host, co, -1);
        host_log(task->host, LOG_ERROR, span_of(NULL, 0), "on_done failed: %.*s", SPAN_ARGS(text));
    }
    turn_forget(turn);
    task_release(task, status == 0);
}

static void task_end_program(struct task *task, int status, struct turn *turn)
{
    struct program_result result = program_end(task, status);
    turn_forget(turn);
    task_release(task, status == 0);
    program_tell(&result);
}

/* ---- turns ---- */

static enum place task_place(const struct task *task)
{
    if (task->agent) return PLACE_HANDLER;
    return task->script->kind == SCRIPT_SPEC ? PLACE_SPEC : PLACE_PROGRAM;
}

/* Push what the coroutine begins with; answers how many arguments there are. What a program needs
 * may raise, so it is made inside. */
static int task_push(struct task *task)
{
    lua_State *co = task->worker->co;
    if (task->kind != TASK_PROGRAM) return delivery_prepare(co, task) - 1;
    push_ref(co, task->script, REF_ENTRY);
    lua_pushlightuserdata(co, task);
    return 1;
}

/* One that was settled before its handler has nothing to be charged, and stands there as 0: it may
 * be at fault all the same. */
static void note_in_hand(struct inhand *inhand, const struct run *run)
{
    uint64_t running = run->sequence;
    inhand->other_count = run->other_count;
    for (size_t i = 0; i < run->other_count; i++) {
        inhand->others[i] = running ? run->others[i].sequence : 0;
        if (!running) running = run->others[i].sequence;
    }
    inhand->running = running;
}

/* One turn of the coroutine, with the `arguments` on its stack; its first, when they are BEGIN. */
static int task_turn(struct task *task, int arguments, struct turn *turn)
{
    turn_enter(turn, task->host, task->script, task_place(task), task,
               task->agent ? task->agent->budget_ms : 0);
    struct inhand *inhand = task->host->inhand;
    uint64_t outer = inhand->running;
    note_in_hand(inhand, &task->run);
    task->running = true;
    if (arguments == BEGIN) arguments = task_push(task);
    memory_arm(&task->script->memory);
    int status = lua_resume(task->worker->co, arguments);
    memory_disarm(&task->script->memory);
    task->running = false;
    inhand->running = outer;
    turn_leave(turn);
    if (task->script->memory.denied) memory_relieve(task);
    return status;
}

uint64_t task_wait_begin(struct task *task)
{
    ensure(task->waiter == 0);
    task->waiter = slots_add(&task->host->waiters, task);
    task->waiting_engine = task->waiting_call = false;
    task->waiting_client = 0;
    return task->waiter;
}

static void task_wait_end(struct task *task)
{
    slots_remove(&task->host->waiters, task->waiter);
    task->waiter = 0;
}

struct task *task_waiting(struct script_host *host, uint64_t waiter)
{
    struct task *task = slots_get(&host->waiters, waiter);
    return task && task->waiter_kind == WAITER_TASK ? task : NULL;
}

/* Run a C function with the top `arguments` values of the main thread, and move what it leaves to
 * the coroutine; answers how many. An error becomes `false, error`. */
static int task_invoke(struct task *task, turn_function *function, void *user, int arguments)
{
    lua_State *L = task->script->L, *co = task->worker->co;
    int base = lua_gettop(L) - arguments;
    struct turn turn;
    turn_enter(&turn, task->host, task->script, task_place(task), task, 0);
    if (!turn_invoke(&turn, function, user, arguments, LUA_MULTRET)) {
        task_wait_end(task);
        lua_pushboolean(L, false);
        lua_insert(L, -2);
    }
    turn_leave(&turn);
    turn_forget(&turn);
    int count = lua_gettop(L) - base;
    ensure(lua_checkstack(co, count + 1));
    lua_xmove(L, co, count);
    return count;
}

/* The coroutine yielded: do what it waits for. Answers how many values it goes on with at once;
 * WAIT: it really waits. */
static int task_wait(struct task *task)
{
    lua_State *L = task->script->L, *co = task->worker->co;
    int yielded = lua_gettop(co);
    ensure(lua_checkstack(L, yielded + 8));
    lua_xmove(co, L, yielded);
    int count = task_invoke(task, wait_begin, task, yielded);
    if (!task->waiter) return count;
    task->waited = true;
    return WAIT;
}

static void task_go(struct task *task, int arguments)
{
    struct turn turn;
    while (arguments != WAIT) {
        int status = task_turn(task, arguments, &turn);
        if (status != LUA_YIELD || turn.over || task->interrupted) {
            if (task->kind == TASK_PROGRAM)
                task_end_program(task, status, &turn);
            else if (task->kind == TASK_CALLBACK)
                task_end_callback(task, status, &turn);
            else
                task_end(task, status, &turn);
            return;
        }
        turn_forget(&turn);
        arguments = task_wait(task);
    }
}

void task_start(struct task *task)
{
    task_go(task, BEGIN);
}

void task_begin(struct task *task, turn_function *function, void *user)
{
    int count = task_invoke(task, function, user, 0);
    if (lua_isfunction(task->worker->co, 1))
        task_go(task, count - 1);
    else
        task_drop(task); /* no memory for it */
}

void task_answer(struct task *task, turn_function *function, void *user)
{
    task_wait_end(task);
    task_go(task, task_invoke(task, function, user, 0));
}

/* ---- the entry of programs ---- */

static int prepare(lua_State *L)
{
    struct task *task = lua_touserdata(L, 1);
    lua_settop(L, 0);
    return program_prepare(L, task);
}

/* In Lua, because a C function could not be yielded across. */
static const char entry[] = "local prepare = ...\n"
                            "local function go(run, ...) return run(...) end\n"
                            "return function(task) return go(prepare(task)) end\n";

void task_register(lua_State *L, struct script *script)
{
    if (luaL_loadbufferx(L, entry, sizeof entry - 1, "=moonpost", "t") != 0) lua_error(L);
    lua_pushcfunction(L, prepare);
    lua_call(L, 1, 1);
    script->refs[REF_ENTRY] = luaL_ref(L, LUA_REGISTRYINDEX);
}
