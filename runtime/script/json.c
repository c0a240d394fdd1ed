/* Lua values to JSON text: keys sorted, whole numbers exact up to 2^53, nothing left out silently.
 *
 * Written straight into a buffer that belongs to the state: a raised error leaks nothing. */
#include "script/host.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53 */

/* One table that is being written. */
struct nesting {
    const void *identity;
    struct span key; /* of the member at work; NULL bytes: an index */
    size_t index;
};

struct writer {
    lua_State *L;
    struct script *script;
    struct buffer *out;
    struct arena *keys;
    struct nesting levels[JSON_DEPTH_MAX];
    int depth;
};

static void write_value(struct writer *writer, int index);

/* ---- errors ---- */

static bool is_word(struct span text)
{
    if (text.size == 0 || (text.bytes[0] >= '0' && text.bytes[0] <= '9')) return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(c >= '0' && c <= '9')) return false;
    }
    return true;
}

static void add_segment(luaL_Buffer *text, const struct nesting *level, bool first)
{
    char number[32];
    if (!level->key.bytes) {
        snprintf(number, sizeof number, "[%zu]", level->index);
        luaL_addstring(text, number);
    } else if (is_word(level->key)) {
        if (!first) luaL_addchar(text, '.');
        luaL_addlstring(text, level->key.bytes, level->key.size);
    } else {
        luaL_addstring(text, "[\"");
        luaL_addlstring(text, level->key.bytes, level->key.size < 64 ? level->key.size : 64);
        luaL_addstring(text, "\"]");
    }
}

/* Raise BAD_VALUE: the path, a space, what is wrong. */
static _Noreturn void refuse(struct writer *writer, const char *what)
{
    luaL_Buffer path;
    luaL_buffinit(writer->L, &path);
    for (int i = 0; i < writer->depth; i++) add_segment(&path, &writer->levels[i], i == 0);
    luaL_pushresult(&path);
    error_raise(writer->L, writer->script, "BAD_VALUE", "%s %s", lua_tostring(writer->L, -1), what);
}

/* ---- scalars ---- */

static void put_text(struct writer *writer, const char *text)
{
    buffer_put(writer->out, span_text(text));
}

static void write_whole(struct writer *writer, int64_t number)
{
    char text[24], *end = text + sizeof text, *at = end;
    bool negative = number < 0;
    uint64_t left = (uint64_t)(negative ? -number : number);
    do *--at = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (negative) *--at = '-';
    buffer_put(writer->out, span_of(at, (size_t)(end - at)));
}

static void write_number(struct writer *writer, double number)
{
    char text[40];
    if (isnan(number)) refuse(writer, "is not a number (nan)");
    if (isinf(number)) refuse(writer, "is an infinite number");
    if (number == floor(number)) {
        if (fabs(number) > WHOLE_MAX) refuse(writer, "is a whole number beyond 2^53");
        write_whole(writer, (int64_t)number);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) { /* the shortest that reads back the same */
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
    }
    put_text(writer, text);
}

size_t json_utf8_length(const unsigned char *at, size_t left)
{
    if (at[0] < 0x80) return 1;
    size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if (at[0] == 0xe0 && at[1] < 0xa0) return 0;
    if (at[0] == 0xed && at[1] > 0x9f) return 0; /* surrogates */
    if (at[0] == 0xf0 && at[1] < 0x90) return 0;
    if (at[0] == 0xf4 && at[1] > 0x8f) return 0;
    return length;
}

static void write_escape(struct writer *writer, unsigned char c)
{
    char text[8];
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *pair = letters; *pair; pair += 2) {
        if ((unsigned char)*pair != c) continue;
        char escape[3] = {'\\', pair[1], 0};
        put_text(writer, escape);
        return;
    }
    snprintf(text, sizeof text, "\\u%04x", c);
    put_text(writer, text);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* False: not UTF-8. */
static bool write_string(struct writer *writer, struct span text)
{
    const unsigned char *at = (const unsigned char *)text.bytes, *end = at + text.size;
    put_text(writer, "\"");
    while (at < end) {
        const unsigned char *run = at;
        while (at < end && is_plain(*at)) at++;
        buffer_put(writer->out, span_of((const char *)run, (size_t)(at - run)));
        if (at == end) break;
        size_t length = json_utf8_length(at, (size_t)(end - at));
        if (length == 0) return false;
        if (length == 1)
            write_escape(writer, *at);
        else
            buffer_put(writer->out, span_of((const char *)at, length));
        at += length;
    }
    put_text(writer, "\"");
    return true;
}

/* ---- tables ---- */

static bool is_array(struct writer *writer, int index)
{
    if (!lua_getmetatable(writer->L, index)) return false;
    push_ref(writer->L, writer->script, REF_ARRAY);
    bool same = lua_rawequal(writer->L, -1, -2);
    lua_pop(writer->L, 2);
    return same;
}

/* The number of members; all keys are strings (`*strings` of them) or counted in `*numbers`. */
static void count_keys(struct writer *writer, int index, size_t *numbers, size_t *strings)
{
    lua_State *L = writer->L;
    *numbers = *strings = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        int type = lua_type(L, -2);
        if (type == LUA_TNUMBER)
            ++*numbers;
        else if (type == LUA_TSTRING)
            ++*strings;
        else {
            lua_pushfstring(L, "has a key that is a %s", lua_typename(L, type));
            refuse(writer, lua_tostring(L, -1));
        }
    }
}

static void write_array(struct writer *writer, int index, size_t count)
{
    lua_State *L = writer->L;
    struct nesting *level = &writer->levels[writer->depth++];
    put_text(writer, "[");
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, index, (int)i);
        if (lua_isnil(L, -1)) {
            writer->depth--;
            lua_pushfstring(L, "has a hole at [%d]", (int)i);
            refuse(writer, lua_tostring(L, -1));
        }
        *level = (struct nesting){.identity = level->identity, .index = i};
        if (i > 1) put_text(writer, ",");
        write_value(writer, lua_gettop(L));
        lua_pop(L, 1);
    }
    put_text(writer, "]");
    writer->depth--;
}

static int by_bytes(const void *a, const void *b)
{
    const struct span *left = a, *right = b;
    size_t size = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->bytes, right->bytes, size);
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

static struct span *sorted_keys(struct writer *writer, int index, size_t count)
{
    lua_State *L = writer->L;
    struct span *keys = arena_take(writer->keys, count * sizeof *keys), *key = keys;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) *key++ = span_at(L, -2);
    if (count > 1) qsort(keys, count, sizeof *keys, by_bytes);
    return keys;
}

static void write_member(struct writer *writer, int index, struct span key)
{
    lua_State *L = writer->L;
    if (!write_string(writer, key)) refuse(writer, "is a name that is not UTF-8");
    put_text(writer, ":");
    push_span(L, key);
    lua_rawget(L, index);
    write_value(writer, lua_gettop(L));
    lua_pop(L, 1);
}

static void write_map(struct writer *writer, int index, size_t count)
{
    struct nesting *level = &writer->levels[writer->depth++];
    struct span *keys = count > 0 ? sorted_keys(writer, index, count) : NULL;
    put_text(writer, "{");
    for (size_t i = 0; i < count; i++) {
        level->key = keys[i];
        if (i > 0) put_text(writer, ",");
        write_member(writer, index, keys[i]);
    }
    put_text(writer, "}");
    writer->depth--;
}

static void enter_table(struct writer *writer, int index)
{
    const void *identity = lua_topointer(writer->L, index);
    for (int i = 0; i < writer->depth; i++)
        if (writer->levels[i].identity == identity) refuse(writer, "contains itself");
    if (writer->depth == JSON_DEPTH_MAX) refuse(writer, "is nested too deeply");
    luaL_checkstack(writer->L, 8, "a value that is nested too deeply");
    writer->levels[writer->depth] = (struct nesting){.identity = identity};
}

static void write_table(struct writer *writer, int index)
{
    size_t numbers, strings;
    enter_table(writer, index);
    message_complete(writer->L, index);
    count_keys(writer, index, &numbers, &strings);
    bool array = numbers > 0 || is_array(writer, index);
    if (array && strings > 0) refuse(writer, "has both numbers and names as keys");
    if (!array) {
        write_map(writer, index, strings);
        return;
    }
    if (numbers > INT32_MAX) refuse(writer, "is too long");
    write_array(writer, index, numbers);
}

/* ---- all ---- */

static void write_value(struct writer *writer, int index)
{
    lua_State *L = writer->L;
    switch (lua_type(L, index)) {
    case LUA_TNIL: put_text(writer, "null"); return;
    case LUA_TBOOLEAN: put_text(writer, lua_toboolean(L, index) ? "true" : "false"); return;
    case LUA_TNUMBER: write_number(writer, lua_tonumber(L, index)); return;
    case LUA_TSTRING:
        if (!write_string(writer, span_at(L, index)))
            refuse(writer, "is a string that is not UTF-8");
        return;
    case LUA_TTABLE: write_table(writer, index); return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, index)) {
            put_text(writer, "null");
            return;
        }
    }
    lua_pushfstring(L, "is a %s", luaL_typename(L, index));
    refuse(writer, lua_tostring(L, -1));
}

struct span json_write(lua_State *L, struct script *script, int index)
{
    if (index < 0) index += lua_gettop(L) + 1;
    struct writer writer = {
        .L = L, .script = script, .out = &script->json.out, .keys = &script->json.keys};
    writer.out->used = 0;
    arena_reset(writer.keys);
    write_value(&writer, index);
    return buffer_span(writer.out);
}

void json_deinit(struct json_scratch *scratch)
{
    buffer_deinit(&scratch->out);
    buffer_deinit(&scratch->text);
    arena_deinit(&scratch->keys);
    if (scratch->parsed) json_decref(scratch->parsed);
    *scratch = (struct json_scratch){0};
}
