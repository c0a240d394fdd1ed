/* ctx.cache: a table of an agent's, in memory. The next generation begins with a copy of it,
 * without what belongs to the code of the one before: functions, coroutines, userdata and
 * metatables. */
#include "script/host.h"

void cache_push(lua_State *L, struct agent *agent)
{
    if (agent->cache_ref == LUA_NOREF) {
        lua_newtable(L);
        agent->cache_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, agent->cache_ref);
}

/* ---- from one state to another, which may be the same ---- */

enum { CACHE_DEPTH_MAX = 100 };

struct copying {
    lua_State *from, *to;
    const struct script *old, *fresh;
    const struct agent *agent; /* whose cache is copied */
    int copies;                /* in `to`: a table from addresses to their copies */
};

static bool copy_value(struct copying *copying, int index, int depth);

static void copy_members(struct copying *copying, int index, int into, int depth)
{
    lua_State *from = copying->from, *to = copying->to;
    lua_pushnil(from);
    while (lua_next(from, index)) {
        int value = lua_gettop(from), before = lua_gettop(to);
        if (copy_value(copying, value - 1, depth) && copy_value(copying, value, depth))
            lua_rawset(to, into);
        else
            lua_settop(to, before);
        lua_settop(from, value - 1);
    }
}

static bool is_array(const struct copying *copying, int index)
{
    lua_State *from = copying->from;
    if (!lua_getmetatable(from, index)) return false;
    push_ref(from, copying->old, REF_ARRAY);
    bool same = lua_rawequal(from, -1, -2);
    lua_pop(from, 2);
    return same;
}

static void copy_new_table(struct copying *copying, int index, int depth)
{
    lua_State *to = copying->to;
    lua_newtable(to);
    int into = lua_gettop(to);
    if (is_array(copying, index)) {
        push_ref(to, copying->fresh, REF_ARRAY);
        lua_setmetatable(to, into);
    }
    lua_pushlightuserdata(to, (void *)lua_topointer(copying->from, index));
    lua_pushvalue(to, into);
    lua_rawset(to, copying->copies);
    copy_members(copying, index, into, depth + 1);
}

/* A table that is reached twice is one afterwards, too. */
static bool copy_table(struct copying *copying, int index, int depth)
{
    lua_State *to = copying->to;
    bool room = depth < CACHE_DEPTH_MAX && lua_checkstack(copying->from, LUA_MINSTACK) &&
                lua_checkstack(to, LUA_MINSTACK);
    if (!room) return false;
    lua_pushlightuserdata(to, (void *)lua_topointer(copying->from, index));
    lua_rawget(to, copying->copies);
    if (!lua_isnil(to, -1)) return true;
    lua_pop(to, 1);
    copy_new_table(copying, index, depth);
    return true;
}

/* Push what becomes of the value; false: nothing, and nothing was pushed. */
static bool copy_value(struct copying *copying, int index, int depth)
{
    lua_State *from = copying->from, *to = copying->to;
    switch (lua_type(from, index)) {
    case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, index)); return true;
    case LUA_TNUMBER: lua_pushnumber(to, lua_tonumber(from, index)); return true;
    case LUA_TSTRING: push_span(to, span_at(from, index)); return true;
    case LUA_TLIGHTUSERDATA: /* moonpost.null */
        if (lua_touserdata(from, index)) return false;
        lua_pushlightuserdata(to, NULL);
        return true;
    case LUA_TTABLE: return copy_table(copying, index, depth);
    default: return false;
    }
}

/* In the fresh state; the cache is left on top. */
static int copy_cache(lua_State *L, void *user)
{
    struct copying *copying = user;
    lua_State *from = copying->from;
    lua_newtable(L);
    copying->copies = lua_gettop(L);
    lua_rawgeti(from, LUA_REGISTRYINDEX, copying->agent->cache_ref);
    int index = lua_gettop(from);
    copy_table(copying, index, 0);
    lua_remove(from, index);
    return 1;
}

void cache_hand_over(struct agent *agent, struct agent *fresh)
{
    struct script *script = fresh->script;
    struct copying copying = {.from = agent->script->L,
                              .to = script->L,
                              .old = agent->script,
                              .fresh = script,
                              .agent = agent};
    if (agent->cache_ref == LUA_NOREF) return;
    int before = lua_gettop(copying.from);
    struct turn turn;
    turn_enter(&turn, fresh->host, script, PLACE_LOAD, NULL, 0);
    bool copied = turn_invoke(&turn, copy_cache, &copying, 0, 1);
    turn_leave(&turn);
    turn_forget(&turn);
    if (copied)
        fresh->cache_ref = luaL_ref(script->L, LUA_REGISTRYINDEX);
    else
        lua_pop(script->L, 1);
    lua_settop(copying.from, before);
}
