/* Reading and writing Lua values, and the words of small enumerations. */
#include "script/host.h"

#include <math.h>

void push_span(lua_State *L, struct span span)
{
    lua_pushlstring(L, span.bytes ? span.bytes : "", span.size);
}

void push_span_or_nil(lua_State *L, struct span span)
{
    if (span.size > 0)
        push_span(L, span);
    else
        lua_pushnil(L);
}

void set_span(lua_State *L, const char *name, struct span span)
{
    push_span(L, span);
    lua_setfield(L, -2, name);
}

void set_number(lua_State *L, const char *name, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

void set_boolean(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

struct span span_at(lua_State *L, int index)
{
    size_t size;
    const char *bytes = lua_tolstring(L, index, &size);
    return span_of(bytes, bytes ? size : 0);
}

bool field_present(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    bool present = !lua_isnil(L, -1);
    lua_pop(L, 1);
    return present;
}

static _Noreturn void field_wrong(lua_State *L, const char *name, const char *wanted, int index)
{
    luaL_error(L, "%s: a %s is wanted, not a %s", name, wanted, luaL_typename(L, index));
    __builtin_unreachable();
}

struct span field_span(lua_State *L, int index, const char *name, struct arena *arena)
{
    lua_getfield(L, index, name);
    if (!lua_isnil(L, -1) && !lua_isstring(L, -1)) field_wrong(L, name, "string", -1);
    struct span span = arena_copy(arena, span_at(L, -1));
    lua_pop(L, 1);
    return span;
}

double field_number(lua_State *L, int index, const char *name, double absent)
{
    lua_getfield(L, index, name);
    if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TNUMBER) field_wrong(L, name, "number", -1);
    double number = lua_isnil(L, -1) ? absent : lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

int64_t ms_of_seconds(double seconds)
{
    double ms = seconds * 1000;
    if (!(ms < 9e15)) return DURATION_FOREVER;
    return ms < 0 ? 0 : (int64_t)llround(ms);
}

int64_t field_ms(lua_State *L, int index, const char *name, int64_t absent)
{
    double seconds = field_number(L, index, name, -1);
    return seconds < 0 ? absent : ms_of_seconds(seconds);
}

uint32_t field_count(lua_State *L, int index, const char *name, uint32_t absent)
{
    double number = field_number(L, index, name, absent);
    if (!(number < (double)UINT32_MAX)) return UINT32_MAX;
    return number < 0 ? 0 : (uint32_t)number;
}

bool field_true(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

bool value_is(lua_State *L, int index, const char *name)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
    lua_pushstring(L, "__name");
    lua_rawget(L, -2);
    bool same = span_equal(lua_type(L, -1) == LUA_TSTRING ? span_at(L, -1) : span_text(NULL),
                           span_text(name));
    lua_pop(L, 2);
    return same;
}

const char *profile_name(uint8_t profile)
{
    switch ((enum profile)profile) {
    case AT_MOST_ONCE: return "at-most-once";
    case AT_LEAST_ONCE: return "at-least-once";
    case EXACTLY_ONCE: return "exactly-once";
    }
    return "unknown";
}

uint8_t profile_from(struct span name, uint8_t absent)
{
    for (uint8_t profile = AT_MOST_ONCE; profile <= EXACTLY_ONCE; profile++)
        if (span_equal(name, span_text(profile_name(profile)))) return profile;
    return absent;
}

const char *level_name(uint8_t level)
{
    switch ((enum level)level) {
    case LEVEL_SENT: return "sent";
    case LEVEL_STORED: return "stored";
    case LEVEL_HANDLED: return "handled";
    case LEVEL_NONE:
    case LEVEL_UNKNOWN: break;
    }
    return NULL;
}

uint8_t level_from(struct span name)
{
    for (uint8_t level = LEVEL_SENT; level <= LEVEL_HANDLED; level++)
        if (span_equal(name, span_text(level_name(level)))) return level;
    return LEVEL_NONE;
}

void code_take(struct span name, uint8_t *code, struct span *word)
{
    *code = name.size > 0 ? (uint8_t)code_from_name(name) : CODE_NONE;
    if (*code == CODE_OTHER) *word = name;
}
