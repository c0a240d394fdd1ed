/* Where Lua finds rocks. */
#ifndef MOONPOST_ROCKS_H
#define MOONPOST_ROCKS_H

#include <lua.h>

/* Let `require` look in the project's lua_modules and in the tree TREE/bin/moonpost belongs to
 * (TREE/share/lua/5.1 and TREE/lib/lua/5.1, as luarocks lays them out) before all other places. */
void rocks_register(lua_State *L, const char *root);

#endif
