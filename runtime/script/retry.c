/* Retry policies: from the facade's normal form to the core's, and the question put to functions.
 */
#include "script/host.h"

static void read_delays(lua_State *L, int index, struct retry_policy *policy)
{
    lua_getfield(L, index, "delays");
    if (lua_istable(L, -1)) {
        size_t count = lua_objlen(L, -1);
        if (count > DELAYS_MAX) luaL_error(L, "delays: at most %d", DELAYS_MAX);
        for (size_t i = 0; i < count; i++) {
            lua_rawgeti(L, -1, (int)i + 1);
            policy->delays_ms[i] = ms_of_seconds(lua_tonumber(L, -1));
            lua_pop(L, 1);
        }
        policy->delay_count = (uint32_t)count;
    }
    lua_pop(L, 1);
}

static uint32_t keep(lua_State *L, struct script_host *host, int index, bool whole)
{
    if (!host) luaL_error(L, "retry: a message takes along data, not functions");
    return function_keep(host, L, index, whole);
}

static void read_final(lua_State *L, struct script_host *host, int index,
                       struct retry_policy *policy)
{
    lua_getfield(L, index, "final");
    if (lua_isfunction(L, -1)) policy->script = keep(L, host, -1, false);
    lua_pop(L, 1);
}

static void read_table(lua_State *L, int index, struct retry_policy *policy)
{
    policy->attempts = field_count(L, index, "attempts", policy->attempts);
    policy->first_ms = field_ms(L, index, "first", policy->first_ms);
    policy->factor = field_number(L, index, "factor", policy->factor);
    policy->step_ms = field_ms(L, index, "step", 0);
    policy->cap_ms = field_ms(L, index, "cap", policy->cap_ms);
    policy->jitter = field_number(L, index, "jitter", policy->jitter);
    policy->deadline_ms = field_ms(L, index, "deadline", policy->deadline_ms);
    read_delays(L, index, policy);
}

struct retry_policy retry_read(lua_State *L, struct script_host *host, int index,
                               struct retry_policy base)
{
    if (index < 0) index += lua_gettop(L) + 1;
    if (lua_isfunction(L, index)) {
        base.script = keep(L, host, index, true);
        base.whole = true;
        return base;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    read_table(L, index, &base);
    read_final(L, host, index, &base);
    return base;
}
