/* msg: what the sender made, as a table that decodes a field when it is first read.
 *
 * Its metatable is its own and holds, at [1], what it reads from: a block of which it keeps a
 * reference, so that a msg that outlives its delivery still reads true; or, in policies, a message
 * that is lent for the length of a question. */
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

/* What the table at `index` reads from; NULL when it is not a msg. */
static struct message_holder *holder_at(lua_State *L, const struct script *script, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return NULL;
    lua_rawgeti(L, -1, 1);
    struct message_holder *holder = NULL;
    if (lua_type(L, -1) == LUA_TUSERDATA && lua_getmetatable(L, -1)) {
        push_ref(L, script, REF_HOLDER);
        if (lua_rawequal(L, -1, -2)) holder = lua_touserdata(L, -3);
        lua_pop(L, 2);
    }
    lua_pop(L, 2);
    return holder;
}

/* Upvalues: script, table from names to fields. */
static int message_index(lua_State *L)
{
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    const struct message_holder *holder = holder_at(L, script, 1);
    if (!holder || lua_isnil(L, 3)) return 0;
    struct message message = message_held(L, script, holder);
    push_field(L, script, &message, (enum field)lua_tointeger(L, 3));
    if (lua_isnil(L, -1)) return 1;
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
    return 1;
}

bool message_complete(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index)) return false;
    lua_pop(L, 1);
    if (!holder_at(L, script_of(L), index)) return false;
    for (int i = FIELD_ID; i < FIELD_COUNT; i++) {
        lua_getfield(L, index, field_names[i]);
        lua_pop(L, 1);
    }
    return true;
}

static int holder_gc(lua_State *L)
{
    struct message_holder *holder = lua_touserdata(L, 1);
    block_release(holder->block);
    holder->block = NULL;
    return 0;
}

static struct message_holder *push_msg(lua_State *L, const struct script *script)
{
    lua_createtable(L, 0, 4);
    lua_createtable(L, 1, 1);
    struct message_holder *holder = lua_newuserdata(L, sizeof *holder);
    *holder = (struct message_holder){0};
    push_ref(L, script, REF_HOLDER);
    lua_setmetatable(L, -2);
    lua_rawseti(L, -2, 1);
    push_ref(L, script, REF_MESSAGE);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    return holder;
}

void message_push(lua_State *L, const struct script *script, struct block *block)
{
    struct message_holder *holder = push_msg(L, script);
    holder->block = block_retain(block);
}

struct message_holder *message_lend(lua_State *L, const struct script *script,
                                    const struct message *message)
{
    struct message_holder *holder = push_msg(L, script);
    holder->lent = message;
    return holder;
}

void message_let_go(struct message_holder *holder)
{
    holder->lent = NULL;
}

static void register_index(lua_State *L, struct script *script)
{
    lua_pushlightuserdata(L, script);
    lua_newtable(L);
    for (int i = FIELD_ID; i < FIELD_COUNT; i++) {
        lua_pushinteger(L, i);
        lua_setfield(L, -2, field_names[i]);
    }
    lua_pushcclosure(L, message_index, 2);
    script->refs[REF_MESSAGE] = luaL_ref(L, LUA_REGISTRYINDEX);
}

void message_register(lua_State *L, struct script *script)
{
    register_index(L, script);
    lua_newtable(L);
    lua_pushcfunction(L, holder_gc);
    lua_setfield(L, -2, "__gc");
    script->refs[REF_HOLDER] = luaL_ref(L, LUA_REGISTRYINDEX);
}
