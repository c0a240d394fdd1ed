/* ctx: what a delivery is and can do. A small token: after the delivery it finds nothing.
 *
 * A small message travels in it: its msg then needs nothing of its own to read from, and nothing
 * that the collector would have to finalize. */
#include "script/host.h"

enum { CTX_MESSAGE_MAX = 512 }; /* bytes of a frame that are copied rather than held on to */

struct ctx {
    uint64_t token;
    bool has_message; /* a block follows, of one reference that nobody releases */
};

enum field {
    FIELD_NONE,
    FIELD_ADDRESS,
    FIELD_NODE,
    FIELD_GENERATION,
    FIELD_KEY,
    FIELD_ATTEMPT,
    FIELD_LAST,
    FIELD_TRANSMISSION,
    FIELD_PROFILE,
    FIELD_EXPIRES,
    FIELD_REQUEUES,
    FIELD_ID,
    FIELD_STATE,
    FIELD_KV,
    FIELD_CACHE,
    FIELD_COUNT,
};

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_ADDRESS] = "address",
    [FIELD_NODE] = "node",
    [FIELD_GENERATION] = "generation",
    [FIELD_KEY] = "key",
    [FIELD_ATTEMPT] = "attempt",
    [FIELD_LAST] = "last",
    [FIELD_TRANSMISSION] = "transmission",
    [FIELD_PROFILE] = "profile",
    [FIELD_EXPIRES] = "expires",
    [FIELD_REQUEUES] = "requeues",
    [FIELD_STATE] = "state",
    [FIELD_KV] = "kv",
    [FIELD_CACHE] = "cache",
};

struct task *ctx_check(lua_State *L, struct script *script, int index)
{
    const struct ctx *ctx = lua_touserdata(L, index);
    if (!ctx || !has_metatable(L, script, index, REF_CTX))
        luaL_error(L, "a ctx is wanted, not a %s: call it with a colon", luaL_typename(L, index));
    struct task *task = slots_get(&script->deliveries, ctx->token);
    if (!task) error_raise(L, script, "GONE", "the delivery of this ctx has ended");
    return task;
}

static void push_expires(lua_State *L, const struct task *task)
{
    if (task->expires_ms == DURATION_FOREVER)
        lua_pushnil(L);
    else
        lua_pushnumber(L, (double)task->expires_ms / 1000);
}

/* Facts of the message: of on.start and on.stop there is none, and a batch has no one. */
static void push_delivery_field(lua_State *L, const struct task *task, enum field field)
{
    const struct run *run = &task->run;
    bool of_one = field == FIELD_KEY || field == FIELD_EXPIRES || field == FIELD_REQUEUES ||
                  field == FIELD_ID;
    if (of_one && run->batch) {
        lua_pushnil(L);
        return;
    }
    switch (field) {
    case FIELD_KEY: push_span_or_nil(L, run->key); break;
    case FIELD_ATTEMPT: lua_pushnumber(L, run->attempt); break;
    case FIELD_LAST: lua_pushboolean(L, run->last); break;
    case FIELD_TRANSMISSION: lua_pushnumber(L, run->transmission); break;
    case FIELD_PROFILE: lua_pushstring(L, profile_name(run->profile)); break;
    case FIELD_EXPIRES: push_expires(L, task); break;
    case FIELD_REQUEUES: lua_pushnumber(L, run->requeues); break;
    case FIELD_ID: push_span(L, message_id(task->block)); break;
    default: lua_pushnil(L);
    }
}

static void push_field(lua_State *L, const struct task *task, enum field field)
{
    switch (field) {
    case FIELD_ADDRESS: lua_pushstring(L, task->agent->address); break;
    case FIELD_NODE: lua_pushstring(L, task->host->name); break;
    case FIELD_GENERATION: lua_pushnumber(L, task->agent->generation); break;
    case FIELD_CACHE: cache_push(L, task->agent); break;
    default:
        if (task->block)
            push_delivery_field(L, task, field);
        else
            lua_pushnil(L);
    }
}

/* The function of a module of the library, called with the ctx. It is loaded when it is wanted. */
static int push_of_module(lua_State *L, const char *module, const char *name)
{
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, name);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* Upvalues: script, table from names to fields, moonpost.ctx. */
static int ctx_index(lua_State *L)
{
    const struct task *task = ctx_check(L, lua_touserdata(L, lua_upvalueindex(1)), 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    if (lua_type(L, -1) == LUA_TNUMBER) {
        enum field field = (enum field)lua_tointeger(L, -1);
        if (field == FIELD_STATE) return push_of_module(L, "moonpost.state", "get");
        if (field == FIELD_KV) return push_of_module(L, "moonpost.kv", "of");
        push_field(L, task, field);
        return 1;
    }
    lua_pushvalue(L, 2);
    lua_gettable(L, lua_upvalueindex(3));
    return 1;
}

/* The library knows what can be set, and says why the rest cannot. */
static int ctx_newindex(lua_State *L)
{
    if (!luaL_getmetafield(L, lua_upvalueindex(3), "__newindex"))
        return luaL_error(L, "a ctx cannot be changed");
    lua_insert(L, 1);
    lua_call(L, 3, 0);
    return 0;
}

static int ctx_tostring(lua_State *L)
{
    struct task *task = ctx_check(L, lua_touserdata(L, lua_upvalueindex(1)), 1);
    lua_pushfstring(L, "ctx of %s", task->agent->address);
    return 1;
}

/* runtime.ctx_field(ctx, name): upvalue: script. Also "id", the message's. */
int ctx_field(lua_State *L)
{
    const struct task *task = ctx_check(L, lua_touserdata(L, lua_upvalueindex(1)), 1);
    const char *name = luaL_checkstring(L, 2);
    enum field field = strcmp(name, "id") == 0 ? FIELD_ID : FIELD_NONE;
    for (int i = FIELD_NONE + 1; i < FIELD_ID; i++)
        if (strcmp(name, field_names[i]) == 0) field = (enum field)i;
    push_field(L, task, field);
    return 1;
}

static struct block *message_in(struct ctx *ctx)
{
    return (struct block *)(ctx + 1);
}

struct block *ctx_message(lua_State *L, const struct script *script, int index)
{
    struct ctx *ctx = lua_touserdata(L, index);
    if (!ctx || !has_metatable(L, script, index, REF_CTX)) return NULL;
    return ctx->has_message ? message_in(ctx) : NULL;
}

void ctx_push(lua_State *L, struct task *task)
{
    const struct block *block = task->block;
    bool small = block && !task->run.batch && block->size <= CTX_MESSAGE_MAX;
    size_t room = small ? sizeof *block + block->size : 0;
    struct ctx *ctx = lua_newuserdata(L, sizeof *ctx + room);
    ctx->has_message = small;
    if (small) {
        *message_in(ctx) = (struct block){.references = 1, .size = block->size};
        memcpy(message_in(ctx)->bytes, block->bytes, block->size);
    }
    push_ref(L, task->script, REF_CTX);
    lua_setmetatable(L, -2);
    task->ctx = slots_add(&task->script->deliveries, task);
    ctx->token = task->ctx;
}

static void push_names(lua_State *L)
{
    lua_newtable(L);
    for (int i = FIELD_NONE + 1; i < FIELD_COUNT; i++) {
        if (!field_names[i]) continue;
        lua_pushinteger(L, i);
        lua_setfield(L, -2, field_names[i]);
    }
}

/* A C function with the upvalues of ctx, as member `name` of the metatable below them on the stack.
 */
static void set_function(lua_State *L, struct script *script, const char *name,
                         lua_CFunction function)
{
    lua_pushlightuserdata(L, script);
    lua_pushvalue(L, -3); /* names */
    lua_pushvalue(L, -5); /* moonpost.ctx */
    lua_pushcclosure(L, function, 3);
    lua_setfield(L, -2, name);
}

void ctx_register(lua_State *L, struct script *script)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "moonpost.ctx");
    lua_call(L, 1, 1);
    push_names(L);
    lua_createtable(L, 0, 4);
    set_function(L, script, "__index", ctx_index);
    set_function(L, script, "__newindex", ctx_newindex);
    set_function(L, script, "__tostring", ctx_tostring);
    lua_pushliteral(L, "moonpost.ctx");
    lua_setfield(L, -2, "__metatable");
    keep_metatable(L, script, REF_CTX);
    lua_pop(L, 2);
}
