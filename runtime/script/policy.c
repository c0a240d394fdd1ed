/* The answers of scripts to the core's questions. A script that fails is logged, and the built-in
 * answer applies. */
#include "script/host.h"

static void complain(struct script_host *host, struct span agent, const char *what,
                     struct script *script, const struct turn *turn)
{
    struct span text = turn->over ? block_span(turn->reason) : error_text(host, script->L, -1);
    host->policy_failures++;
    host_log(host, LOG_ERROR, agent, "%s failed, the built-in answer applies: %.*s", what,
             SPAN_ARGS(text));
}

/* ---- retry ---- */

struct retry_question {
    const struct function *function;
    const struct failure *failure;
};

static int retry_ask(lua_State *L, void *user)
{
    const struct retry_question *question = user;
    const struct failure *failure = question->failure;
    lua_rawgeti(L, LUA_REGISTRYINDEX, question->function->ref);
    lua_createtable(L, 0, 7);
    set_number(L, "attempt", failure->attempt);
    set_span(L, "error", failure->error);
    set_span(L, "code", span_text(code_name(failure->code)));
    set_number(L, "elapsed", (double)failure->elapsed_ms / 1000);
    set_span(L, "address", failure->address);
    if (failure->method.size > 0) set_span(L, "method", failure->method);
    if (failure->key.size > 0) set_span(L, "key", failure->key);
    lua_call(L, 1, 2);
    if (!question->function->whole || !lua_toboolean(L, -2)) return 2;

    push_ref(L, question->function->script, REF_DURATION);
    lua_pushvalue(L, -3);
    lua_call(L, 1, 2);
    if (!lua_isnumber(L, -2)) luaL_error(L, "a retry policy returned %s", lua_tostring(L, -1));
    return 2;
}

static struct span keep_answer(struct script_host *host, struct span text)
{
    host->answer.used = 0;
    buffer_put(&host->answer, text);
    return buffer_span(&host->answer);
}

static struct span text_or(lua_State *L, int index, const char *absent)
{
    return lua_type(L, index) == LUA_TSTRING ? span_at(L, index) : span_text(absent);
}

/* The two results are on top. */
static void retry_take(struct script_host *host, lua_State *L, bool whole,
                       struct retry_answer *answer)
{
    *answer = (struct retry_answer){.delay_ms = -1};
    bool something = lua_toboolean(L, -2);
    answer->give_up = whole ? !something : something;
    if (answer->give_up)
        answer->reason = keep_answer(host, text_or(L, whole ? -1 : -2, "the retry policy gave up"));
    else if (whole)
        answer->delay_ms = ms_of_seconds(lua_tonumber(L, -2));
}

static enum policy_answer policy_retry(void *user, uint32_t id, const struct failure *failure,
                                       struct retry_answer *answer)
{
    struct script_host *host = user;
    const struct function *function = function_find(host, id);
    if (!function) return POLICY_DEFAULT;
    struct script *script = function->script;
    struct retry_question question = {function, failure};
    struct turn turn;
    int top = lua_gettop(script->L);
    turn_enter(&turn, host, script, PLACE_POLICY, NULL, HOOK_BUDGET_MS);
    bool ok = turn_invoke(&turn, retry_ask, &question, 0, 2);
    turn_leave(&turn);
    if (ok)
        retry_take(host, script->L, function->whole, answer);
    else
        complain(host, failure->address, "the retry policy", script, &turn);
    turn_forget(&turn);
    lua_settop(script->L, top);
    return ok ? POLICY_ANSWERED : POLICY_DEFAULT;
}

/* ---- keys ---- */

struct key_question {
    struct agent *agent;
    int ref;
    const char *what;
    const struct message *message;
    struct message_holder *holder;
    int results; /* the first of them is the key */
};

static int key_prepare(lua_State *L, void *user)
{
    struct key_question *question = user;
    question->holder = message_lend(L, question->agent->script, question->message);
    return 1;
}

/* The msg is at index 1. */
static int key_ask(lua_State *L, void *user)
{
    const struct key_question *question = user;
    lua_rawgeti(L, LUA_REGISTRYINDEX, question->ref);
    lua_pushvalue(L, 1);
    lua_call(L, 1, question->results);
    int key = -question->results, type = lua_type(L, key);
    if (type != LUA_TSTRING && type != LUA_TNIL)
        luaL_error(L, "a key is a string, not a %s", lua_typename(L, type));
    if (lua_objlen(L, key) > KEY_BYTES_MAX)
        luaL_error(L, "a key has at most %d bytes", KEY_BYTES_MAX);
    return question->results;
}

static bool key_call(struct key_question *question, struct turn *turn)
{
    lua_State *L = question->agent->script->L;
    if (!turn_invoke(turn, key_prepare, question, 0, 1)) return false;
    lua_pushvalue(L, -1); /* the first stays: it keeps the holder alive */
    bool ok = turn_invoke(turn, key_ask, question, 1, question->results);
    message_let_go(question->holder);
    return ok;
}

/* A key function that returns nil answers with no key. */
static enum policy_answer key_put(struct key_question *question, struct span *key)
{
    struct agent *agent = question->agent;
    lua_State *L = agent->script->L;
    int top = lua_gettop(L);
    struct turn turn;
    turn_enter(&turn, agent->host, agent->script, PLACE_POLICY, NULL, HOOK_BUDGET_MS);
    bool ok = key_call(question, &turn);
    turn_leave(&turn);
    if (ok)
        *key = keep_answer(agent->host, text_or(L, -1, ""));
    else
        complain(agent->host, span_text(agent->address), question->what, agent->script, &turn);
    turn_forget(&turn);
    lua_settop(L, top);
    return ok ? POLICY_ANSWERED : POLICY_DEFAULT;
}

static enum policy_answer policy_key(void *user, uint32_t number, const struct message *message,
                                     struct span *key)
{
    struct agent *agent = agent_find(user, number);
    if (!agent || agent->key_ref == LUA_NOREF) return POLICY_DEFAULT;
    struct key_question question = {.agent = agent,
                                    .ref = agent->key_ref,
                                    .what = "the key function",
                                    .message = message,
                                    .results = 1};
    return key_put(&question, key);
}

/* moonpost.dedup's `ask`: key or nil, version or nil, ttl in seconds or nil. */
static void read_dedup(struct agent *agent, lua_State *L, int first, struct dedup_answer *answer)
{
    *answer = (struct dedup_answer){.ttl_ms = -1};
    answer->key = keep_answer(agent->host, text_or(L, first, ""));
    answer->has_version = lua_type(L, first + 1) == LUA_TNUMBER;
    if (answer->has_version) answer->version = lua_tonumber(L, first + 1);
    if (lua_type(L, first + 2) == LUA_TNUMBER)
        answer->ttl_ms = ms_of_seconds(lua_tonumber(L, first + 2));
}

static enum policy_answer policy_dedup(void *user, uint32_t number, const struct message *message,
                                       struct dedup_answer *answer)
{
    struct agent *agent = agent_find(user, number);
    if (!agent || agent->dedup_ref == LUA_NOREF) return POLICY_DEFAULT;
    struct key_question question = {.agent = agent,
                                    .ref = agent->dedup_ref,
                                    .what = "the dedup policy",
                                    .message = message,
                                    .results = 3};
    lua_State *L = agent->script->L;
    int top = lua_gettop(L);
    struct turn turn;
    turn_enter(&turn, agent->host, agent->script, PLACE_POLICY, NULL, HOOK_BUDGET_MS);
    bool ok = key_call(&question, &turn);
    turn_leave(&turn);
    if (ok)
        read_dedup(agent, L, lua_gettop(L) - 2, answer);
    else
        complain(agent->host, span_text(agent->address), question.what, agent->script, &turn);
    turn_forget(&turn);
    lua_settop(L, top);
    return ok ? POLICY_ANSWERED : POLICY_DEFAULT;
}

struct policies script_policies(struct script_host *host)
{
    return (struct policies){.user = host,
                             .retry = policy_retry,
                             .key = policy_key,
                             .dedup = policy_dedup,
                             .hook = hook_ask};
}
