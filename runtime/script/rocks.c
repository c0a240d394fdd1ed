/* Where Lua finds rocks: in the project's lua_modules, in the tree that the executable was
 * installed into, and then where LUA_PATH, LUA_CPATH and LuaJIT itself say. */
#include "script/rocks.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096 };

/* TREE/bin/moonpost runs: its tree. False: the executable does not say. */
static bool find_tree(char *tree, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", tree, size - 1);
    if (length <= 0) return false;
    tree[length] = 0;
    for (int levels = 0; levels < 2; levels++) {
        char *slash = strrchr(tree, '/');
        if (!slash) return false;
        *slash = 0;
    }
    return true;
}

/* A path with these characters would be read as something else. */
static bool is_plain(const char *tree)
{
    return !strpbrk(tree, ";?");
}

/* package[name] = what the trees have to say, and what was there. */
static void put_first(lua_State *L, const char *name, const char *format, const char *const *trees,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) luaL_gsub(L, format, "TREE", trees[i]);
    lua_getfield(L, -(int)count - 1, name);
    lua_concat(L, (int)count + 1);
    lua_setfield(L, -2, name);
}

void rocks_register(lua_State *L, const char *root)
{
    char tree[PATH_BYTES_MAX];
    const char *trees[2];
    size_t count = 0;
    lua_pushfstring(L, "%s/lua_modules", root);
    if (is_plain(root)) trees[count++] = lua_tostring(L, -1);
    if (find_tree(tree, sizeof tree) && is_plain(tree)) trees[count++] = tree;
    lua_getglobal(L, "package");
    put_first(L, "path", "TREE/share/lua/5.1/?.lua;TREE/share/lua/5.1/?/init.lua;", trees, count);
    put_first(L, "cpath", "TREE/lib/lua/5.1/?.so;", trees, count);
    lua_pop(L, 2);
}
