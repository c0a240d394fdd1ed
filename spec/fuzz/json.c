/* JSON of anybody: what the plain reader takes, jansson takes too and reads as the same; what was
 * read and can be written reads as the same again. */
#include "state.h"
#include "tape.h"

enum { TEXT_MAX = 4096 };

/* As a text, or "" when it cannot be written: a number that is whole and beyond 2^53. */
static int write_value(lua_State *L)
{
    push_span(L, json_write(L, lua_touserdata(L, lua_upvalueindex(1)), 1));
    return 1;
}

/* Replace the value on top by its text. */
static struct span written(lua_State *L, struct script *script)
{
    lua_pushlightuserdata(L, script);
    lua_pushcclosure(L, write_value, 1);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 1, 0) == 0) return span_at(L, -1);
    lua_pop(L, 1);
    lua_pushliteral(L, "");
    return span_at(L, -1);
}

/* Read by jansson alone, beside a code point in digits, which is not plain. NULL, or what is wrong.
 */
static const char *push_slowly(lua_State *L, struct script *script, struct span text)
{
    struct buffer out = {0};
    buffer_put(&out, span_text("["));
    buffer_put(&out, text);
    buffer_put(&out, span_text(",\"\\u0041\"]"));
    const char *wrong = json_push(L, script, buffer_span(&out));
    buffer_deinit(&out);
    if (wrong) return wrong;
    ensure(lua_objlen(L, -1) >= 2);
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
    return NULL;
}

/* A value at the top is nothing as null, an item of a list is moonpost.null. */
static bool is_null(struct span written)
{
    return span_equal(written, span_text("null"));
}

static void compare(lua_State *L, struct script *script, struct span text)
{
    const char *wrong = push_slowly(L, script, text);
    if (wrong) {
        ensure(strcmp(wrong, "tables nested too deeply") == 0); /* there is one around it */
        lua_pushvalue(L, -1);
    }
    struct span slowly = written(L, script);
    lua_pushvalue(L, -2);
    struct span plainly = written(L, script);
    ensure(wrong || is_null(slowly) || span_equal(slowly, plainly));
    lua_pop(L, 2);
}

static void read_again(lua_State *L, struct script *script)
{
    struct span text = written(L, script);
    if (text.size == 0) return;
    ensure(json_push(L, script, text) == NULL);
    ensure(span_equal(written(L, script), text));
    lua_pop(L, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct script *script = fuzz_state();
    lua_State *L = script->L;
    struct span text = span_of((const char *)bytes, size < TEXT_MAX ? size : TEXT_MAX);
    int top = lua_gettop(L);
    if (json_push_plain(L, script, text)) {
        ensure(lua_gettop(L) == top + 1);
        compare(L, script, text);
    } else {
        ensure(lua_gettop(L) == top);
        if (json_push(L, script, text)) lua_pushnil(L);
    }
    read_again(L, script);
    lua_settop(L, top);
    lua_gc(L, LUA_GCSTEP, 1);
    return 0;
}
