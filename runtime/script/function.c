/* Functions of scripts that the core may ask by number: retry policies of agents and settings. They
 * are kept until their state or their host ends. */
#include "script/host.h"

#include <stdlib.h>

static void function_clear(struct function *function)
{
    if (function->script) luaL_unref(function->script->L, LUA_REGISTRYINDEX, function->ref);
    function->script = NULL;
}

uint32_t function_keep(struct script_host *host, lua_State *L, int index, bool whole)
{
    lua_pushvalue(L, index);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    size_t place = 0;
    while (place < host->function_count && host->functions[place].script) place++;
    if (place == host->function_count) {
        array_reserve(host->functions, host->function_count, host->function_capacity);
        host->function_count++;
    }
    host->functions[place] = (struct function){script_of(L), ref, whole};
    return (uint32_t)place + 1;
}

const struct function *function_find(const struct script_host *host, uint32_t number)
{
    if (number == 0 || number > host->function_count) return NULL;
    const struct function *function = &host->functions[number - 1];
    return function->script ? function : NULL;
}

void functions_forget(struct script_host *host, const struct script *script)
{
    for (size_t i = 0; i < host->function_count; i++)
        if (host->functions[i].script == script) function_clear(&host->functions[i]);
}

void functions_deinit(struct script_host *host)
{
    for (size_t i = 0; i < host->function_count; i++) function_clear(&host->functions[i]);
    free(host->functions);
    host->functions = NULL;
    host->function_count = host->function_capacity = 0;
}
