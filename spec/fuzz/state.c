/* A Lua state for inputs, and the lines that run in it. */
#include "state.h"

#include <luajit.h>
#include "core/ensure.h"

enum { LINES = 1 << 14 };

/* libFuzzer reads these beside its own; without it they are just bytes. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[LINES];

static int64_t no_time(void *user)
{
    (void)user;
    return 1000;
}

static uint64_t no_chance(void *user)
{
    (void)user;
    return 4;
}

static void no_log(void *user, const struct log_record *record)
{
    (void)user;
    (void)record;
}

static void no_post(void *user, const struct event *event)
{
    (void)user;
    (void)event;
}

static void count_line(lua_State *L, lua_Debug *at)
{
    size_t hash = (size_t)at->currentline * 31;
    lua_getinfo(L, "S", at);
    for (const char *c = at->short_src; *c; c++) hash = hash * 33 + (size_t)*c;
    counters[hash % LINES]++;
}

struct script *fuzz_state(void)
{
    static struct script *script;
    static const struct script_env env = {.now_ms = no_time,
                                          .wall_ms = no_time,
                                          .random = no_chance,
                                          .deterministic = true,
                                          .log = no_log,
                                          .post = no_post};
    if (script) return script;
    script = script_new(script_host_new(&env), SCRIPT_SPEC, ".");
    luaJIT_setmode(script->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_sethook(script->L, count_line, LUA_MASKLINE, 0);
    return script;
}
