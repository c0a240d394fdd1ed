/* Finds embedded modules in the table that the build makes from lua/, and compiles them once. */
#include "script/embedded.h"

#include <lauxlib.h>
#include <stdlib.h>
#include "core/buffer.h"
#include "core/ensure.h"

struct embedded_entry {
    const char *name, *first, *end;
};

extern const struct embedded_entry embedded_table[];

/* Compiled modules, for the life of the process; only the loop's thread makes Lua states. */
struct compiled {
    struct compiled *next;
    const char *name;
    struct buffer code;
};

static struct compiled *all_compiled;

/* The text of a module; size 0: there is none. */
static struct span embedded_module(const char *name)
{
    for (const struct embedded_entry *entry = embedded_table; entry->name; entry++)
        if (strcmp(entry->name, name) == 0)
            return span_of(entry->first, (size_t)(entry->end - entry->first));
    return span_of(NULL, 0);
}

static const struct compiled *compiled_find(const char *name)
{
    struct compiled *compiled = all_compiled;
    while (compiled && strcmp(compiled->name, name) != 0) compiled = compiled->next;
    return compiled;
}

static int write_code(lua_State *L, const void *bytes, size_t size, void *user)
{
    (void)L;
    buffer_put(user, span_of(bytes, size));
    return 0;
}

/* Remember the function on top. */
static void compiled_keep(lua_State *L, const char *name)
{
    struct compiled *compiled = calloc(1, sizeof *compiled);
    ensure(compiled != NULL);
    compiled->name = strdup(name);
    ensure(compiled->name != NULL && lua_dump(L, write_code, &compiled->code) == 0);
    compiled->next = all_compiled;
    all_compiled = compiled;
}

bool embedded_push(lua_State *L, const char *name)
{
    const struct compiled *compiled = compiled_find(name);
    struct span code = compiled ? buffer_span(&compiled->code) : embedded_module(name);
    if (code.size == 0) return false;
    lua_pushfstring(L, "=%s", name);
    if (luaL_loadbufferx(L, code.bytes, code.size, lua_tostring(L, -1), compiled ? "b" : "t") != 0)
        lua_error(L);
    lua_remove(L, -2);
    if (!compiled) compiled_keep(L, name);
    return true;
}
