/* What a waiting sender gets, as a Lua table; the facade adds its behaviour. */
#include "script/host.h"

#include <math.h>

static void set_text(lua_State *L, const char *name, struct span text)
{
    if (text.size > 0) set_span(L, name, text);
}

static void set_word(lua_State *L, const struct answer *answer)
{
    if (answer->code == CODE_NONE) return;
    bool own = answer->code == CODE_OTHER && answer->word.size > 0;
    set_span(L, "code", own ? answer->word : span_text(code_name((enum code)answer->code)));
}

static void push_facts(lua_State *L, const struct answer *answer)
{
    lua_createtable(L, 0, 10);
    set_span(L, "profile", span_text(profile_name(answer->profile)));
    set_text(L, "level", span_text(level_name(answer->level)));
    set_boolean(L, "owner_memory", answer->facts & FACT_OWNER_MEMORY);
    set_boolean(L, "owner_relaxed", answer->facts & FACT_OWNER_RELAXED);
    set_boolean(L, "owner_dedup", answer->facts & FACT_OWNER_DEDUP);
    set_boolean(L, "owner_at_most_once", answer->facts & FACT_OWNER_AT_MOST_ONCE);
    set_boolean(L, "owner_paused", answer->facts & FACT_OWNER_PAUSED);
    set_boolean(L, "sender_memory", answer->sender_facts & FACT_OWNER_MEMORY);
    set_boolean(L, "sender_relaxed", answer->sender_facts & FACT_OWNER_RELAXED);
    set_number(L, "attempts", answer->attempts == ATTEMPTS_FOREVER ? HUGE_VAL : answer->attempts);
    if (answer->deadline_ms != DURATION_FOREVER)
        set_number(L, "deadline", (double)answer->deadline_ms / 1000);
}

/* No result travels as JSON without bytes; an empty string as no bytes, raw. */
static bool has_result(const struct answer *answer)
{
    bool empty_string =
        answer->ok && answer->level == LEVEL_HANDLED && answer->result_encoding == ENCODING_RAW;
    return answer->result.size > 0 || empty_string;
}

void receipt_push(lua_State *L, struct script *script, const struct answer *answer)
{
    lua_createtable(L, 0, 10);
    set_span(L, "type", span_text(answer->ok ? "ack" : "nack"));
    set_boolean(L, "ok", answer->ok);
    set_word(L, answer);
    set_text(L, "reason", answer->reason);
    set_span(L, "ref", answer->ref);
    set_text(L, "level", span_text(level_name(answer->level)));
    set_number(L, "attempt", answer->transmission);
    set_boolean(L, "dup", answer->dup);
    if (answer->forgot) set_boolean(L, "result_lost", true);
    if (answer->retry_after_ms > 0)
        set_number(L, "retry_after", (double)answer->retry_after_ms / 1000);
    if (has_result(answer)) {
        push_body(L, script, answer->result_encoding, answer->result);
        lua_setfield(L, -2, "result");
    }
    push_facts(L, answer);
    lua_setfield(L, -2, "facts");
}
