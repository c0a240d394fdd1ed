/* Agents: declarations made by moonpost.agent, held for a node. */
#include "script/host.h"

#include <stdlib.h>

enum {
    BUDGET_DEFAULT_MS = 200,
    TIMEOUT_DEFAULT_MS = 30000,
    CONCURRENCY_DEFAULT = 8,
    BATCH_DEFAULT = 100
};

/* ---- reading ---- */

/* Absent or for ever: 0. */
static size_t field_bytes(lua_State *L, int index, const char *name)
{
    double bytes = field_number(L, index, name, 0);
    return bytes > 0 && bytes < 9e15 ? (size_t)bytes : 0;
}

static int function_ref(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    if (lua_isfunction(L, -1)) return luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
    return LUA_NOREF;
}

static char *field_copy(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    char *text = strdup(luaL_checkstring(L, -1));
    ensure(text != NULL);
    lua_pop(L, 1);
    return text;
}

static uint8_t field_profile(lua_State *L, int index)
{
    lua_getfield(L, index, "profile");
    uint8_t profile =
        profile_from(lua_isstring(L, -1) ? span_at(L, -1) : span_text(NULL), AT_LEAST_ONCE);
    lua_pop(L, 1);
    return profile;
}

static void read_dedup(lua_State *L, struct agent *agent)
{
    lua_getfield(L, 1, "dedup");
    if (lua_istable(L, -1)) {
        int index = lua_gettop(L);
        lua_getfield(L, index, "kind");
        bool by_key = lua_isstring(L, -1) && strcmp(lua_tostring(L, -1), "key") == 0;
        lua_pop(L, 1);
        agent->declaration.dedup = by_key ? DEDUP_KEY : DEDUP_NONE;
        agent->declaration.dedup_ttl_ms = field_ms(L, index, "ttl", DURATION_FOREVER);
        agent->dedup_ref = function_ref(L, index, "ask");
        agent->declaration.forgets_results = field_true(L, index, "forget_results");
    }
    lua_pop(L, 1);
    agent->declaration.asks_dedup = agent->dedup_ref != LUA_NOREF;
}

static uint8_t field_order(lua_State *L, int index)
{
    lua_getfield(L, index, "order");
    struct span name = lua_isstring(L, -1) ? span_at(L, -1) : span_text("none");
    uint8_t order = span_equal(name, span_text("key"))      ? ORDER_KEY
                    : span_equal(name, span_text("strict")) ? ORDER_STRICT
                                                            : ORDER_NONE;
    lua_pop(L, 1);
    return order;
}

static void read_batch(lua_State *L, struct agent_declaration *declaration)
{
    lua_getfield(L, 1, "batch");
    int index = lua_gettop(L);
    if (lua_istable(L, index)) {
        declaration->batch = field_count(L, index, "size", BATCH_DEFAULT);
        declaration->batch_within_ms = field_ms(L, index, "within", 0);
    }
    lua_pop(L, 1);
}

static void read_versions(lua_State *L, struct agent *agent)
{
    agent->version = field_count(L, 1, "version", 1);
    agent->migrate_ref = function_ref(L, 1, "migrate");
    lua_getfield(L, 1, "reads");
    for (int i = 1; lua_istable(L, -1) && i <= (int)lua_objlen(L, -1); i++) {
        array_reserve(agent->reads, agent->read_count, agent->read_capacity);
        lua_rawgeti(L, -1, i);
        agent->reads[agent->read_count++] = (uint32_t)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_retry(lua_State *L, struct agent *agent)
{
    struct script_host *host = agent->host;
    struct retry_policy base = host->settings ? host->settings->handle : retry_default_handle();
    lua_getfield(L, 1, "retry");
    agent->declaration.retry =
        lua_isnil(L, -1)
            ? base
            : retry_read(L, host, -1, lua_isfunction(L, -1) ? base : retry_default_handle());
    lua_pop(L, 1);
}

static int agent_read(lua_State *L, void *user)
{
    struct agent *agent = user;
    struct agent_declaration *declaration = &agent->declaration;
    agent->address = field_copy(L, 1, "address");
    declaration->address = span_text(agent->address);
    declaration->concurrency = field_count(L, 1, "concurrency", CONCURRENCY_DEFAULT);
    declaration->timeout_ms = field_ms(L, 1, "timeout", TIMEOUT_DEFAULT_MS);
    declaration->profile = field_profile(L, 1);
    declaration->order = field_order(L, 1);
    agent->budget_ms = field_ms(L, 1, "budget", BUDGET_DEFAULT_MS);
    if (agent->budget_ms == DURATION_FOREVER)
        agent->budget_ms = 0;
    else if (agent->budget_ms == 0)
        agent->budget_ms = 1;
    agent->memory = field_bytes(L, 1, "memory");
    agent->key_ref = function_ref(L, 1, "key");
    declaration->asks_key = agent->key_ref != LUA_NOREF;
    declaration->has_dead = field_present(L, 1, "on_dead");
    agent->has_start = field_present(L, 1, "on_start");
    agent->has_stop = field_present(L, 1, "on_stop");
    read_versions(L, agent);
    read_batch(L, declaration);
    read_dedup(L, agent);
    read_retry(L, agent);
    lua_settop(L, 1);
    agent->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* ---- life ---- */

static struct agent *agent_new(struct script_host *host, struct script *script, const char *origin)
{
    struct agent *agent = calloc(1, sizeof *agent);
    ensure(agent != NULL);
    agent->host = host;
    agent->script = script;
    agent->generation = 1;
    agent->loaded_ms = host->env.now_ms(host->env.user);
    agent->ref = agent->key_ref = agent->dedup_ref = agent->cache_ref = agent->migrate_ref =
        LUA_NOREF;
    agent->origin = strdup(origin);
    ensure(agent->origin != NULL);
    return agent;
}

static void agent_destroy(struct agent *agent)
{
    lua_State *L = agent->script->L;
    luaL_unref(L, LUA_REGISTRYINDEX, agent->ref);
    luaL_unref(L, LUA_REGISTRYINDEX, agent->key_ref);
    luaL_unref(L, LUA_REGISTRYINDEX, agent->dedup_ref);
    luaL_unref(L, LUA_REGISTRYINDEX, agent->cache_ref);
    luaL_unref(L, LUA_REGISTRYINDEX, agent->migrate_ref);
    if (agent->number) agent->host->agents[agent->number - 1] = NULL;
    if (agent->owns_script) script_free(agent->script);
    tracked_clear(&agent->refused_from);
    free(agent->refusal);
    free(agent->reads);
    free(agent->origin);
    free(agent->address);
    free(agent);
}

/* Numbers of agents that are gone are used again: EFFECT_RETIRE has said that nobody asks for them.
 */
static uint32_t agent_register(struct script_host *host, struct agent *agent)
{
    size_t place = 0;
    while (place < host->agent_count && host->agents[place]) place++;
    if (place == host->agent_count) {
        host->agents = realloc(host->agents, (host->agent_count + 1) * sizeof *host->agents);
        ensure(host->agents != NULL);
        host->agent_count++;
    }
    host->agents[place] = agent;
    agent->number = agent->declaration.agent = (uint32_t)place + 1;
    return agent->number;
}

/* The value is on top of the main thread's stack and is popped. */
static struct agent *agent_take(struct script_host *host, struct script *script, const char *origin,
                                struct span *error)
{
    struct agent *agent = agent_new(host, script, origin);
    struct turn turn;
    turn_enter(&turn, host, script, PLACE_LOAD, NULL, 0);
    bool ok = turn_invoke(&turn, agent_read, agent, 1, 0);
    turn_leave(&turn);
    turn_forget(&turn);
    if (ok) return agent;
    struct span text = error_text(host, script->L, -1);
    *error = error_format(host, "%s: %.*s", origin, SPAN_ARGS(text));
    lua_pop(script->L, 1);
    agent_destroy(agent);
    return NULL;
}

/* It may be one that only sends, from on.start. */
static void warn_if_deaf(struct script_host *host, const struct agent *agent, lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, agent->ref);
    bool deaf = !field_true(L, -1, "has_handler");
    lua_pop(L, 1);
    if (deaf && !agent->has_start)
        host_log(host, LOG_WARN, span_text(agent->address),
                 "%s: %s has no handler, so every message to it is rejected; add on = { message = "
                 "function(ctx, msg) ... end }, or methods = { ... }",
                 agent->origin, agent->address);
}

static struct span not_an_agent(struct script_host *host, lua_State *L, int index,
                                const char *origin)
{
    return error_format(host,
                        "%s: a %s is not an agent; end the file with return moonpost.agent { ... }",
                        origin, luaL_typename(L, index));
}

uint32_t script_agent_new(struct script_host *host, lua_State *L, int index, const char *origin,
                          struct span *error)
{
    struct script *script = script_of(L);
    if (!script || !value_is(L, index, "moonpost.agent")) {
        *error = not_an_agent(host, L, index, origin);
        return 0;
    }
    lua_pushvalue(L, index);
    if (L != script->L) lua_xmove(L, script->L, 1);
    struct agent *agent = agent_take(host, script, origin, error);
    if (agent) warn_if_deaf(host, agent, script->L);
    return agent ? agent_register(host, agent) : 0;
}

uint32_t script_agent_load(struct script_host *host, const char *root, const char *path,
                           struct span *error)
{
    struct script *script = script_new(host, SCRIPT_AGENT, root);
    uint32_t number = 0;
    if (script_load(script, path, NULL, error) == STATUS_OK) {
        number = script_agent_new(host, script->L, -1, path, error);
        lua_pop(script->L, 1);
    }
    if (number) {
        struct agent *agent = agent_find(host, number);
        agent->owns_script = true;
        memory_limit(&script->memory, script->L, agent->memory);
        return number;
    }
    tracked_move(&host->failed_files, &script->files);
    script_free(script);
    return 0;
}

struct agent *agent_find(struct script_host *host, uint32_t number)
{
    return number > 0 && number <= host->agent_count ? host->agents[number - 1] : NULL;
}

struct agent *agent_of_address(struct script_host *host, struct span address)
{
    for (size_t i = host->agent_count; i > 0; i--) {
        struct agent *agent = host->agents[i - 1];
        if (agent && span_equal(agent->declaration.address, address)) return agent;
    }
    return NULL;
}

const struct agent_declaration *script_agent_declaration(struct script_host *host, uint32_t number)
{
    const struct agent *agent = agent_find(host, number);
    return agent ? &agent->declaration : NULL;
}

/* ---- start and stop ---- */

static void run_event(struct agent *agent, enum task_kind kind, const char *why)
{
    struct task *task = task_new(agent->host, agent->script, kind);
    task->agent = agent;
    task->why = why;
    agent->tasks++;
    task_start(task);
}

static void say_drained(const struct agent *agent)
{
    struct script_env *env = &agent->host->env;
    if (agent->retired_ms == 0) return;
    host_log(agent->host, LOG_INFO, span_text(agent->address),
             "%s generation %u has ended, %lld ms after it was replaced", agent->address,
             (unsigned)agent->generation, (long long)(env->now_ms(env->user) - agent->retired_ms));
}

void agent_release(struct agent *agent)
{
    ensure(agent->tasks > 0);
    if (--agent->tasks > 0 || !agent->leaving) return;
    bool stop = agent->owes_stop && agent->start != START_FAILED && !agent->host->ending;
    agent->owes_stop = false;
    if (stop) {
        run_event(agent, TASK_STOP, NULL); /* its end comes back here */
        return;
    }
    say_drained(agent);
    agent_destroy(agent);
}

enum status script_agent_start(struct script_host *host, uint32_t number, const char *why,
                               struct span *error)
{
    struct agent *agent = agent_find(host, number);
    ensure(agent != NULL);
    agent->start = agent->has_start ? START_RUNNING : START_DONE;
    if (!agent->has_start) return STATUS_OK;
    if (script_agent_migrate(host, number, true, error) != STATUS_OK) return STATUS_SCRIPT;
    run_event(agent, TASK_START, why);
    if (agent->start != START_FAILED) return STATUS_OK;
    *error = span_text(host->error.block->bytes);
    return STATUS_SCRIPT;
}

bool script_agent_starting(struct script_host *host, uint32_t number)
{
    const struct agent *agent = agent_find(host, number);
    return agent && agent->start == START_RUNNING;
}

static void agent_leave(struct agent *agent)
{
    agent->leaving = true;
    agent->tasks++;
    agent_release(agent);
}

void script_agent_retire(struct script_host *host, uint32_t number)
{
    struct agent *agent = agent_find(host, number);
    if (!agent || agent->leaving) return;
    agent->owes_stop = agent->has_stop;
    if (agent->tasks > 0 && !agent->staged) agent->retired_ms = host->env.now_ms(host->env.user);
    agent_leave(agent);
}

void script_agent_drop(struct script_host *host, uint32_t number)
{
    struct agent *agent = agent_find(host, number);
    if (agent && !agent->leaving) agent_leave(agent);
}

void script_agent_free(struct script_host *host, uint32_t number)
{
    struct agent *agent = agent_find(host, number);
    if (!agent || agent->leaving) return;
    agent->tasks++;
    if (agent->has_stop) run_event(agent, TASK_STOP, NULL);
    agent->leaving = true;
    agent_release(agent);
}

void agents_deinit(struct script_host *host)
{
    for (size_t i = 0; i < host->agent_count; i++)
        if (host->agents[i]) agent_destroy(host->agents[i]);
    free(host->agents);
    host->agents = NULL;
    host->agent_count = 0;
}

enum status script_agent_taken(struct script_host *host, uint32_t agent, uint32_t holder,
                               struct span *error)
{
    const struct agent *second = agent_find(host, agent), *first = agent_find(host, holder);
    *error = error_format(host, "%s: address \"%s\" is served by %s already", second->origin,
                          second->address, first->origin);
    script_agent_free(host, agent);
    return STATUS_SCRIPT;
}
