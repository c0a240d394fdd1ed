/* Words of scripts: durations, moments, sizes, rates, addresses and retry policies. What holds of
 * them is told in words.lua; how the core goes by a policy that was read, here. */
#include <stdio.h>
#include <stdlib.h>
#include "state.h"
#include "tape.h"

static void check_delay(const struct retry_policy *policy, uint32_t n, double spread)
{
    int64_t delay_ms = retry_delay(policy, n, spread);
    ensure(delay_ms >= 0 && delay_ms <= policy->cap_ms);
}

/* check(policy): as a message takes it along, or an agent declares it. */
static int check_policy(lua_State *L)
{
    static const uint32_t failures[] = {0, 1, 2, 3, 17, 1000, UINT32_MAX};
    struct retry_policy policy = retry_read(L, NULL, 1, retry_default_handle());
    ensure(policy.attempts > 0 && policy.first_ms >= 0 && policy.cap_ms >= 0);
    ensure(policy.deadline_ms >= 0 && policy.delay_count <= DELAYS_MAX);
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        check_delay(&policy, failures[i], -1);
        check_delay(&policy, failures[i], 0);
        check_delay(&policy, failures[i], 0.999);
    }
    return 0;
}

/* Push the function that the file returns; it may require what scripts may not. */
static void push_checks(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "fuzz.words");
    if (!lua_isnil(L, -1)) return;
    lua_pop(L, 1);
    if (luaL_dofile(L, "spec/fuzz/words.lua")) fprintf(stderr, "%s\n", lua_tostring(L, -1));
    ensure(lua_isfunction(L, -1));
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "fuzz.words");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    lua_State *L = fuzz_state()->L;
    push_checks(L);
    push_span(L, span_of((const char *)bytes, size));
    lua_pushcfunction(L, check_policy);
    if (lua_pcall(L, 2, 0, 0) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
    lua_gc(L, LUA_GCSTEP, 1);
    return 0;
}
