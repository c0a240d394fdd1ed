/* JSON text to Lua values. Plain text is read in json_plain.c; the rest, and all that is wrong, by
 * jansson. What Lua could not hold exactly is refused. */
#include "script/host.h"

#include <stdio.h>

#define WHOLE_MAX (INT64_C(1) << 53)

/* NULL, or what is wrong. */
static const char *push_value(lua_State *L, const struct script *script, const json_t *value,
                              int depth, bool in_array);

static const char *push_whole(lua_State *L, json_int_t number)
{
    if (number > WHOLE_MAX || number < -WHOLE_MAX) return "a whole number beyond 2^53";
    lua_pushnumber(L, (double)number);
    return NULL;
}

static const char *push_array(lua_State *L, const struct script *script, const json_t *array,
                              int depth)
{
    size_t count = json_array_size(array);
    lua_createtable(L, (int)count, 0);
    push_ref(L, script, REF_ARRAY);
    lua_setmetatable(L, -2);
    for (size_t i = 0; i < count; i++) {
        const char *wrong = push_value(L, script, json_array_get(array, i), depth + 1, true);
        if (wrong) return wrong;
        lua_rawseti(L, -2, (int)i + 1);
    }
    return NULL;
}

static const char *push_member(lua_State *L, const struct script *script, void *at, int depth)
{
    const json_t *value = json_object_iter_value(at);
    if (json_is_null(value)) return NULL;
    lua_pushlstring(L, json_object_iter_key(at), json_object_iter_key_len(at));
    const char *wrong = push_value(L, script, value, depth + 1, false);
    if (!wrong) lua_rawset(L, -3);
    return wrong;
}

static const char *push_map(lua_State *L, const struct script *script, json_t *map, int depth)
{
    lua_createtable(L, 0, (int)json_object_size(map));
    for (void *at = json_object_iter(map); at; at = json_object_iter_next(map, at)) {
        const char *wrong = push_member(L, script, at, depth);
        if (wrong) return wrong;
    }
    return NULL;
}

static const char *push_value(lua_State *L, const struct script *script, const json_t *value,
                              int depth, bool in_array)
{
    if (depth > JSON_DEPTH_MAX || !lua_checkstack(L, 8)) return "tables nested too deeply";
    switch (json_typeof(value)) {
    case JSON_OBJECT: return push_map(L, script, (json_t *)value, depth);
    case JSON_ARRAY: return push_array(L, script, value, depth);
    case JSON_INTEGER: return push_whole(L, json_integer_value(value));
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(value), json_string_length(value));
        break;
    case JSON_REAL: lua_pushnumber(L, json_real_value(value)); break;
    case JSON_TRUE: lua_pushboolean(L, true); break;
    case JSON_FALSE: lua_pushboolean(L, false); break;
    case JSON_NULL:
        if (in_array)
            lua_pushlightuserdata(L, NULL);
        else
            lua_pushnil(L);
    }
    return NULL;
}

static const char *parse_error(struct script *script, const json_error_t *error)
{
    struct buffer *out = &script->json.out;
    char text[JSON_ERROR_TEXT_LENGTH + 64];
    int size = snprintf(text, sizeof text, "%s at line %d, column %d", error->text, error->line,
                        error->column);
    out->used = 0;
    buffer_put(out, span_of(text, (size_t)size + 1));
    return out->block->bytes;
}

const char *json_push(lua_State *L, struct script *script, struct span text)
{
    if (json_push_plain(L, script, text)) return NULL;
    json_error_t error;
    json_t **parsed = &script->json.parsed; /* kept there: pushing may raise */
    if (*parsed) json_decref(*parsed);
    *parsed = json_loadb(text.bytes ? text.bytes : "", text.size,
                         JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (!*parsed) return parse_error(script, &error);

    int top = lua_gettop(L);
    const char *wrong = push_value(L, script, *parsed, 1, false);
    json_decref(*parsed);
    *parsed = NULL;
    if (wrong) lua_settop(L, top);
    return wrong;
}
