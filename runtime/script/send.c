/* Send tables, as the facade makes them, to what the engine takes. */
#include "script/host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- ids ---- */

/* Milliseconds since 1970, then randomness that grows by one within the same millisecond. */
static void next_id(struct script_host *host)
{
    uint64_t now_ms = (uint64_t)host->env.wall_ms(host->env.user);
    if (now_ms <= host->id_ms) {
        if (++host->id_low == 0) host->id_high++;
        return;
    }
    host->id_ms = now_ms;
    host->id_high = host->env.random(host->env.user) >> 49; /* 15 of 16 bits: room to grow */
    host->id_low = host->env.random(host->env.user);
}

void new_id(struct script_host *host, char id[NEW_ID_BYTES])
{
    static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    next_id(host);
    uint64_t high = host->id_ms << 16 | (host->id_high & 0xffff), low = host->id_low;
    for (int i = NEW_ID_BYTES - 1; i >= 0; i--) {
        id[i] = letters[low & 31];
        low = low >> 5 | high << 59;
        high >>= 5;
    }
}

enum { DIGEST_BYTES = 33 }; /* "~" and 32 digits */

static uint64_t hash(struct span text, uint64_t value)
{
    for (size_t i = 0; i < text.size; i++)
        value = (value ^ (unsigned char)text.bytes[i]) * 0x100000001b3u;
    return value ^ value >> 32;
}

/* As much of the text as fits, without a part of a character. */
static struct span beginning(struct span text, size_t room)
{
    while (room > 0 && ((unsigned char)text.bytes[room] & 0xc0) == 0x80) room--;
    return span_of(text.bytes, room);
}

struct span id_for(struct arena *arena, struct span id, struct span label)
{
    char *text = arena_take(arena, ID_BYTES_MAX + 1);
    struct span start = id;
    char digest[DIGEST_BYTES + 1] = "";
    if (id.size + 1 + label.size > ID_BYTES_MAX) {
        start = beginning(id, ID_BYTES_MAX - DIGEST_BYTES - 1 - label.size);
        snprintf(digest, sizeof digest, "~%016" PRIx64 "%016" PRIx64, hash(id, 0xcbf29ce484222325u),
                 hash(id, 0x9e3779b97f4a7c15u));
    }
    int size =
        snprintf(text, ID_BYTES_MAX + 1, "%.*s%s/%.*s", SPAN_ARGS(start), digest, SPAN_ARGS(label));
    ensure(size > 0 && size <= ID_BYTES_MAX);
    return span_of(text, (size_t)size);
}

/* ---- headers ---- */

struct header {
    struct span name, value;
};

static int by_name(const void *a, const void *b)
{
    const struct span *left = &((const struct header *)a)->name;
    const struct span *right = &((const struct header *)b)->name;
    size_t size = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->bytes, right->bytes, size);
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

static size_t count_members(lua_State *L, int index)
{
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) count++;
    return count;
}

static struct header *collect_headers(lua_State *L, int index, struct arena *arena, size_t count)
{
    struct header *headers = arena_take(arena, count * sizeof *headers), *header = headers;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "headers: names and values are strings");
        *header++ = (struct header){span_at(L, -2), span_at(L, -1)};
    }
    qsort(headers, count, sizeof *headers, by_name);
    return headers;
}

struct span headers_read(lua_State *L, struct script_host *host, int index, struct arena *arena)
{
    size_t count = count_members(L, index);
    if (count == 0) return span_of(NULL, 0);
    struct header *headers = collect_headers(L, index, arena, count);
    host->headers.used = 0;
    for (size_t i = 0; i < count; i++)
        headers_put(&host->headers, headers[i].name, headers[i].value);
    return arena_copy(arena, buffer_span(&host->headers));
}

static struct span field_headers(lua_State *L, struct script_host *host, int index,
                                 struct arena *arena)
{
    lua_getfield(L, index, "headers");
    struct span headers = span_of(NULL, 0);
    if (lua_istable(L, -1)) headers = headers_read(L, host, lua_gettop(L), arena);
    lua_pop(L, 1);
    return headers;
}

/* ---- the table ---- */

static const struct retry_policy *field_retry(lua_State *L, int index, struct arena *arena)
{
    lua_getfield(L, index, "retry");
    struct retry_policy *policy = NULL;
    if (!lua_isnil(L, -1)) {
        policy = arena_take(arena, sizeof *policy);
        *policy = retry_read(L, NULL, -1, retry_default_send());
    }
    lua_pop(L, 1);
    return policy;
}

static uint8_t field_encoding(lua_State *L, int index, struct arena *arena)
{
    struct span name = field_span(L, index, "encoding", arena);
    return span_equal(name, span_text("json")) ? ENCODING_JSON : ENCODING_RAW;
}

static struct span new_id_in(struct script_host *host, struct arena *arena)
{
    char *id = arena_take(arena, NEW_ID_BYTES);
    new_id(host, id);
    return span_of(id, NEW_ID_BYTES);
}

static void read_times(lua_State *L, int index, struct submit *submit)
{
    int64_t remaining_ms = field_ms(L, index, "expires", DURATION_FOREVER);
    submit->message.due_ms = (uint64_t)field_ms(L, index, "delay", 0);
    submit->message.remaining_ms =
        remaining_ms == DURATION_FOREVER ? REMAINING_FOREVER : (uint64_t)remaining_ms;
    submit->timeout_ms = field_ms(L, index, "timeout", 0);
}

static void read_message(lua_State *L, struct script_host *host, int index, struct arena *arena,
                         struct message *message)
{
    message->id = field_span(L, index, "id", arena);
    if (message->id.size == 0) message->id = new_id_in(host, arena);
    message->to = field_span(L, index, "to", arena);
    message->key = field_span(L, index, "key", arena);
    message->method = field_span(L, index, "method", arena);
    message->headers = field_headers(L, host, index, arena);
    message->body = field_span(L, index, "body", arena);
    message->encoding = field_encoding(L, index, arena);
    message->profile = profile_from(field_span(L, index, "profile", arena), PROFILE_DEFAULT);
    message->level = level_from(field_span(L, index, "await", arena));
    message->sent_at_ms = (uint64_t)host->env.wall_ms(host->env.user);
}

void send_read(lua_State *L, struct script_host *host, int index, struct arena *arena,
               struct submit *submit)
{
    luaL_checktype(L, index, LUA_TTABLE);
    *submit = (struct submit){0};
    read_message(L, host, index, arena, &submit->message);
    read_times(L, index, submit);
    submit->retry = field_retry(L, index, arena);
    submit->fail_fast = field_true(L, index, "fail_fast");
}

void send_settle_timeout(struct submit *submit)
{
    if (submit->timeout_ms == 0 && submit->message.level == LEVEL_HANDLED)
        submit->timeout_ms = CALL_TIMEOUT_MS;
    if (submit->timeout_ms == DURATION_FOREVER) submit->timeout_ms = 0;
}

bool send_awaits(lua_State *L, int index, const char *what)
{
    lua_getfield(L, index, "await");
    bool same = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), what) == 0;
    lua_pop(L, 1);
    return same;
}

struct submit *task_send_room(struct task *task)
{
    array_reserve(task->sends, task->send_count, task->send_capacity);
    return &task->sends[task->send_count];
}
