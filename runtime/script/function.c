/* Functions of scripts that the core may ask by number. Those of agents and settings are kept until
 * their state ends; those given with a send only as long as there is room, oldest out first. */
#include "script/host.h"

#include <stdlib.h>

enum { RECENT_BIT = 0x40000000 };

static void function_clear(struct function *function)
{
    if (function->id) luaL_unref(function->script->L, LUA_REGISTRYINDEX, function->ref);
    *function = (struct function){0};
}

static struct function *recent_with(struct script_host *host, const void *identity, bool whole)
{
    for (size_t i = 0; i < RECENT_FUNCTIONS; i++) {
        struct function *function = &host->recent[i];
        if (function->id && function->identity == identity && function->whole == whole) return function;
    }
    return NULL;
}

static struct function *recent_place(struct script_host *host)
{
    uint32_t number = host->recent_next++ % RECENT_BIT;
    struct function *function = &host->recent[number % RECENT_FUNCTIONS];
    function_clear(function);
    function->id = RECENT_BIT | number;
    return function;
}

static struct function *lasting_place(struct script_host *host)
{
    host->functions = realloc(host->functions, (host->function_count + 1) * sizeof *host->functions);
    ensure(host->functions != NULL);
    struct function *function = &host->functions[host->function_count++];
    *function = (struct function){.id = (uint32_t)host->function_count};
    return function;
}

uint32_t function_keep(struct script_host *host, lua_State *L, int index, bool whole, bool lasting)
{
    const void *identity = lua_topointer(L, index);
    struct function *function = lasting ? NULL : recent_with(host, identity, whole);
    if (function) return function->id;

    lua_pushvalue(L, index);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    function = lasting ? lasting_place(host) : recent_place(host);
    *function = (struct function){function->id, script_of(L), ref, whole, identity};
    return function->id;
}

struct function *function_find(struct script_host *host, uint32_t id)
{
    struct function *function = NULL;
    if (id & RECENT_BIT) function = &host->recent[(id & ~(uint32_t)RECENT_BIT) % RECENT_FUNCTIONS];
    else if (id > 0 && id <= host->function_count) function = &host->functions[id - 1];
    return function && function->id == id ? function : NULL;
}

void functions_forget(struct script_host *host, struct script *script)
{
    for (size_t i = 0; i < host->function_count; i++)
        if (host->functions[i].script == script) function_clear(&host->functions[i]);
    for (size_t i = 0; i < RECENT_FUNCTIONS; i++)
        if (host->recent[i].script == script) function_clear(&host->recent[i]);
}

void functions_deinit(struct script_host *host)
{
    for (size_t i = 0; i < host->function_count; i++) function_clear(&host->functions[i]);
    for (size_t i = 0; i < RECENT_FUNCTIONS; i++) function_clear(&host->recent[i]);
    free(host->functions);
    host->functions = NULL;
    host->function_count = 0;
}
