/* What a coroutine can wait for: coroutine.yield(runtime.WAIT, kind, ...). */
#include "script/host.h"

#include <stdio.h>

struct wait_kind {
    const char *name;
    int (*begin)(lua_State *L, struct task *task); /* arguments from index 3 on */
};

static void post(struct task *task, const struct event *event)
{
    task->host->env.post(task->host->env.user, event);
}

static int wait_sleep(lua_State *L, struct task *task)
{
    int64_t delay_ms = ms_of_seconds(luaL_checknumber(L, 3));
    uint64_t waiter = task_wait_begin(task);
    task->waiting_engine = true;
    post(task, &(struct event){.kind = EVENT_WAIT, .waiter = waiter, .delay_ms = delay_ms});
    return 0;
}

static struct submit *read_submit(lua_State *L, struct task *task, int index)
{
    struct arena *arena = &task->host->scratch;
    arena_reset(arena);
    struct submit *submit = arena_take(arena, sizeof *submit);
    send_read(L, task->host, index, arena, submit);
    return submit;
}

/* The same question at every attempt, so that a callee that deduplicates answers from memory. */
static void name_call(struct task *task, struct submit *submit)
{
    char label[32];
    snprintf(label, sizeof label, "call-%u", ++task->calls);
    if (task->block && !task->run.batch)
        submit->message.id =
            id_for(&task->host->scratch, message_id(task->block), span_text(label));
}

/* Whether the question would wait for the end of the delivery that asks it. A key that an agent
 * makes itself is not known before the message is there. */
static bool asks_itself(const struct task *task, const struct message *message)
{
    const struct agent_declaration *agent = &task->agent->declaration;
    if (task->kind != TASK_DELIVERY || !span_equal(message->to, agent->address)) return false;
    if (agent->order == ORDER_STRICT) return true;
    bool same = task->run.key.size > 0 && span_equal(message->key, task->run.key);
    return agent->order == ORDER_KEY && !agent->asks_key && same;
}

static void refuse_deadlock(lua_State *L, const struct task *task, const struct message *message)
{
    const struct agent_declaration *agent = &task->agent->declaration;
    if (!asks_itself(task, message)) return;
    if (agent->order == ORDER_STRICT)
        error_raise(L, task->script, "DEADLOCK",
                    "ctx:call: %s handles one message at a time, this one, and asks itself: the "
                    "answer would wait for the end of who waits for it",
                    task->agent->address);
    push_span(L, message->key);
    error_raise(L, task->script, "DEADLOCK",
                "ctx:call: %s handles a message of the key \"%s\", and asks itself with the same "
                "key: the answer would wait for the end of who waits for it",
                task->agent->address, lua_tostring(L, -1));
}

/* It leaves at once; the coroutine waits until it has got so far. */
static int send_at_once(struct task *task, struct submit *submit, enum level level)
{
    submit->message.from = span_text(task->agent->address);
    submit->message.level = (uint8_t)level;
    send_settle_timeout(submit);
    submit->waiter = task_wait_begin(task);
    task->waiting_engine = task->waiting_call = true;
    post(task, &(struct event){.kind = EVENT_SUBMIT, .submit = submit});
    return 0;
}

static void need_agent(lua_State *L, const struct task *task)
{
    if (!task->agent) luaL_error(L, "only an agent's handler can do this");
}

static int wait_call(lua_State *L, struct task *task)
{
    need_agent(L, task);
    lua_getfield(L, 3, "id");
    bool named = !lua_isnil(L, -1);
    struct submit *submit = read_submit(L, task, 3);
    refuse_deadlock(L, task, &submit->message);
    if (!named) name_call(task, submit);
    return send_at_once(task, submit, LEVEL_HANDLED);
}

static int wait_send_now(lua_State *L, struct task *task)
{
    need_agent(L, task);
    return send_at_once(task, read_submit(L, task, 3), LEVEL_STORED);
}

static void need_clients(lua_State *L, const struct task *task)
{
    if (!task->host->env.client_open || task->agent)
        luaL_error(L,
                   "moonpost.client: only for programs under moonpost exec; in an agent use ctx");
}

static int wait_client_open(lua_State *L, struct task *task)
{
    need_clients(L, task);
    struct arena *arena = &task->host->scratch;
    arena_reset(arena);
    struct client_options options = {
        .link = field_span(L, 3, "link", arena),
        .name = field_span(L, 3, "name", arena),
        .profile = profile_from(field_span(L, 3, "profile", arena), PROFILE_DEFAULT),
        .level = level_from(field_span(L, 3, "await", arena)),
        .window = field_count(L, 3, "window", WINDOW_DEFAULT),
        .store = field_span(L, 3, "store", arena)};
    struct retry_policy *send = NULL;
    if (field_present(L, 3, "send")) {
        send = arena_take(arena, sizeof *send);
        lua_getfield(L, 3, "send");
        *send = retry_read(L, task->host, -1, retry_default_send());
    }
    options.send = send;
    if (options.store.size > 0 && !task->host->env.client_stores)
        error_raise(L, task->script, "UNSUPPORTED", "clients of a world have no stores on disk");
    task->host->env.client_open(task->host->env.user, task_wait_begin(task), &options);
    return 0;
}

static uint32_t check_client(lua_State *L, const struct task *task)
{
    need_clients(L, task);
    return (uint32_t)luaL_checknumber(L, 3);
}

static int wait_client_send(lua_State *L, struct task *task)
{
    uint32_t client = check_client(L, task);
    bool waits = !send_awaits(L, 4, "none");
    struct submit *submit = read_submit(L, task, 4);
    send_settle_timeout(submit);
    submit->waiter =
        waits ? task_wait_begin(task) : sending_alone(L, task, client, submit->message.id);
    if (waits) task->waiting_client = client;
    struct event event = {.kind = EVENT_SUBMIT, .submit = submit};
    task->host->env.client_post(task->host->env.user, client, &event);
    if (waits) return 0;
    lua_pushboolean(L, true);
    push_span(L, submit->message.id);
    return 2;
}

static int wait_client_cancel(lua_State *L, struct task *task)
{
    uint32_t client = check_client(L, task);
    luaL_checkstring(L, 4);
    struct event event = {.kind = EVENT_CANCEL_MESSAGE, .bytes = span_at(L, 4)};
    event.waiter = task_wait_begin(task);
    task->waiting_client = client;
    task->host->env.client_post(task->host->env.user, client, &event);
    return 0;
}

static int wait_client_send_all(lua_State *L, struct task *task)
{
    return sendings_begin(L, task, check_client(L, task), false);
}

static int wait_client_transact(lua_State *L, struct task *task)
{
    return sendings_begin(L, task, check_client(L, task), true);
}

static int wait_client_flush(lua_State *L, struct task *task)
{
    return sendings_flush(L, task, check_client(L, task), ms_of_seconds(luaL_checknumber(L, 4)));
}

/* Leaves the number of a stream; how it goes on is waited for with it. */
static int wait_client_stream(lua_State *L, struct task *task)
{
    uint32_t client = check_client(L, task);
    struct submit *submit = read_submit(L, task, 4);
    send_settle_timeout(submit);
    lua_pushboolean(L, true);
    lua_pushinteger(L, (lua_Integer)stream_submit(task, client, submit));
    return 2;
}

static int wait_client_close(lua_State *L, struct task *task)
{
    uint32_t client = check_client(L, task);
    sendings_close(task->host, client);
    streams_forget(task->host, client);
    task->host->env.client_close(task->host->env.user, client);
    lua_pushboolean(L, true);
    return 1;
}

static const struct wait_kind kinds[] = {
    {"sleep", wait_sleep},
    {"call", wait_call},
    {"send_now", wait_send_now},
    {"client_open", wait_client_open},
    {"client_send", wait_client_send},
    {"client_cancel", wait_client_cancel},
    {"client_send_all", wait_client_send_all},
    {"client_transact", wait_client_transact},
    {"client_flush", wait_client_flush},
    {"client_stream", wait_client_stream},
    {"client_close", wait_client_close},
    {"stream_next", wait_stream_next},
    {"stream_close", wait_stream_close},
};

/* A kind that only the shell knows. */
static int wait_other(lua_State *L, struct task *task, const char *kind)
{
    struct script_env *env = &task->host->env;
    uint64_t waiter = task_wait_begin(task);
    if (env->wait && env->wait(env->user, waiter, kind, L, 3)) return 0;
    return luaL_error(L, "nothing here answers the wait \"%s\"", kind);
}

static const char wait_key = 0;

void wait_push_marker(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&wait_key);
}

int wait_begin(lua_State *L, void *user)
{
    struct task *task = user;
    if (lua_touserdata(L, 1) != &wait_key) {
        wait_push_marker(L); /* which says that nobody resumes it; coroutine.yield raises then */
        return 1;
    }
    const char *kind = luaL_checkstring(L, 2);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, kind) == 0) return kinds[i].begin(L, task);
    return wait_other(L, task, kind);
}

void wait_forget(struct task *task)
{
    struct event event = {.kind = EVENT_FORGET, .waiter = task->waiter};
    struct script_env *env = &task->host->env;
    if (task->waiting_engine)
        env->post(env->user, &event);
    else if (task->waiting_client)
        env->client_post(env->user, task->waiting_client, &event);
}

/* ---- answers ---- */

static int answer_true(lua_State *L, void *user)
{
    (void)user;
    lua_pushboolean(L, true);
    return 1;
}

void script_resume(struct script_host *host, uint64_t waiter)
{
    struct task *task = task_waiting(host, waiter);
    if (task && task->flushing)
        sendings_flush_ends(task);
    else if (task)
        task_answer(task, answer_true, NULL);
}

struct receipt_request {
    struct task *task;
    const struct answer *answer;
};

static int answer_error(lua_State *L, const struct receipt_request *request)
{
    const struct answer *answer = request->answer;
    struct span word = answer->code == CODE_OTHER && answer->word.size > 0
                           ? answer->word
                           : span_text(code_name((enum code)answer->code));
    lua_pushboolean(L, false);
    push_span(L, word);
    error_push(L, request->task->script,
               &(struct error_fields){
                   .code = lua_tostring(L, -1), .reason = answer->reason, .ref = answer->ref});
    lua_remove(L, -2);
    return 2;
}

static int answer_receipt(lua_State *L, void *user)
{
    const struct receipt_request *request = user;
    if (request->task->waiting_call && !request->answer->ok) return answer_error(L, request);
    lua_pushboolean(L, true);
    receipt_push(L, request->task->script, request->answer);
    return 2;
}

void script_receipt(struct script_host *host, uint64_t waiter, const struct answer *answer)
{
    if (stream_ended(host, waiter, answer)) return;
    struct task *task = task_waiting(host, waiter);
    struct sending *sending = task ? NULL : slots_get(&host->waiters, waiter);
    struct receipt_request request = {task, answer};
    if (sending) sending_ends(host, sending, answer);
    if (task) task_answer(task, answer_receipt, &request);
}

struct wake_request {
    bool ok;
    int (*push)(lua_State *L, void *user);
    void *user;
};

static int answer_wake(lua_State *L, void *user)
{
    const struct wake_request *request = user;
    lua_pushboolean(L, request->ok);
    return 1 + (request->push ? request->push(L, request->user) : 0);
}

void script_wake(struct script_host *host, uint64_t waiter, bool ok,
                 int (*push)(lua_State *L, void *user), void *user)
{
    struct task *task = task_waiting(host, waiter);
    struct wake_request request = {ok, push, user};
    if (task) task_answer(task, answer_wake, &request);
}
