/* What the Lua bindings of the shell share. */
#include "shell/bind.h"

#include <lauxlib.h>
#include <string.h>

/* A yield of a C function would hand back the scheduler's `true` as well, so this one is in Lua. */
static const char wait_text[] = "local kind = ...\n"
                                "local runtime = require(\"moonpost.runtime\")\n"
                                "return function(...)\n"
                                "  local ok, answer = coroutine.yield(runtime.WAIT, kind, ...)\n"
                                "  if not ok then error(answer, 2) end\n"
                                "  return answer\n"
                                "end\n";

void bind_wait(lua_State *L, const char *name, const char *kind)
{
    if (luaL_loadbuffer(L, wait_text, sizeof wait_text - 1, "=wait")) lua_error(L);
    lua_pushstring(L, kind);
    lua_call(L, 1, 1);
    lua_setfield(L, -2, name);
}

static int bind_open(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, name);
    const struct bind_module *module = lua_touserdata(L, -1);
    lua_pushfstring(L, "%s user", name);
    lua_gettable(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    for (const luaL_Reg *each = module->functions; each->name; each++) {
        lua_pushvalue(L, -2);
        lua_pushcclosure(L, each->func, 1);
        lua_setfield(L, -2, each->name);
    }
    for (const char *const *each = module->waits; *each; each += 2) bind_wait(L, each[0], each[1]);
    return 1;
}

/* script_preload takes a plain function, so module and user travel in the registry. */
void bind_preload(struct script *script, const struct bind_module *module, void *user)
{
    lua_State *L = script_state(script);
    lua_pushlightuserdata(L, (void *)(uintptr_t)module);
    lua_setfield(L, LUA_REGISTRYINDEX, module->name);
    lua_pushfstring(L, "%s user", module->name);
    lua_pushlightuserdata(L, user);
    lua_settable(L, LUA_REGISTRYINDEX);
    script_preload(script, module->name, bind_open);
}

void *bind_user(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

int bind_fail(lua_State *L, const char *code, const char *reason)
{
    lua_pushnil(L);
    lua_pushstring(L, reason);
    lua_pushstring(L, code);
    return 3;
}

int bind_fail_errno(lua_State *L, const char *what, int number)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", what, strerror(number));
    lua_pushliteral(L, "IO");
    return 3;
}

const char *bind_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    bool absent = lua_isnil(L, -1);
    if (!absent && lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "%s is a %s, not a string", name, luaL_typename(L, -1));
    const char *text = absent ? NULL : lua_tostring(L, -1);
    lua_pop(L, 1);
    return text;
}
