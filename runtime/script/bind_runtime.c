/* The private module moonpost.runtime: what the Lua library needs of C. */
#include "script/host.h"

#include <stdlib.h>

static struct script *own_script(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static struct script_host *own_host(lua_State *L)
{
    return host_now(own_script(L));
}

static int runtime_now(lua_State *L)
{
    struct script_env *env = &own_host(L)->env;
    lua_pushnumber(L, (double)env->wall_ms(env->user) / 1000);
    return 1;
}

static int runtime_clock(lua_State *L)
{
    struct script_env *env = &own_host(L)->env;
    lua_pushnumber(L, (double)env->now_ms(env->user) / 1000);
    return 1;
}

static int runtime_random(lua_State *L)
{
    struct script_env *env = &own_host(L)->env;
    lua_pushnumber(L, (double)(env->random(env->user) >> 11) * 0x1p-53);
    return 1;
}

static int runtime_new_id(lua_State *L)
{
    char id[NEW_ID_BYTES];
    new_id(own_host(L), id);
    lua_pushlstring(L, id, sizeof id);
    return 1;
}

/* ---- log ---- */

static const struct task *task_now(const struct script *script)
{
    return script->turn ? script->turn->task : NULL;
}

static void name_source(const struct script *script, struct log_record *record)
{
    const struct task *task = task_now(script);
    if (!task || !task->agent) return;
    record->agent = span_text(task->agent->address);
    record->generation = task->agent->generation;
    if (task->block) record->id = message_id(task->block);
}

static int runtime_log(lua_State *L)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    struct script *script = own_script(L);
    struct log_record record = {.level = (enum log_level)luaL_checkoption(L, 1, NULL, levels)};
    luaL_checkstring(L, 2);
    record.text = span_at(L, 2);
    if (!lua_isnoneornil(L, 3)) record.fields = json_write(L, script, 3);
    name_source(script, &record);
    struct script_env *env = &host_now(script)->env;
    env->log(env->user, &record);
    return 0;
}

/* ---- json ---- */

static int runtime_json_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    push_span(L, json_write(L, own_script(L), 1));
    return 1;
}

static int runtime_json_decode(lua_State *L)
{
    luaL_checkstring(L, 1);
    const char *wrong = json_push(L, own_script(L), span_at(L, 1));
    if (!wrong) return 1;
    lua_pushnil(L);
    lua_pushstring(L, wrong);
    lua_pushliteral(L, "BAD_JSON");
    return 3;
}

/* ---- where ---- */

static int runtime_place(lua_State *L)
{
    static const char *const names[] = {
        [PLACE_LOAD] = "load",     [PLACE_HANDLER] = "handler", [PLACE_HOOK] = "hook",
        [PLACE_POLICY] = "policy", [PLACE_PROGRAM] = "program", [PLACE_SPEC] = "spec",
    };
    const struct turn *turn = own_script(L)->turn;
    lua_pushstring(L, names[turn ? turn->place : PLACE_LOAD]);
    return 1;
}

static int runtime_root(lua_State *L)
{
    lua_pushstring(L, own_script(L)->root);
    return 1;
}

/* runtime.track(path): the script depends on what is, or may come, there. */
static int runtime_track(lua_State *L)
{
    tracked_add(&own_script(L)->files, luaL_checkstring(L, 1));
    return 0;
}

static int runtime_policies(lua_State *L)
{
    const struct script_host *host = own_host(L);
    lua_createtable(L, (int)host->policy_count, 0);
    for (size_t i = 0; i < host->policy_count; i++) {
        push_span(L, host->policies[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    if (host->settings) return 1;
    lua_pushliteral(L, "policies/*.lua");
    lua_rawseti(L, -2, 1);
    return 1;
}

static int runtime_getenv(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    struct script_env *env = &own_host(L)->env;
    lua_pushstring(L, env->getenv ? env->getenv(env->user, name) : getenv(name));
    return 1;
}

/* ---- deliveries ---- */

enum { EFFECTS_BYTES_MAX = 16 << 20 };

void check_effect_room(lua_State *L, struct task *task, size_t bytes)
{
    size_t count = task->send_count + task->cancel_count + task->write_count;
    if (count >= EFFECTS_PER_DELIVERY_MAX)
        error_raise(L, task->script, "TOO_LARGE", "more than %d effects in one delivery",
                    EFFECTS_PER_DELIVERY_MAX);
    if (task->effect_bytes + bytes > EFFECTS_BYTES_MAX)
        error_raise(L, task->script, "TOO_LARGE", "more than 16 MiB of effects in one delivery");
    task->effect_bytes += bytes;
}

/* What the node would not take when the handler is acked, it refuses here. */
static void reserve_room(lua_State *L, struct task *task, const struct submit *submit)
{
    const struct script_env *env = &task->host->env;
    const char *reason = NULL;
    if (task->kind != TASK_DELIVERY || !env->reserve) return;
    enum code code = env->reserve(env->user, task->run.delivery, submit, &reason);
    if (code != CODE_NONE) error_raise(L, task->script, code_name(code), "%s", reason);
}

static int runtime_ctx_send(lua_State *L)
{
    struct task *task = ctx_check(L, own_script(L), 1);
    lua_settop(L, 2);
    struct submit *submit = task_send_room(task);
    send_read(L, task->host, 2, &task->arena, submit);
    check_effect_room(L, task, submit->message.body.size + submit->message.headers.size);
    submit->message.from = span_text(task->agent->address);
    reserve_room(L, task, submit);
    task->send_count++;
    push_span(L, submit->message.id);
    return 1;
}

/* What it has sent itself was not sent. */
static void take_back(struct task *task, struct span id)
{
    size_t kept = 0;
    for (size_t i = 0; i < task->send_count; i++)
        if (!span_equal(task->sends[i].message.id, id)) task->sends[kept++] = task->sends[i];
    task->send_count = kept;
}

/* runtime.ctx_cancel(ctx, id) */
static int runtime_ctx_cancel(lua_State *L)
{
    struct task *task = ctx_check(L, own_script(L), 1);
    luaL_checkstring(L, 2);
    struct span id = span_at(L, 2);
    take_back(task, id);
    check_effect_room(L, task, id.size);
    array_reserve(task->cancels, task->cancel_count, task->cancel_capacity);
    task->cancels[task->cancel_count++] = arena_copy(&task->arena, id);
    return 0;
}

/* runtime.ctx_id_for(ctx, label): nil when the delivery has no message. */
static int runtime_ctx_id_for(lua_State *L)
{
    const struct task *task = ctx_check(L, own_script(L), 1);
    struct arena *arena = &task->host->scratch;
    luaL_checkstring(L, 2);
    if (!task->block || task->run.batch) return 0;
    arena_reset(arena);
    push_span(L, id_for(arena, message_id(task->block), span_at(L, 2)));
    return 1;
}

/* runtime.ctx_extend(ctx, seconds): false when nothing bounds it. */
static int runtime_ctx_extend(lua_State *L)
{
    struct task *task = ctx_check(L, own_script(L), 1);
    struct script_env *env = &task->host->env;
    bool bounded = task->kind == TASK_DELIVERY;
    int64_t delay_ms = ms_of_seconds(luaL_checknumber(L, 2));
    if (bounded) {
        task->run.timeout_ms = delay_ms;
        task->extended = true;
        env->post(env->user, &(struct event){.kind = EVENT_EXTEND,
                                             .delivery = task->run.delivery,
                                             .delay_ms = delay_ms});
    }
    lua_pushboolean(L, bounded);
    return 1;
}

/* runtime.crash(): the node's process ends as by kill -9; in a world when its step is over. */
static int runtime_crash(lua_State *L)
{
    struct script_env *env = &host_now(own_script(L))->env;
    if (!env->crash) return luaL_error(L, "there is no node here whose process could end");
    env->crash(env->user);
    return 0;
}

static const luaL_Reg functions[] = {
    {"now", runtime_now},
    {"clock", runtime_clock},
    {"random", runtime_random},
    {"new_id", runtime_new_id},
    {"log", runtime_log},
    {"json_encode", runtime_json_encode},
    {"json_decode", runtime_json_decode},
    {"place", runtime_place},
    {"root", runtime_root},
    {"track", runtime_track},
    {"policies", runtime_policies},
    {"getenv", runtime_getenv},
    {"ctx_send", runtime_ctx_send},
    {"ctx_cancel", runtime_ctx_cancel},
    {"ctx_field", ctx_field},
    {"ctx_id_for", runtime_ctx_id_for},
    {"ctx_extend", runtime_ctx_extend},
    {"crash", runtime_crash},
    {"message_complete", runtime_message_complete},
    {NULL, NULL},
};

int open_runtime(lua_State *L)
{
    struct script *script = script_of(L);
    lua_newtable(L);
    for (const luaL_Reg *entry = functions; entry->name; entry++) {
        lua_pushlightuserdata(L, script);
        lua_pushcclosure(L, entry->func, 1);
        lua_setfield(L, -2, entry->name);
    }
    state_register(L, script);
    wait_push_marker(L);
    lua_setfield(L, -2, "WAIT");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    push_ref(L, script, REF_ARRAY);
    lua_setfield(L, -2, "array_mt");
    lua_pushboolean(L, script->host->env.deterministic);
    lua_setfield(L, -2, "virtual");
    return 1;
}
