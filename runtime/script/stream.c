/* Streams that programs read: parts wait here until the program asks for them.
 *
 * What comes for a program that does not ask is kept up to a bound and then left out, and counted;
 * the next part that is handed over says how many are missing before it. */
#include "script/host.h"

#include <stdlib.h>

enum { PARTS_KEPT_MAX = 1024, PARTS_KEPT_BYTES_MAX = 4 << 20 };

#define STREAM_TOKENS                                                                              \
    (1ULL << 62) /* the tokens of tasks hardly get there; worlds have one bit more */

struct kept_part {
    struct kept_part *next;
    uint8_t encoding;
    uint64_t left_out;
    struct block *body; /* NULL: none */
};

struct stream {
    struct stream *next;
    uint32_t number, client;
    uint64_t waiter; /* who waits for the next; 0: nobody */
    struct kept_part *first, **last;
    size_t count, bytes;
    uint64_t left_out; /* behind the last one kept */
    bool accepted, over;
    struct answer answer; /* its end */
    struct arena arena;
};

/* ---- life ---- */

static struct stream *stream_find(struct script_host *host, uint32_t number)
{
    struct stream *stream = host->streams;
    while (stream && stream->number != number) stream = stream->next;
    return stream;
}

static uint64_t token_of(const struct stream *stream)
{
    return STREAM_TOKENS | stream->number;
}

static struct stream *stream_of(struct script_host *host, uint64_t token)
{
    struct stream *stream = host->streams;
    while (stream && token_of(stream) != token) stream = stream->next;
    return stream;
}

static struct stream *stream_new(struct script_host *host, uint32_t client)
{
    struct stream *stream = calloc(1, sizeof *stream);
    ensure(stream != NULL);
    stream->number = ++host->stream_numbers;
    stream->client = client;
    stream->last = &stream->first;
    stream->next = host->streams;
    host->streams = stream;
    return stream;
}

static void drop_first(struct stream *stream)
{
    struct kept_part *part = stream->first;
    stream->first = part->next;
    if (!stream->first) stream->last = &stream->first;
    stream->count--;
    stream->bytes -= block_span(part->body).size;
    block_release(part->body);
    free(part);
}

static void stream_free(struct script_host *host, struct stream *stream)
{
    struct stream **slot = &host->streams;
    while (*slot != stream) slot = &(*slot)->next;
    *slot = stream->next;
    while (stream->first) drop_first(stream);
    arena_deinit(&stream->arena);
    free(stream);
}

void streams_deinit(struct script_host *host)
{
    while (host->streams) stream_free(host, host->streams);
}

void streams_forget(struct script_host *host, uint32_t client)
{
    struct stream *next;
    for (struct stream *at = host->streams; at; at = next) {
        next = at->next;
        if (at->client == client) stream_free(host, at);
    }
}

/* ---- what comes ---- */

static void keep_part(struct stream *stream, const struct part_answer *answer)
{
    bool full = stream->count >= PARTS_KEPT_MAX || stream->bytes >= PARTS_KEPT_BYTES_MAX;
    stream->left_out += answer->left_out;
    if (answer->body.size == 0 && stream->left_out == 0) return;
    if (full) {
        stream->left_out += answer->body.size > 0;
        return;
    }
    struct kept_part *part = calloc(1, sizeof *part);
    ensure(part != NULL);
    part->encoding = answer->encoding;
    part->left_out = stream->left_out;
    if (answer->body.size > 0) part->body = block_copy(answer->body);
    stream->left_out = 0;
    *stream->last = part;
    stream->last = &part->next;
    stream->count++;
    stream->bytes += answer->body.size;
}

static void keep_answer(struct stream *stream, const struct answer *answer)
{
    struct answer *kept = &stream->answer;
    *kept = *answer;
    struct span *spans[] = {&kept->ref, &kept->word, &kept->reason, &kept->result};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        *spans[i] = arena_copy(&stream->arena, *spans[i]);
    stream->over = true;
}

static bool has_news(const struct stream *stream)
{
    return stream->accepted || stream->first || stream->left_out > 0 || stream->over;
}

/* ---- handing over ---- */

struct handing {
    struct script *script;
    struct stream *stream;
    int place; /* which of those that are waited for */
};

static int push_part(lua_State *L, const struct handing *handing)
{
    struct stream *stream = handing->stream;
    struct kept_part *part = stream->first;
    uint64_t left_out = part ? part->left_out : stream->left_out;
    lua_pushliteral(L, "part");
    if (part && part->body)
        push_body(L, handing->script, part->encoding, block_span(part->body));
    else
        lua_pushboolean(L, false);
    if (left_out > 0)
        lua_pushnumber(L, (double)left_out);
    else
        lua_pushnil(L);
    if (part)
        drop_first(stream);
    else
        stream->left_out = 0;
    return 3;
}

/* Leaves the place, what kind of news it is, and the news. */
static int push_news(lua_State *L, void *user)
{
    const struct handing *handing = user;
    struct stream *stream = handing->stream;
    lua_pushinteger(L, handing->place);
    if (stream->accepted) {
        stream->accepted = false;
        lua_pushliteral(L, "accepted");
        return 2;
    }
    if (stream->first || stream->left_out > 0) return 1 + push_part(L, handing);
    lua_pushliteral(L, "end");
    receipt_push(L, handing->script, &stream->answer);
    return 3;
}

/* Whoever waits for one of several is told of the first news, and waits no more. */
static void wake(struct script_host *host, struct stream *stream)
{
    uint64_t waiter = stream->waiter;
    struct task *task = waiter ? task_waiting(host, waiter) : NULL;
    if (!task || !has_news(stream)) return;
    struct handing handing = {task->script, stream, stream->number == task->stream ? 1 : 2};
    for (struct stream *at = host->streams; at; at = at->next)
        if (at->waiter == waiter) at->waiter = 0;
    script_wake(host, waiter, true, push_news, &handing);
}

void script_part(struct script_host *host, uint64_t waiter, const struct part_answer *answer)
{
    struct stream *stream = stream_of(host, waiter);
    if (!stream || stream->over) return;
    if (answer->accepted)
        stream->accepted = true;
    else
        keep_part(stream, answer);
    wake(host, stream);
}

bool stream_ended(struct script_host *host, uint64_t waiter, const struct answer *answer)
{
    struct stream *stream = stream_of(host, waiter);
    if (!stream) return false;
    keep_answer(stream, answer);
    wake(host, stream);
    return true;
}

/* ---- what programs do ---- */

uint32_t stream_submit(struct task *task, uint32_t client, struct submit *submit)
{
    struct stream *stream = stream_new(task->host, client);
    submit->stream = true;
    submit->waiter = token_of(stream);
    struct event event = {.kind = EVENT_SUBMIT, .submit = submit};
    task->host->env.client_post(task->host->env.user, client, &event);
    return stream->number;
}

static struct stream *check_stream(lua_State *L, struct task *task, int index)
{
    struct stream *stream = stream_find(task->host, (uint32_t)luaL_checknumber(L, index));
    if (!stream) error_raise(L, task->script, "GONE", "the stream is closed");
    return stream;
}

int wait_stream_next(lua_State *L, struct task *task)
{
    struct stream *streams[] = {check_stream(L, task, 3),
                                lua_isnoneornil(L, 4) ? NULL : check_stream(L, task, 4)};
    for (int i = 0; i < 2 && streams[i]; i++) {
        if (!has_news(streams[i])) continue;
        struct handing handing = {task->script, streams[i], i + 1};
        lua_pushboolean(L, true);
        return 1 + push_news(L, &handing);
    }
    uint64_t waiter = task_wait_begin(task);
    task->stream = streams[0]->number;
    for (int i = 0; i < 2 && streams[i]; i++) streams[i]->waiter = waiter;
    return 0;
}

int wait_stream_close(lua_State *L, struct task *task)
{
    struct stream *stream = stream_find(task->host, (uint32_t)luaL_checknumber(L, 3));
    if (stream && !stream->over) {
        struct event event = {.kind = EVENT_CANCEL, .waiter = token_of(stream)};
        task->host->env.client_post(task->host->env.user, stream->client, &event);
    }
    if (stream) stream_free(task->host, stream);
    lua_pushboolean(L, true);
    return 1;
}
