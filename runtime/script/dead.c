/* Dead letters as Lua tables. */
#include "script/host.h"

static double wall_seconds(int64_t ms, int64_t wall_ms)
{
    return (double)(ms + wall_ms) / 1000;
}

static struct span word_or_code(struct span word, uint8_t code)
{
    return word.size > 0 ? word : span_text(code_name((enum code)code));
}

static void push_failure(lua_State *L, const struct dead_failure *failure, int64_t wall_ms)
{
    lua_createtable(L, 0, 5);
    set_number(L, "attempt", failure->attempt);
    set_number(L, "at", wall_seconds(failure->at_ms, wall_ms));
    set_span(L, "code", word_or_code(failure->word, failure->code));
    set_span(L, "error", failure->reason);
    if (failure->traceback.size > 0) set_span(L, "traceback", failure->traceback);
}

static void set_failures(lua_State *L, const struct script *script,
                         const struct dead_letter *letter, int64_t wall_ms)
{
    lua_createtable(L, (int)letter->failure_count, 0);
    for (size_t i = 0; i < letter->failure_count; i++) {
        push_failure(L, &letter->failures[i], wall_ms);
        lua_rawseti(L, -2, (int)i + 1);
    }
    push_ref(L, script, REF_ARRAY);
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "failures");
}

void set_message_facts(lua_State *L, const struct message *message)
{
    set_span(L, "id", message->id);
    set_span(L, "address", message->to);
    set_span(L, "from", message->from);
    if (message->method.size > 0) set_span(L, "method", message->method);
    if (message->key.size > 0) set_span(L, "key", message->key);
    set_number(L, "bytes", (double)message->body.size);
    set_number(L, "requeues", message->requeues);
    set_span(L, "profile", span_text(profile_name(message->profile)));
}

void dead_push(lua_State *L, struct script *script, const struct dead_letter *letter,
               int64_t wall_ms, bool whole)
{
    struct message message = message_of(letter->block);
    lua_createtable(L, 0, 16);
    set_message_facts(L, &message);
    set_span(L, "reason", letter->reason);
    set_span(L, "code", word_or_code(letter->word, letter->code));
    set_number(L, "attempts", letter->attempts);
    set_number(L, "first_at", wall_seconds(letter->first_ms, wall_ms));
    set_number(L, "last_at", wall_seconds(letter->last_ms, wall_ms));
    if (letter->expires_ms != INT64_MAX)
        set_number(L, "expires_at", wall_seconds(letter->expires_ms, wall_ms));
    set_span(L, "where", span_text(letter->outbox ? "outbox" : "mailbox"));
    if (!whole) return;
    message_push(L, script, letter->block);
    lua_setfield(L, -2, "message");
    set_failures(L, script, letter, wall_ms);
}
