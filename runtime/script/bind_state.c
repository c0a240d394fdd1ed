/* ctx.state and ctx.kv: what a delivery reads of its agent's records, and what it leaves. Which
 * values these are is moonpost.state's business; here they are bytes. */
#include "script/host.h"

static struct script *own_script(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static struct task *task_at(lua_State *L)
{
    return ctx_check(L, own_script(L), 1);
}

static struct engine *engine_of(lua_State *L, const struct task *task)
{
    struct script_env *env = &task->host->env;
    struct engine *engine = env->engine ? env->engine(env->user) : NULL;
    if (!engine) error_raise(L, task->script, "UNSUPPORTED", "there is no state without a node");
    return engine;
}

static enum state_scope scope_at(lua_State *L, int index)
{
    static const char *const names[] = {"state", "kv", NULL};
    return luaL_checkoption(L, index, NULL, names) == 0 ? STATE_DOCUMENT : STATE_KV;
}

static struct span key_at(lua_State *L, const struct task *task, int index)
{
    luaL_checktype(L, index, LUA_TSTRING);
    struct span key = span_at(L, index);
    if (key.size > STATE_KEY_BYTES_MAX)
        error_raise(L, task->script, "TOO_LARGE", "a key of state has at most %d bytes, not %d",
                    STATE_KEY_BYTES_MAX, (int)key.size);
    return key;
}

/* ---- the delivery's own table ---- */

/* runtime.state_memo(ctx): a table that lives as long as the delivery. */
static int state_memo(lua_State *L)
{
    struct task *task = task_at(L);
    if (task->memo == 0) {
        lua_newtable(L);
        task->memo = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->memo);
    return 1;
}

/* runtime.state_touched(ctx) */
static int state_touched(lua_State *L)
{
    lua_pushboolean(L, task_at(L)->memo != 0);
    return 1;
}

/* runtime.state_max(): bytes of a document. */
static int state_max(lua_State *L)
{
    lua_pushnumber(L, (double)script_of(L)->turn->host->state_max);
    return 1;
}

/* runtime.state_key(ctx): which of its agent's documents is the delivery's. */
static int state_key(lua_State *L)
{
    struct task *task = task_at(L);
    bool by_key = task->agent->declaration.order == ORDER_KEY;
    if (by_key && task->run.key.size == 0)
        error_raise(
            L, task->script, "NO_KEY",
            "the state of an agent with order = \"key\" belongs to a key, and here is none");
    push_span(L, by_key ? task->run.key : span_of(NULL, 0));
    return 1;
}

/* runtime.state_agent(ctx): the declaration of the agent whose state it is. */
static int state_agent(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, task_at(L)->agent->ref);
    return 1;
}

/* ---- reading ---- */

static void note_read(struct task *task, enum state_scope scope, struct span key, uint64_t version)
{
    array_reserve(task->reads, task->read_count, task->read_capacity);
    task->reads[task->read_count++] =
        (struct state_read){(uint8_t)scope, arena_copy(&task->arena, key), version};
}

/* runtime.state_read(ctx, scope, key, unchecked): bytes or nil, and the version of the script that
 * wrote them. Unless `unchecked` the delivery holds only while the record stays as it is. */
static int state_read(lua_State *L)
{
    struct task *task = task_at(L);
    enum state_scope scope = scope_at(L, 2);
    struct span key = key_at(L, task, 3);
    struct state_value found =
        engine_state(engine_of(L, task), span_text(task->agent->address), scope, key);
    if (!lua_toboolean(L, 4)) note_read(task, scope, key, found.version);
    if (!found.value) return 0;
    push_span(L, block_span(found.value));
    block_release(found.value);
    lua_pushnumber(L, found.writer ? found.writer : 1);
    return 2;
}

static void push_listed(void *user, struct span key, struct span value)
{
    lua_State *L = user;
    int index = (int)lua_objlen(L, -1);
    push_span(L, key);
    lua_rawseti(L, -2, index + 1);
    push_span(L, value);
    lua_rawseti(L, -2, index + 2);
}

/* runtime.state_list(ctx, prefix, after, limit): key, bytes, key, bytes ... */
static int state_list(lua_State *L)
{
    struct task *task = task_at(L);
    struct span prefix = key_at(L, task, 2), after = key_at(L, task, 3);
    size_t limit = (size_t)luaL_checkinteger(L, 4);
    luaL_checkstack(L, 8, "too much to list");
    lua_newtable(L);
    engine_state_list(engine_of(L, task), span_text(task->agent->address), prefix, after, limit,
                      push_listed, L);
    return 1;
}

/* ---- writing ---- */

static struct state_write *new_write(lua_State *L, struct task *task, struct state_write write)
{
    size_t bytes = write.key.size + write.value.size;
    check_effect_room(L, task, bytes);
    array_reserve(task->writes, task->write_count, task->write_capacity);
    write.key = arena_copy(&task->arena, write.key);
    write.value = arena_copy(&task->arena, write.value);
    task->writes[task->write_count++] = write;
    return &task->writes[task->write_count - 1];
}

/* runtime.state_set(ctx, scope, key, bytes or nil, expires): nil removes the record; `expires` is
 * in epoch seconds, 0: never. */
static int state_set(lua_State *L)
{
    struct task *task = task_at(L);
    struct state_write write = {.scope = (uint8_t)scope_at(L, 2),
                                .change = lua_isnil(L, 4) ? STATE_REMOVE : STATE_SET,
                                .key = key_at(L, task, 3),
                                .expires_wall_ms = (int64_t)(luaL_optnumber(L, 5, 0) * 1000),
                                .writer = task->agent->version};
    if (write.change == STATE_SET) write.value = span_at(L, 4);
    new_write(L, task, write);
    return 0;
}

/* runtime.state_add(ctx, key, number) */
static int state_add(lua_State *L)
{
    struct task *task = task_at(L);
    new_write(L, task,
              (struct state_write){.scope = STATE_KV,
                                   .change = STATE_ADD,
                                   .key = key_at(L, task, 2),
                                   .number = luaL_checknumber(L, 3),
                                   .writer = task->agent->version});
    return 0;
}

static const luaL_Reg functions[] = {
    {"state_memo", state_memo}, {"state_touched", state_touched},
    {"state_read", state_read}, {"state_key", state_key},
    {"state_list", state_list}, {"state_set", state_set},
    {"state_add", state_add},   {"state_agent", state_agent},
    {"state_max", state_max},   {NULL, NULL},
};

void state_register(lua_State *L, struct script *script)
{
    for (const luaL_Reg *entry = functions; entry->name; entry++) {
        lua_pushlightuserdata(L, script);
        lua_pushcclosure(L, entry->func, 1);
        lua_setfield(L, -2, entry->name);
    }
}
