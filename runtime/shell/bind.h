/* Small things that all Lua bindings of the shell share. */
#ifndef MOONPOST_BIND_H
#define MOONPOST_BIND_H

#include "script/script.h"
#include "shell/complaint.h"

/* Set `name` in the table on top of the stack to a function that waits for `kind` with its
 * arguments and returns the answer, or raises it. */
void bind_wait(lua_State *L, const char *name, const char *kind);

/* Make `require(module)` answer a table of these functions, each with `user` as its upvalue 1, and
 * of the waiting functions `waits`: pairs of name and kind, ended by NULL. */
struct bind_module {
    const char *name;
    const struct luaL_Reg *functions;
    const char *const *waits;
};
void bind_preload(struct script *script, const struct bind_module *module, void *user);

/* The `user` of bind_preload, in a function of the module. */
void *bind_user(lua_State *L);

/* Return nil, reason, code from a binding. */
int bind_fail(lua_State *L, const char *code, const char *reason);

/* The same for an errno: the reason names `what`. */
int bind_fail_errno(lua_State *L, const char *what, int number);

/* A string field of the table at `index`, NULL when it is absent; raises for other types. Borrowed
 * from the table. */
const char *bind_field(lua_State *L, int index, const char *name);

#endif
