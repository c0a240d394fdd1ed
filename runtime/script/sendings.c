/* Sends of a program's clients that the program does not wait for one by one: those whose receipts
 * are gathered for one answer, and those that nobody waits for, which flush knows of. */
#include "script/host.h"

#include <stdlib.h>

/* Receipts that are wanted together. */
struct gathering {
    struct task *task;
    int receipts; /* ref of the table that they go into */
    size_t left;
};

struct sending {
    enum waiter_kind kind; /* WAITER_SEND; first, as in struct task */
    struct sending *next, *previous;
    uint32_t client;
    uint64_t waiter;
    struct gathering *gathering; /* NULL: nobody waits for it */
    int index;                   /* of its receipt there, from 1 */
    struct script *script;       /* whose function is called, or NULL ... */
    int done;                    /* ... with its receipt; or LUA_NOREF */
    struct span id;              /* owned, behind the struct */
};

struct arrival {
    const struct sending *sending;
    const struct answer *answer;
};

/* Its `on_done` is in the table at `index`. */
static void read_done(lua_State *L, int index, struct task *task, struct sending *sending)
{
    sending->script = task->script;
    lua_getfield(L, index, "on_done");
    if (lua_isfunction(L, -1))
        sending->done = luaL_ref(L, LUA_REGISTRYINDEX);
    else
        lua_pop(L, 1);
}

static struct sending *sending_new(struct script_host *host, uint32_t client, struct span id)
{
    struct sending *sending = calloc(1, sizeof *sending + id.size);
    ensure(sending != NULL);
    sending->kind = WAITER_SEND;
    sending->client = client;
    sending->done = LUA_NOREF;
    memcpy(sending + 1, id.bytes, id.size);
    sending->id = span_of((const char *)(sending + 1), id.size);
    sending->waiter = slots_add(&host->waiters, sending);
    sending->previous = host->sendings_last;
    *(sending->previous ? &sending->previous->next : &host->sendings) = sending;
    host->sendings_last = sending;
    return sending;
}

static void sending_free(struct script_host *host, struct sending *sending)
{
    *(sending->previous ? &sending->previous->next : &host->sendings) = sending->next;
    *(sending->next ? &sending->next->previous : &host->sendings_last) = sending->previous;
    slots_remove(&host->waiters, sending->waiter);
    if (sending->script) luaL_unref(sending->script->L, LUA_REGISTRYINDEX, sending->done);
    free(sending);
}

uint64_t sending_alone(lua_State *L, struct task *task, uint32_t client, struct span id)
{
    struct sending *sending = sending_new(task->host, client, id);
    read_done(L, 4, task, sending);
    return sending->waiter;
}

uint64_t script_sending(struct script_host *host, uint32_t client, struct span id)
{
    return sending_new(host, client, id)->waiter;
}

/* ---- told ---- */

static int push_done(lua_State *L, void *user)
{
    const struct arrival *arrival = user;
    lua_rawgeti(L, LUA_REGISTRYINDEX, arrival->sending->done);
    receipt_push(L, arrival->sending->script, arrival->answer);
    return 2;
}

/* The function may wait. */
static void tell(struct script_host *host, const struct sending *sending,
                 const struct answer *answer)
{
    struct arrival arrival = {sending, answer};
    if (sending->done == LUA_NOREF) return;
    task_begin(task_new(host, sending->script, TASK_CALLBACK), push_done, &arrival);
}

/* ---- gathered ---- */

static int answer_gathered(lua_State *L, void *user)
{
    struct gathering *gathering = user;
    lua_pushboolean(L, true);
    lua_rawgeti(L, LUA_REGISTRYINDEX, gathering->receipts);
    luaL_unref(L, LUA_REGISTRYINDEX, gathering->receipts);
    free(gathering);
    return 2;
}

static int take_receipt(lua_State *L, void *user)
{
    const struct arrival *arrival = user;
    const struct gathering *gathering = arrival->sending->gathering;
    lua_rawgeti(L, LUA_REGISTRYINDEX, gathering->receipts);
    receipt_push(L, gathering->task->script, arrival->answer);
    lua_rawseti(L, -2, arrival->sending->index);
    return 0;
}

/* A receipt that cannot be made (no memory) is missing from the answer. */
static void gather(struct sending *sending, const struct answer *answer)
{
    struct task *task = sending->gathering->task;
    struct arrival arrival = {sending, answer};
    struct turn turn;
    turn_enter(&turn, task->host, task->script, PLACE_PROGRAM, NULL, 0);
    if (!turn_invoke(&turn, take_receipt, &arrival, 0, 0)) lua_pop(task->script->L, 1);
    turn_leave(&turn);
    turn_forget(&turn);
}

static void read_sends(lua_State *L, struct task *task, struct submit *sends, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 4, (int)i + 1);
        send_read(L, task->host, lua_gettop(L), &task->host->scratch, &sends[i]);
        send_settle_timeout(&sends[i]);
        lua_pop(L, 1);
    }
}

/* Whoever wants no receipt has the id in its place. */
static bool wants_receipt(lua_State *L, int index)
{
    lua_rawgeti(L, 4, index);
    bool wants = !send_awaits(L, lua_gettop(L), "none");
    lua_pop(L, 1);
    return wants;
}

static void watch(lua_State *L, struct gathering *gathering, uint32_t client, struct submit *send,
                  int index)
{
    struct sending *sending = sending_new(gathering->task->host, client, send->message.id);
    send->waiter = sending->waiter;
    if (!wants_receipt(L, index)) {
        lua_rawgeti(L, 4, index);
        read_done(L, lua_gettop(L), gathering->task, sending);
        lua_pop(L, 1);
        push_span(L, send->message.id);
        lua_rawseti(L, 5, index);
        return;
    }
    sending->gathering = gathering;
    sending->index = index;
    gathering->left++;
}

static void post_all(struct task *task, uint32_t client, const struct transaction *sends,
                     bool together)
{
    struct script_env *env = &task->host->env;
    struct event all = {.kind = EVENT_TRANSACT, .transaction = sends};
    if (together) {
        env->client_post(env->user, client, &all);
        return;
    }
    for (size_t i = 0; i < sends->count; i++) {
        struct event event = {.kind = EVENT_SUBMIT, .submit = &sends->sends[i]};
        env->client_post(env->user, client, &event);
    }
}

/* The stack: marker, kind, client, array of sends. */
int sendings_begin(lua_State *L, struct task *task, uint32_t client, bool together)
{
    struct arena *arena = &task->host->scratch;
    luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 4);
    size_t count = lua_objlen(L, 4);
    arena_reset(arena);
    struct submit *sends = arena_take(arena, (count + 1) * sizeof *sends);
    read_sends(L, task, sends, count);
    lua_createtable(L, (int)count, 0);
    struct gathering *gathering = calloc(1, sizeof *gathering);
    ensure(gathering != NULL);
    gathering->task = task;
    for (size_t i = 0; i < count; i++) watch(L, gathering, client, &sends[i], (int)i + 1);
    lua_pushvalue(L, 5);
    gathering->receipts = luaL_ref(L, LUA_REGISTRYINDEX);
    post_all(task, client, &(struct transaction){sends, count}, together);
    if (gathering->left == 0) return answer_gathered(L, gathering);
    task_wait_begin(task);
    task->gathering = gathering;
    return 0;
}

void sendings_drop_task(struct task *task)
{
    struct gathering *gathering = task->gathering;
    if (!gathering) return;
    for (struct sending *at = task->host->sendings; at; at = at->next)
        if (at->gathering == gathering) at->gathering = NULL;
    luaL_unref(task->script->L, LUA_REGISTRYINDEX, gathering->receipts);
    free(gathering);
    task->gathering = NULL;
}

/* ---- flush ---- */

static bool has_open(const struct script_host *host, uint32_t client)
{
    for (const struct sending *at = host->sendings; at; at = at->next)
        if (at->client == client) return true;
    return false;
}

int sendings_flush(lua_State *L, struct task *task, uint32_t client, int64_t timeout_ms)
{
    struct script_env *env = &task->host->env;
    if (!has_open(task->host, client)) {
        lua_pushboolean(L, true);
        return 1;
    }
    uint64_t waiter = task_wait_begin(task);
    task->flushing = client;
    if (timeout_ms == DURATION_FOREVER) return 0;
    task->waiting_engine = true;
    env->post(env->user,
              &(struct event){.kind = EVENT_WAIT, .waiter = waiter, .delay_ms = timeout_ms});
    return 0;
}

struct left_open {
    const struct script_host *host;
    uint32_t client;
};

/* true, and the ids of what is left; none: all is done. */
static int answer_flush(lua_State *L, void *user)
{
    const struct left_open *left = user;
    int count = 0;
    lua_pushboolean(L, true);
    if (!has_open(left->host, left->client)) return 1;
    lua_newtable(L);
    for (const struct sending *at = left->host->sendings; at; at = at->next) {
        if (at->client != left->client) continue;
        push_span(L, at->id);
        lua_rawseti(L, -2, ++count);
    }
    return 2;
}

void sendings_flush_ends(struct task *task)
{
    struct left_open left = {task->host, task->flushing};
    task->flushing = 0;
    task_answer(task, answer_flush, &left);
}

static void tell_flush(struct script_host *host, uint32_t client)
{
    if (has_open(host, client)) return;
    for (struct task *task = host->tasks; task; task = task->next) {
        if (task->flushing != client) continue;
        if (task->waiting_engine) wait_forget(task);
        sendings_flush_ends(task);
        return;
    }
}

/* ---- ends ---- */

void sending_ends(struct script_host *host, struct sending *sending, const struct answer *answer)
{
    struct gathering *gathering = sending->gathering;
    uint32_t client = sending->client;
    if (gathering)
        gather(sending, answer);
    else
        tell(host, sending, answer);
    sending_free(host, sending);
    if (!gathering) {
        tell_flush(host, client);
        return;
    }
    if (--gathering->left > 0) return;
    gathering->task->gathering = NULL;
    task_answer(gathering->task, answer_gathered, gathering);
}

void sendings_close(struct script_host *host, uint32_t client)
{
    struct sending *next;
    for (struct sending *at = host->sendings; at; at = next) {
        next = at->next;
        if (at->client == client || client == 0) sending_free(host, at);
    }
}
