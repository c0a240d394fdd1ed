/* The Lua library that travels inside the executable, as text. */
#ifndef MOONPOST_EMBEDDED_H
#define MOONPOST_EMBEDDED_H

#include <stdbool.h>

struct lua_State;

/* Push the chunk of a module such as "moonpost.agent". It is compiled once in a process: every
 * script has a Lua state of its own, and compiling the library was most of what a new one cost.
 * False: there is no such module. Raises when the text does not compile. */
bool embedded_push(struct lua_State *L, const char *name);

#endif
