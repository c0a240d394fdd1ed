/* What hooks look at: an envelope, or a fact and the envelope it is about. Read-only, and only for
 * the length of the question. */
#include "script/host.h"

struct envelope_view {
    const struct look *look; /* NULL: the hook has answered */
    bool caches;             /* its environment table holds decoded fields */
};

/* clang-format off */
#define FIELD_MAP(X) \
    X(type) X(id) X(ref) X(ok) X(code) X(level) X(to) X(from) X(key) X(method) X(topic) \
    X(profile) X(transmission) X(expires) X(bytes) X(headers) X(body) \
    X(fact) X(at) X(reason) X(delay) X(attempt) X(link) X(generation) X(dup) X(waiting)

enum field {
    FIELD_none,
#define X(name) FIELD_##name,
    FIELD_MAP(X)
#undef X
    FIELD_COUNT
};

static const char *const field_names[] = {
    NULL,
#define X(name) #name,
    FIELD_MAP(X)
#undef X
};
/* clang-format on */

/* A look taken apart: what is not there is NULL. */
struct parts {
    struct script *script;
    struct script_host *host;
    const struct message *message;
    const struct receipt *receipt;
    const struct fact *fact;
    struct span ref;
};

static struct parts parts_of(struct script *script, const struct look *look, struct message *room)
{
    struct parts parts = {.script = script, .host = look->host, .fact = look->fact};
    if (look->envelope) {
        parts.message = look->envelope->message;
        parts.receipt = look->envelope->receipt;
        parts.ref = look->envelope->ref;
    } else if (look->fact->block) {
        *room = message_of(look->fact->block);
        parts.message = room;
    }
    return parts;
}

/* ---- fields ---- */

static void push_word_or_nil(lua_State *L, uint8_t code, struct span word)
{
    if (code == CODE_NONE)
        lua_pushnil(L);
    else if (code == CODE_OTHER && word.size > 0)
        push_span(L, word);
    else
        lua_pushstring(L, code_name((enum code)code));
}

static void push_moment(lua_State *L, const struct parts *parts, uint64_t remaining_ms)
{
    if (remaining_ms == REMAINING_FOREVER) {
        lua_pushnil(L);
        return;
    }
    int64_t now_ms = parts->host->env.wall_ms(parts->host->env.user);
    lua_pushnumber(L, (double)now_ms / 1000 + (double)remaining_ms / 1000);
}

static void push_message_field(lua_State *L, const struct parts *parts, enum field field)
{
    const struct message *message = parts->message;
    switch (field) {
    case FIELD_type: lua_pushstring(L, message->topic.size > 0 ? "event" : "message"); break;
    case FIELD_id: push_span(L, message->id); break;
    case FIELD_level: lua_pushstring(L, level_name(message->level)); break;
    case FIELD_to: push_span(L, message->to); break;
    case FIELD_from: push_span_or_nil(L, message->from); break;
    case FIELD_key: push_span_or_nil(L, message->key); break;
    case FIELD_method: push_span_or_nil(L, message->method); break;
    case FIELD_topic: push_span_or_nil(L, message->topic); break;
    case FIELD_profile: lua_pushstring(L, profile_name(message->profile)); break;
    case FIELD_transmission: lua_pushnumber(L, message->transmission); break;
    case FIELD_expires: push_moment(L, parts, message->remaining_ms); break;
    case FIELD_bytes: lua_pushnumber(L, (double)message->body.size); break;
    case FIELD_headers: push_headers(L, message->headers); break;
    case FIELD_body: push_body(L, parts->script, message->encoding, message->body); break;
    default: lua_pushnil(L);
    }
}

static void push_receipt_field(lua_State *L, const struct parts *parts, enum field field)
{
    const struct receipt *receipt = parts->receipt;
    switch (field) {
    case FIELD_type: lua_pushliteral(L, "receipt"); break;
    case FIELD_ref: push_span_or_nil(L, parts->ref.size > 0 ? parts->ref : receipt->ref); break;
    case FIELD_ok: lua_pushboolean(L, !(receipt->flags & RECEIPT_NACK)); break;
    case FIELD_dup: lua_pushboolean(L, receipt->flags & RECEIPT_DUP); break;
    case FIELD_code: push_word_or_nil(L, receipt->code, receipt->word); break;
    case FIELD_reason: push_span_or_nil(L, receipt->reason); break;
    case FIELD_level: lua_pushstring(L, level_name(receipt->level)); break;
    case FIELD_transmission: lua_pushnumber(L, receipt->transmission); break;
    case FIELD_bytes: lua_pushnumber(L, (double)receipt->result.size); break;
    case FIELD_body:
        if (receipt->result.size == 0)
            lua_pushnil(L);
        else
            push_body(L, parts->script, receipt->result_encoding, receipt->result);
        break;
    default: lua_pushnil(L);
    }
}

static void push_generation(lua_State *L, const struct parts *parts)
{
    const struct agent *agent =
        parts->message ? agent_of_address(parts->host, parts->message->to) : NULL;
    if (agent)
        lua_pushnumber(L, agent->generation);
    else
        lua_pushnil(L);
}

static bool is_about_link(const struct fact *fact)
{
    return fact->kind == FACT_LINK_UP || fact->kind == FACT_LINK_DOWN ||
           fact->kind == FACT_LINK_FAILED;
}

static void push_number_above(lua_State *L, double number, double least)
{
    if (number >= least)
        lua_pushnumber(L, number);
    else
        lua_pushnil(L);
}

static void push_ok(lua_State *L, const struct fact *fact)
{
    if (fact->kind == FACT_ACKED || fact->kind == FACT_NACKED)
        lua_pushboolean(L, fact->kind == FACT_ACKED);
    else
        lua_pushnil(L);
}

/* False: the fact itself has no such field. */
static bool push_fact_field(lua_State *L, const struct parts *parts, enum field field)
{
    const struct fact *fact = parts->fact;
    struct script_env *env = &parts->host->env;
    switch (field) {
    case FIELD_fact: lua_pushstring(L, fact_name(fact->kind)); return true;
    case FIELD_at: lua_pushnumber(L, (double)env->wall_ms(env->user) / 1000); return true;
    case FIELD_ok: push_ok(L, fact); return true;
    case FIELD_code: push_word_or_nil(L, fact->code, fact->word); return true;
    case FIELD_reason: push_span_or_nil(L, fact->reason); return true;
    case FIELD_delay: push_number_above(L, (double)fact->delay_ms / 1000, 0); return true;
    case FIELD_attempt: push_number_above(L, fact->attempt, 1); return true;
    case FIELD_generation: push_generation(L, parts); return true;
    case FIELD_dup: lua_pushboolean(L, fact->dup); return true;
    case FIELD_waiting: push_number_above(L, fact->waiting, 1); return true;
    case FIELD_link:
        push_span_or_nil(L,
                         is_about_link(fact) && fact->link.size == 0 ? fact->subject : fact->link);
        return true;
    case FIELD_level:
        if (fact->level == LEVEL_NONE) return false;
        lua_pushstring(L, level_name(fact->level));
        return true;
    case FIELD_transmission:
        if (fact->transmission == 0) return false;
        lua_pushnumber(L, fact->transmission);
        return true;
    case FIELD_id:
        if (parts->message || is_about_link(fact)) return false;
        push_span_or_nil(L, fact->subject);
        return true;
    default: return false;
    }
}

static void push_field(lua_State *L, const struct parts *parts, enum field field)
{
    if (parts->fact && push_fact_field(L, parts, field)) return;
    if (parts->receipt)
        push_receipt_field(L, parts, field);
    else if (parts->message)
        push_message_field(L, parts, field);
    else
        lua_pushnil(L);
}

/* ---- the value ---- */

static struct envelope_view *view_at(lua_State *L, struct script *script, int index)
{
    struct envelope_view *view = lua_touserdata(L, index);
    bool is_view = false;
    if (view && lua_getmetatable(L, index)) {
        push_ref(L, script, REF_ENVELOPE);
        is_view = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    if (!is_view) luaL_error(L, "an envelope is wanted: call it with a colon");
    if (!view->look)
        error_raise(L, script, "GONE", "an envelope is there only while its hook runs");
    return view;
}

static void push_field_of(lua_State *L, struct script *script, const struct look *look,
                          enum field field)
{
    struct message room;
    struct parts parts = parts_of(script, look, &room);
    push_field(L, &parts, field);
}

/* Decoded once: headers and body. The view is at index 1. */
static void push_cached(lua_State *L, struct script *script, struct envelope_view *view,
                        enum field field)
{
    if (!view->caches) {
        lua_newtable(L);
        lua_setfenv(L, 1);
        view->caches = true;
    }
    lua_getfenv(L, 1);
    lua_rawgeti(L, -1, (int)field);
    if (!lua_isnil(L, -1)) return;
    push_field_of(L, script, view->look, field);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -4, (int)field);
}

static void push_named(lua_State *L, struct script *script, struct envelope_view *view,
                       enum field field)
{
    if (field == FIELD_headers || field == FIELD_body)
        push_cached(L, script, view, field);
    else
        push_field_of(L, script, view->look, field);
}

/* envelope:table(): upvalue: script. */
static int envelope_table(lua_State *L)
{
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    struct envelope_view *view = view_at(L, script, 1);
    lua_settop(L, 1);
    lua_createtable(L, 0, FIELD_COUNT);
    for (int field = FIELD_none + 1; field < FIELD_COUNT; field++) {
        push_named(L, script, view, (enum field)field);
        lua_setfield(L, 2, field_names[field]);
        lua_settop(L, 2);
    }
    return 1;
}

/* Upvalues: script, table from names to fields (and to envelope_table). */
static int envelope_index(lua_State *L)
{
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    struct envelope_view *view = view_at(L, script, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    if (lua_type(L, -1) == LUA_TNUMBER)
        push_named(L, script, view, (enum field)lua_tointeger(L, -1));
    return 1;
}

static int envelope_newindex(lua_State *L)
{
    return luaL_error(
        L, "an envelope is read-only: return { headers = ..., body = ... } to change it");
}

struct envelope_view *envelope_push(lua_State *L, const struct script *script,
                                    const struct look *look)
{
    struct envelope_view *view = lua_newuserdata(L, sizeof *view);
    *view = (struct envelope_view){.look = look};
    push_ref(L, script, REF_ENVELOPE);
    lua_setmetatable(L, -2);
    return view;
}

void envelope_let_go(struct envelope_view *view)
{
    view->look = NULL;
}

static void push_names(lua_State *L, struct script *script)
{
    lua_newtable(L);
    for (int field = FIELD_none + 1; field < FIELD_COUNT; field++) {
        lua_pushinteger(L, field);
        lua_setfield(L, -2, field_names[field]);
    }
    lua_pushlightuserdata(L, script);
    lua_pushcclosure(L, envelope_table, 1);
    lua_setfield(L, -2, "table");
}

void envelope_register(lua_State *L, struct script *script)
{
    lua_newtable(L);
    lua_pushlightuserdata(L, script);
    push_names(L, script);
    lua_pushcclosure(L, envelope_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, envelope_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "moonpost.envelope");
    lua_setfield(L, -2, "__metatable");
    script->refs[REF_ENVELOPE] = luaL_ref(L, LUA_REGISTRYINDEX);
}
