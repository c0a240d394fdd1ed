/* Hooks: functions on steps of an envelope's way, and on facts. */
#include "script/host.h"

#include <stdlib.h>

/* ---- registration ---- */

static const char *const step_names[] = {
    [HOOK_RECEIVE] = "receive",
    [HOOK_FORWARD] = "forward",
    [HOOK_STORE] = "store",
};

static int function_ref(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    if (lua_isfunction(L, -1)) return luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
    return LUA_NOREF;
}

static void refuse_fault(lua_State *L, const struct script_host *host, const char *origin)
{
    lua_getfield(L, 1, "cut");
    if (!lua_isnil(L, -1))
        luaL_error(L, "%s: moonpost.fault.cut is for worlds only: world:fault", origin);
    lua_getfield(L, 1, "fault");
    if (lua_toboolean(L, -1) && host->settings && host->settings->production)
        luaL_error(L, "%s: it is a fault, and production = true", origin);
    lua_pop(L, 2);
}

static int hook_read(lua_State *L, void *user)
{
    struct hook *hook = user;
    refuse_fault(L, host_now(hook->script), hook->origin);
    hook->priority = field_number(L, 1, "priority", 1000);
    lua_getfield(L, 1, "on_error");
    hook->drops = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "drop") == 0;
    lua_getfield(L, 1, "steps");
    for (int step = HOOK_RECEIVE; step <= HOOK_STORE; step++)
        hook->steps[step] = function_ref(L, step_names[step]);
    lua_getfield(L, 1, "facts");
    for (int kind = 0; kind < FACT_COUNT; kind++)
        hook->facts[kind] = function_ref(L, fact_name((enum fact_kind)kind));
    return 0;
}

static void count_masks(struct script_host *host, const struct hook *hook)
{
    for (int step = HOOK_RECEIVE; step <= HOOK_STORE; step++)
        if (hook->steps[step] != LUA_NOREF) host->step_mask |= 1u << step;
    for (int kind = 0; kind < FACT_COUNT; kind++)
        if (hook->facts[kind] != LUA_NOREF) host->fact_mask |= 1u << kind;
}

/* Behind all of the same or a lower priority. */
static void hook_insert(struct script_host *host, const struct hook *hook)
{
    host->hooks = realloc(host->hooks, (host->hook_count + 1) * sizeof *host->hooks);
    ensure(host->hooks != NULL);
    size_t at = host->hook_count++;
    for (; at > 0 && host->hooks[at - 1].priority > hook->priority; at--)
        host->hooks[at] = host->hooks[at - 1];
    host->hooks[at] = *hook;
    count_masks(host, hook);
}

/* The hook is on top of the main thread's stack and is popped. */
static bool hook_take(struct script_host *host, struct script *script, const char *origin,
                      struct span *error)
{
    struct hook hook = {.script = script, .origin = strdup(origin)};
    ensure(hook.origin != NULL);
    struct turn turn;
    turn_enter(&turn, host, script, PLACE_LOAD, NULL, 0);
    bool ok = turn_invoke(&turn, hook_read, &hook, 1, 0);
    turn_leave(&turn);
    turn_forget(&turn);
    if (!ok) {
        *error = error_text(host, script->L, -1);
        lua_pop(script->L, 1);
        free(hook.origin);
        return false;
    }
    hook_insert(host, &hook);
    return true;
}

bool script_hook_add(struct script_host *host, lua_State *L, int index, const char *origin,
                     struct span *error)
{
    struct script *script = script_of(L);
    if (!script || !value_is(L, index, "moonpost.hook")) {
        *error = error_format(
            host, "%s: a %s is not a hook; end the file with return moonpost.hook { ... }", origin,
            luaL_typename(L, index));
        return false;
    }
    lua_pushvalue(L, index);
    if (L != script->L) lua_xmove(L, script->L, 1);
    return hook_take(host, script, origin, error);
}

bool script_hook_load(struct script_host *host, const char *root, const char *path,
                      struct span *error)
{
    (void)root; /* the node's own state has it */
    struct script *script = host_node_state(host);
    if (state_load(script, host, path, NULL, "hook", error) != STATUS_OK) return false;
    bool ok = script_hook_add(host, script->L, -1, path, error);
    lua_pop(script->L, 1);
    return ok;
}

/* A global of the library that is not there for scripts. */
static int parse_fault(lua_State *L, void *user)
{
    (void)user;
    lua_getglobal(L, "require");
    lua_pushliteral(L, "moonpost.fault");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "parse");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

bool script_fault_add(struct script_host *host, struct span text, struct span *error)
{
    struct script *script = host_node_state(host);
    struct turn turn;
    push_span(script->L, text);
    turn_enter(&turn, host, script, PLACE_LOAD, NULL, 0);
    bool parsed = turn_invoke(&turn, parse_fault, NULL, 1, 1);
    turn_leave(&turn);
    turn_forget(&turn);
    bool added = parsed && script_hook_add(host, script->L, -1, "--fault", error);
    if (!parsed) *error = error_text(host, script->L, -1);
    lua_pop(script->L, 1);
    return added;
}

static void hook_clear(struct hook *hook)
{
    lua_State *L = hook->script->L;
    for (int step = HOOK_RECEIVE; step <= HOOK_STORE; step++)
        luaL_unref(L, LUA_REGISTRYINDEX, hook->steps[step]);
    for (int kind = 0; kind < FACT_COUNT; kind++)
        luaL_unref(L, LUA_REGISTRYINDEX, hook->facts[kind]);
    free(hook->origin);
}

void hooks_deinit(struct script_host *host)
{
    for (size_t i = 0; i < host->hook_count; i++) hook_clear(&host->hooks[i]);
    free(host->hooks);
    host->hooks = NULL;
    host->hook_count = 0;
}

void script_hook_masks(const struct script_host *host, uint32_t *facts, uint32_t *steps)
{
    *facts = host->fact_mask;
    *steps = host->step_mask;
}

/* ---- questions ---- */

/* One hook at work on one envelope or fact. */
struct question {
    struct script_host *host;
    struct hook *hook;
    int ref;
    const struct look *look;
    const struct hop *hop; /* NULL: a fact */
    struct envelope_view *view;
    bool drop;
    struct block *altered; /* given */
    struct fate fate;
};

static int question_prepare(lua_State *L, void *user)
{
    struct question *question = user;
    question->view = envelope_push(L, question->hook->script, question->look);
    return 1;
}

static void push_hop(lua_State *L, const struct script_host *host, const struct hop *hop)
{
    static const char *const ends[] = {
        [HOP_UPSTREAM] = "upstream",
        [HOP_DOWNSTREAM] = "downstream",
        [HOP_LOCAL] = "local",
    };
    lua_createtable(L, 0, 4);
    set_span(L, "from", span_text(ends[hop->from]));
    set_span(L, "to", span_text(ends[hop->to]));
    if (hop->link.size > 0) set_span(L, "link", hop->link);
    set_span(L, "node", span_text(host->name));
}

/* What moonpost.hook.answer returns, from this index on. */
struct alteration {
    int headers, bytes, encoding;
};

static struct block *alter(lua_State *L, const struct question *question, struct alteration at)
{
    const struct envelope *envelope = question->look->envelope;
    if (!envelope->message) luaL_error(L, "only messages can be altered, not receipts");
    struct message message = *envelope->message;
    arena_reset(&question->host->scratch);
    if (lua_istable(L, at.headers))
        message.headers = headers_read(L, question->host, at.headers, &question->host->scratch);
    if (lua_isstring(L, at.bytes)) {
        message.body = span_at(L, at.bytes);
        message.encoding =
            strcmp(luaL_checkstring(L, at.encoding), "json") == 0 ? ENCODING_JSON : ENCODING_RAW;
    }
    return message_encode(&message);
}

static void keep_reason(struct script_host *host, struct span reason)
{
    host->answer.used = 0;
    buffer_put(&host->answer, reason);
}

/* What moonpost.hook.answer returns of a fault, from this index on. */
static struct fate fate_at(lua_State *L, int index)
{
    return (struct fate){.delay_ms = ms_of_seconds(luaL_checknumber(L, index)),
                         .behind = lua_toboolean(L, index + 1),
                         .twice = lua_toboolean(L, index + 2)};
}

static void take_answer(lua_State *L, struct question *question, int first)
{
    lua_settop(L, first + 3);
    const char *kind = luaL_checkstring(L, first);
    question->drop = strcmp(kind, "drop") == 0;
    if (question->drop)
        keep_reason(question->host, span_at(L, first + 1));
    else if (strcmp(kind, "alter") == 0)
        question->altered =
            alter(L, question, (struct alteration){first + 1, first + 2, first + 3});
    else if (strcmp(kind, "fate") == 0)
        question->fate = fate_at(L, first + 1);
}

/* The envelope is at index 1. */
static int question_ask(lua_State *L, void *user)
{
    struct question *question = user;
    lua_rawgeti(L, LUA_REGISTRYINDEX, question->ref);
    lua_pushvalue(L, 1);
    if (!question->hop) {
        lua_call(L, 1, 0);
        return 0;
    }
    push_hop(L, question->host, question->hop);
    lua_call(L, 2, 1);
    push_ref(L, question->hook->script, REF_HOOK_ANSWER);
    lua_insert(L, -2);
    lua_call(L, 1, LUA_MULTRET);
    take_answer(L, question, 2);
    return 0;
}

static void question_failed(struct question *question, const struct turn *turn)
{
    struct hook *hook = question->hook;
    struct script_host *host = question->host;
    struct span text =
        turn->over ? block_span(turn->reason) : error_text(host, hook->script->L, -1);
    hook->failures++;
    host_log(host, LOG_ERROR, span_text(NULL), "hook %s failed (%llu so far): %.*s", hook->origin,
             (unsigned long long)hook->failures, SPAN_ARGS(text));
    question->drop = hook->drops && question->hop;
    if (question->drop) keep_reason(host, span_text("its hook failed"));
}

/* Leaves the main thread's stack as it was. */
static void question_put(struct question *question)
{
    struct script *script = question->hook->script;
    int top = lua_gettop(script->L);
    struct turn turn;
    turn_enter(&turn, question->host, script, PLACE_HOOK, NULL, HOOK_BUDGET_MS);
    bool ok = turn_invoke(&turn, question_prepare, question, 0, 1);
    if (ok) {
        lua_pushvalue(script->L, -1); /* the first stays: it keeps the view alive */
        ok = turn_invoke(&turn, question_ask, question, 1, 0);
        envelope_let_go(question->view);
    }
    turn_leave(&turn);
    if (!ok) question_failed(question, &turn);
    turn_forget(&turn);
    lua_settop(script->L, top);
}

/* Go on with what a hook changed. */
static void adopt(struct question *question, struct envelope *envelope, struct message *message,
                  struct hook_answer *answer)
{
    block_release(answer->altered);
    answer->altered = question->altered;
    *message = message_of(answer->altered);
    envelope->message = message;
}

/* Several faults may hit one envelope. */
static void meet(struct fate *all, const struct fate *one)
{
    all->delay_ms += one->delay_ms;
    all->behind |= one->behind;
    all->twice |= one->twice;
}

enum policy_answer hook_ask(void *user, enum hook_step step, const struct envelope *envelope,
                            const struct hop *hop, struct hook_answer *answer)
{
    struct script_host *host = user;
    struct envelope current = *envelope;
    struct message altered;
    struct look look = {.envelope = &current, .host = host};
    *answer = (struct hook_answer){0};
    for (size_t i = 0; i < host->hook_count && !answer->drop; i++) {
        struct hook *hook = &host->hooks[i];
        if (hook->steps[step] == LUA_NOREF) continue;
        struct question question = {
            .host = host, .hook = hook, .ref = hook->steps[step], .look = &look, .hop = hop};
        question_put(&question);
        if (question.altered) adopt(&question, &current, &altered, answer);
        answer->drop = question.drop;
        meet(&answer->fate, &question.fate);
        hook->dropped += question.drop;
    }
    if (answer->drop) answer->reason = buffer_span(&host->answer);
    return POLICY_ANSWERED;
}

void script_fact(struct script_host *host, const struct fact *fact)
{
    struct look look = {.fact = fact, .host = host};
    for (size_t i = 0; i < host->hook_count; i++) {
        struct hook *hook = &host->hooks[i];
        if (hook->facts[fact->kind] == LUA_NOREF) continue;
        struct question question = {
            .host = host, .hook = hook, .ref = hook->facts[fact->kind], .look = &look};
        question_put(&question);
    }
}
