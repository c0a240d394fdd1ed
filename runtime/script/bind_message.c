/* msg: what the sender made, as a table that decodes a field when it is first read.
 *
 * All of them share a metatable. At [0] a msg has what it reads from: the ctx of its delivery with
 * a copy of a small message; or a holder of a block, so that a msg that outlives its delivery still
 * reads true; or, in policies, a holder of a message that is lent for the length of a question.
 * Once all fields are there, [0] is gone: scripts that list a msg (strict.lua) see fields only. */
#include "script/host.h"

struct message_holder {
    struct block *block;
    const struct message *lent;
};

enum field {
    FIELD_ID = 1,
    FIELD_TO,
    FIELD_FROM,
    FIELD_KEY,
    FIELD_METHOD,
    FIELD_TOPIC,
    FIELD_HEADERS,
    FIELD_BODY,
    FIELD_SENT_AT,
    FIELD_COUNT,
};

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_ID] = "id",           [FIELD_TO] = "to",         [FIELD_FROM] = "from",
    [FIELD_KEY] = "key",         [FIELD_METHOD] = "method", [FIELD_TOPIC] = "topic",
    [FIELD_HEADERS] = "headers", [FIELD_BODY] = "body",     [FIELD_SENT_AT] = "sent_at",
};

void push_headers(lua_State *L, struct span headers)
{
    struct span name, value;
    lua_newtable(L);
    while (headers_next(&headers, &name, &value)) {
        push_span(L, name);
        push_span(L, value);
        lua_rawset(L, -3);
    }
}

void push_body(lua_State *L, struct script *script, uint8_t encoding, struct span bytes)
{
    if (encoding != ENCODING_JSON) {
        push_span(L, bytes);
        return;
    }
    const char *wrong = json_push(L, script, bytes);
    if (wrong) error_raise(L, script, "BAD_VALUE", "body: it is said to be JSON: %s", wrong);
}

static void push_field(lua_State *L, struct script *script, const struct message *message,
                       enum field field)
{
    switch (field) {
    case FIELD_ID: push_span(L, message->id); break;
    case FIELD_TO: push_span(L, message->to); break;
    case FIELD_FROM: push_span(L, message->from); break;
    case FIELD_KEY: push_span_or_nil(L, message->key); break;
    case FIELD_METHOD: push_span_or_nil(L, message->method); break;
    case FIELD_TOPIC: push_span_or_nil(L, message->topic); break;
    case FIELD_HEADERS: push_headers(L, message->headers); break;
    case FIELD_BODY: push_body(L, script, message->encoding, message->body); break;
    case FIELD_SENT_AT: lua_pushnumber(L, (double)message->sent_at_ms / 1000); break;
    case FIELD_COUNT: lua_pushnil(L);
    }
}

static struct message message_held(lua_State *L, struct script *script,
                                   const struct message_holder *holder)
{
    if (!holder->block && !holder->lent)
        error_raise(L, script, "GONE", "this msg was lent to a policy, which has answered");
    return holder->block ? message_of(holder->block) : *holder->lent;
}

/* What the msg at index 1 reads from; false: nothing more. */
static bool message_source(lua_State *L, struct script *script, struct message *message)
{
    lua_rawgeti(L, 1, 0);
    const struct block *block = ctx_message(L, script, -1);
    const struct message_holder *holder =
        !block && has_metatable(L, script, -1, REF_HOLDER) ? lua_touserdata(L, -1) : NULL;
    if (block)
        *message = message_of(block);
    else if (holder)
        *message = message_held(L, script, holder);
    lua_pop(L, 1);
    return block || holder;
}

/* The name at index 2 is no field, and was not set. */
static int message_unknown(lua_State *L, const struct script *script)
{
    if (lua_type(L, 2) != LUA_TSTRING) return 0;
    push_ref(L, script, REF_UNKNOWN);
    lua_pushvalue(L, 2);
    lua_call(L, 1, 0);
    return 0;
}

/* Upvalues: script, table from names to fields. */
static int message_index(lua_State *L)
{
    struct message message;
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    if (lua_isnil(L, 3)) return message_unknown(L, script);
    if (!lua_istable(L, 1) || !message_source(L, script, &message)) return 0;
    push_field(L, script, &message, (enum field)lua_tointeger(L, 3));
    if (lua_isnil(L, -1)) return 1;
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
    return 1;
}

bool message_complete(lua_State *L, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
    bool is_msg = lua_topointer(L, -1) == script_of(L)->tables[REF_MESSAGE];
    lua_pop(L, 1);
    if (!is_msg) return false;
    for (int i = FIELD_ID; i < FIELD_COUNT; i++) {
        lua_getfield(L, index, field_names[i]);
        lua_pop(L, 1);
    }
    lua_pushvalue(L, index);
    lua_pushnil(L);
    lua_rawseti(L, -2, 0);
    lua_pop(L, 1);
    return true;
}

/* runtime.message_complete(msg): decode what is left of it, when it is one. */
int runtime_message_complete(lua_State *L)
{
    message_complete(L, 1);
    return 0;
}

static int holder_gc(lua_State *L)
{
    struct message_holder *holder = lua_touserdata(L, 1);
    block_release(holder->block);
    holder->block = NULL;
    return 0;
}

/* A msg without what it reads from; room for two fields. */
static void push_msg(lua_State *L, const struct script *script)
{
    lua_createtable(L, 1, 2);
    push_ref(L, script, REF_MESSAGE);
    lua_setmetatable(L, -2);
}

static struct message_holder *push_held(lua_State *L, const struct script *script)
{
    push_msg(L, script);
    struct message_holder *holder = lua_newuserdata(L, sizeof *holder);
    *holder = (struct message_holder){0};
    push_ref(L, script, REF_HOLDER);
    lua_setmetatable(L, -2);
    lua_rawseti(L, -2, 0);
    return holder;
}

void message_push(lua_State *L, const struct script *script, struct block *block)
{
    struct message_holder *holder = push_held(L, script);
    holder->block = block_retain(block);
}

/* A small body that needs no decoding is there from the start: most handlers read it. */
static void push_small(lua_State *L, const struct task *task, const struct message *message,
                       int ctx)
{
    push_msg(L, task->script);
    lua_pushvalue(L, ctx);
    lua_rawseti(L, -2, 0);
    if (message->encoding == ENCODING_JSON) return;
    push_ref(L, task->script, REF_BODY);
    push_span(L, message->body);
    lua_rawset(L, -3);
}

void message_push_delivered(lua_State *L, const struct task *task, int ctx)
{
    const struct block *small = ctx_message(L, task->script, ctx);
    struct message message = message_of(task->block);
    if (small)
        push_small(L, task, &message, ctx);
    else
        message_push(L, task->script, task->block);
    if (message.method.size > 0)
        push_span(L, message.method);
    else
        lua_pushboolean(L, false);
}

struct message_holder *message_lend(lua_State *L, const struct script *script,
                                    const struct message *message)
{
    struct message_holder *holder = push_held(L, script);
    holder->lent = message;
    return holder;
}

void message_let_go(struct message_holder *holder)
{
    holder->lent = NULL;
}

static void push_index(lua_State *L, struct script *script)
{
    lua_pushlightuserdata(L, script);
    lua_newtable(L);
    for (int i = FIELD_ID; i < FIELD_COUNT; i++) {
        lua_pushinteger(L, i);
        lua_setfield(L, -2, field_names[i]);
    }
    lua_pushcclosure(L, message_index, 2);
}

void message_register(lua_State *L, struct script *script)
{
    lua_pushstring(L, field_names[FIELD_BODY]);
    script->refs[REF_BODY] = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_createtable(L, 0, 2);
    push_index(L, script);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "moonpost.msg");
    lua_setfield(L, -2, "__metatable");
    keep_metatable(L, script, REF_MESSAGE);
    lua_newtable(L);
    lua_pushcfunction(L, holder_gc);
    lua_setfield(L, -2, "__gc");
    keep_metatable(L, script, REF_HOLDER);
}
