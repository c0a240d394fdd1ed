/* Entries into Lua: which host, place and task are in force, protected calls, error values. */
#include "script/host.h"

#include <stdarg.h>
#include <stdio.h>

void turn_enter(struct turn *turn, struct script_host *host, struct script *script,
                enum place place, struct task *task, int64_t budget_ms)
{
    *turn = (struct turn){.host = host,
                          .script = script,
                          .task = task,
                          .place = place,
                          .outer = script->turn,
                          .budget_ms = budget_ms};
    script->turn = turn;
    if (budget_ms > 0) guard_enter(turn);
    pulse_enter(turn);
}

void turn_leave(struct turn *turn)
{
    ensure(turn->script->turn == turn);
    pulse_leave(turn);
    if (turn->budget_ms > 0) guard_leave(turn);
    turn->script->turn = turn->outer;
    if (turn->outer && turn->outer->budget_ms > 0) guard_continue(turn->outer);
}

void turn_forget(struct turn *turn)
{
    block_release(turn->reason);
    block_release(turn->traceback);
    turn->reason = turn->traceback = NULL;
}

bool turn_call(struct turn *turn, int arguments, int results)
{
    lua_State *L = turn->script->L;
    int function = lua_gettop(L) - arguments;
    push_ref(L, turn->script, REF_CATCH);
    lua_insert(L, function);
    int status = lua_pcall(L, arguments, results, function);
    lua_remove(L, function);
    return status == 0;
}

struct invocation {
    turn_function *function;
    void *user;
};

bool turn_invoke(struct turn *turn, turn_function *function, void *user, int arguments, int results)
{
    lua_State *L = turn->script->L;
    struct invocation invocation = {function, user};
    ensure(lua_checkstack(L, LUA_MINSTACK));
    push_ref(L, turn->script, REF_INVOKE);
    lua_insert(L, -1 - arguments);
    lua_pushlightuserdata(L, &invocation);
    lua_insert(L, -1 - arguments);
    return turn_call(turn, arguments + 1, results);
}

/* The C function behind turn_invoke. */
static int invoke(lua_State *L)
{
    const struct invocation invocation = *(const struct invocation *)lua_touserdata(L, 1);
    lua_remove(L, 1);
    return invocation.function(L, invocation.user);
}

/* The message handler of turn_call: keeps the traceback, passes the error on. */
static int catch (lua_State *L)
{
    struct turn *turn = script_of(L)->turn;
    if (turn->traceback) return 1;
    luaL_traceback(L, L, NULL, 1);
    turn->traceback = block_copy(span_at(L, -1));
    lua_pop(L, 1);
    return 1;
}

void turn_register(lua_State *L, struct script *script)
{
    lua_pushcfunction(L, invoke);
    script->refs[REF_INVOKE] = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushcfunction(L, catch);
    script->refs[REF_CATCH] = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* ---- error values ---- */

struct span error_keep(struct script_host *host, struct span text)
{
    struct block *copy = block_copy(text); /* the text may be in the buffer itself */
    host->error.used = 0;
    buffer_put(&host->error, block_span(copy));
    buffer_put(&host->error, span_of("", 1));
    block_release(copy);
    return span_of(host->error.block->bytes, text.size);
}

struct span error_format(struct script_host *host, const char *format, ...)
{
    char text[REASON_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ensure(size >= 0);
    return error_keep(host,
                      span_of(text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1));
}

/* A plain table with a reason says that; other values what tostring makes of them. */
static int describe(lua_State *L, void *user)
{
    (void)user;
    if (lua_isstring(L, 1)) return 1;
    if (lua_istable(L, 1) && !luaL_getmetafield(L, 1, "__tostring")) {
        lua_getfield(L, 1, "reason");
        if (lua_isstring(L, -1)) return 1;
    }
    lua_settop(L, 1);
    lua_getglobal(L, "tostring");
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

struct span error_text(struct script_host *host, lua_State *L, int index)
{
    lua_pushvalue(L, index);
    struct script *script = script_of(L);
    if (L != script->L) lua_xmove(L, script->L, 1);

    struct turn turn;
    turn_enter(&turn, host, script, PLACE_POLICY, NULL, HOOK_BUDGET_MS);
    bool ok = turn_invoke(&turn, describe, NULL, 1, 1);
    turn_leave(&turn);
    turn_forget(&turn);
    struct span text = ok && lua_type(script->L, -1) == LUA_TSTRING
                           ? span_at(script->L, -1)
                           : span_text("an error that cannot be printed");
    text = error_keep(host, text);
    lua_pop(script->L, 1);
    return text;
}

void error_push(lua_State *L, const struct script *script, const struct error_fields *fields)
{
    push_ref(L, script, REF_ERROR_NEW);
    lua_createtable(L, 0, 5);
    set_span(L, "code", span_text(fields->code));
    set_span(L, "reason", fields->reason);
    if (fields->ref.size > 0) set_span(L, "ref", fields->ref);
    if (fields->outside) set_boolean(L, "outside", true);
    if (fields->final) set_boolean(L, "final", true);
    lua_call(L, 1, 1);
}

void error_raise(lua_State *L, const struct script *script, const char *code, const char *format,
                 ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *reason = lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    error_push(L, script, &(struct error_fields){.code = code, .reason = span_text(reason)});
    lua_error(L);
    __builtin_unreachable();
}
