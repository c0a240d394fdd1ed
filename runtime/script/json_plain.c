/* Plain JSON text straight to Lua values: no tree in between.
 *
 * What is not plain is left to jansson (json_read.c), which then reads the whole text anew: every
 * fault, a code point in digits, a name with null, a number of many digits. So nothing here has to
 * say what is wrong, and what is right here is right there. */
#include "script/host.h"

#include <math.h>
#include <stdlib.h>

enum {
    HINT_BYTES_MAX = 512, /* how far ahead members are counted */
    DIGITS_MAX = 15,      /* whole numbers of so many digits are exact */
    NUMBER_BYTES_MAX = 40,
};

struct reader {
    lua_State *L;
    struct script *script;
    const char *at, *end;
};

static bool read_value(struct reader *reader, int depth, bool in_array);

/* ---- bytes ---- */

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\r' || *reader->at == '\t'))
        reader->at++;
}

static bool take(struct reader *reader, char wanted)
{
    skip_blanks(reader);
    if (reader->at == reader->end || *reader->at != wanted) return false;
    reader->at++;
    return true;
}

static bool take_word(struct reader *reader, struct span word)
{
    if ((size_t)(reader->end - reader->at) < word.size) return false;
    if (memcmp(reader->at, word.bytes, word.size) != 0) return false;
    reader->at += word.size;
    return true;
}

/* The end of a string whose inside begins at `at`; NULL: there is none. */
static const char *string_end(const char *at, const char *end)
{
    for (; at < end && *at != '"'; at++)
        if (*at == '\\') at++;
    return at < end ? at : NULL;
}

/* How many members the table that was just opened has; at least what can be seen from here. */
static int count_ahead(const struct reader *reader)
{
    size_t left = (size_t)(reader->end - reader->at);
    const char *end = reader->at + (left < HINT_BYTES_MAX ? left : HINT_BYTES_MAX);
    int count = 1, depth = 0;
    for (const char *at = reader->at; at && at < end && depth >= 0; at++) {
        if (*at == '"') at = string_end(at + 1, end);
        if (!at) break;
        depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        count += *at == ',' && depth == 0;
    }
    return count;
}

/* ---- strings ---- */

static char escaped(char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

/* The length of what can be taken as it is. */
static size_t plain_length(const char *at, const char *end)
{
    const char *start = at;
    while (at < end) {
        unsigned char c = (unsigned char)*at;
        size_t length =
            c < 0x80 ? 1 : json_utf8_length((const unsigned char *)at, (size_t)(end - at));
        if (c < 0x20 || c == '"' || c == '\\' || length == 0) break;
        at += length;
    }
    return (size_t)(at - start);
}

/* The rest of a string that has an escape; `first` is what comes before it. */
static bool read_escaped(struct reader *reader, struct span first)
{
    struct buffer *out = &reader->script->json.text;
    out->used = 0;
    buffer_put(out, first);
    while (reader->end - reader->at >= 2 && *reader->at == '\\') {
        char c = escaped(reader->at[1]);
        if (c == 0) return false;
        buffer_put(out, span_of(&c, 1));
        reader->at += 2;
        size_t size = plain_length(reader->at, reader->end);
        buffer_put(out, span_of(reader->at, size));
        reader->at += size;
    }
    if (reader->at == reader->end || *reader->at != '"') return false;
    reader->at++;
    push_span(reader->L, buffer_span(out));
    return true;
}

/* Its opening quote has been taken. */
static bool read_string(struct reader *reader)
{
    const char *start = reader->at;
    size_t size = plain_length(start, reader->end);
    reader->at += size;
    if (reader->at == reader->end) return false;
    if (*reader->at != '"') return read_escaped(reader, span_of(start, size));
    reader->at++;
    lua_pushlstring(reader->L, start, size);
    return true;
}

/* ---- numbers ---- */

static size_t count_digits(const struct reader *reader)
{
    const char *at = reader->at;
    while (at < reader->end && *at >= '0' && *at <= '9') at++;
    return (size_t)(at - reader->at);
}

static bool take_digits(struct reader *reader)
{
    size_t digits = count_digits(reader);
    reader->at += digits;
    return digits > 0;
}

/* The rest of a number after its whole part. */
static bool take_fraction(struct reader *reader)
{
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        if (!take_digits(reader)) return false;
    }
    if (reader->at == reader->end || (*reader->at != 'e' && *reader->at != 'E')) return true;
    reader->at++;
    if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-')) reader->at++;
    return take_digits(reader);
}

static bool push_real(struct reader *reader, const char *start)
{
    char text[NUMBER_BYTES_MAX];
    size_t size = (size_t)(reader->at - start);
    if (size >= sizeof text) return false;
    memcpy(text, start, size);
    text[size] = 0;
    double number = strtod(text, NULL);
    lua_pushnumber(reader->L, number);
    return isfinite(number);
}

static void push_whole(struct reader *reader, const char *digits, bool negative)
{
    int64_t number = 0;
    for (const char *at = digits; at < reader->at; at++) number = number * 10 + (*at - '0');
    lua_pushnumber(reader->L, (double)(negative ? -number : number));
}

static bool read_number(struct reader *reader)
{
    const char *start = reader->at;
    bool negative = *start == '-';
    if (negative) reader->at++;
    const char *digits = reader->at;
    size_t count = count_digits(reader);
    if (count == 0 || count > DIGITS_MAX || (count > 1 && *digits == '0')) return false;
    reader->at += count;
    const char *whole = reader->at;
    if (!take_fraction(reader)) return false;
    if (reader->at > whole) return push_real(reader, start);
    push_whole(reader, digits, negative);
    return true;
}

/* ---- tables ---- */

static bool read_items(struct reader *reader, int depth)
{
    int index = 0;
    do {
        if (!read_value(reader, depth + 1, true)) return false;
        lua_rawseti(reader->L, -2, ++index);
    } while (take(reader, ','));
    return take(reader, ']');
}

static bool read_array(struct reader *reader, int depth)
{
    bool empty = take(reader, ']');
    lua_createtable(reader->L, empty ? 0 : count_ahead(reader), 0);
    push_ref(reader->L, reader->script, REF_ARRAY);
    lua_setmetatable(reader->L, -2);
    return empty || read_items(reader, depth);
}

static bool has_name(lua_State *L)
{
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    bool there = !lua_isnil(L, -1);
    lua_pop(L, 1);
    return there;
}

static bool read_member(struct reader *reader, int depth)
{
    if (!take(reader, '"') || !read_string(reader) || has_name(reader->L)) return false;
    if (!take(reader, ':') || !read_value(reader, depth + 1, false)) return false;
    if (lua_isnil(reader->L, -1)) return false; /* a second one of that name would go unseen */
    lua_rawset(reader->L, -3);
    return true;
}

static bool read_map(struct reader *reader, int depth)
{
    bool empty = take(reader, '}');
    lua_createtable(reader->L, 0, empty ? 0 : count_ahead(reader));
    if (empty) return true;
    do {
        if (!read_member(reader, depth)) return false;
    } while (take(reader, ','));
    return take(reader, '}');
}

/* ---- values ---- */

static bool read_null(struct reader *reader, bool in_array)
{
    if (!take_word(reader, span_text("null"))) return false;
    if (in_array)
        lua_pushlightuserdata(reader->L, NULL);
    else
        lua_pushnil(reader->L);
    return true;
}

static bool read_boolean(struct reader *reader, bool value)
{
    if (!take_word(reader, span_text(value ? "true" : "false"))) return false;
    lua_pushboolean(reader->L, value);
    return true;
}

static bool read_value(struct reader *reader, int depth, bool in_array)
{
    skip_blanks(reader);
    if (reader->at == reader->end || depth > JSON_DEPTH_MAX) return false;
    if (!lua_checkstack(reader->L, 8)) return false;
    switch (*reader->at) {
    case '{': reader->at++; return read_map(reader, depth);
    case '[': reader->at++; return read_array(reader, depth);
    case '"': reader->at++; return read_string(reader);
    case 't': return read_boolean(reader, true);
    case 'f': return read_boolean(reader, false);
    case 'n': return read_null(reader, in_array);
    default: return read_number(reader);
    }
}

bool json_push_plain(lua_State *L, struct script *script, struct span text)
{
    if (text.size == 0) return false;
    int top = lua_gettop(L);
    struct reader reader = {L, script, text.bytes, text.bytes + text.size};
    bool read = read_value(&reader, 1, false);
    skip_blanks(&reader);
    if (read && reader.at == reader.end) return true;
    lua_settop(L, top);
    return false;
}
