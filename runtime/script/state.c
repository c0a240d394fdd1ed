/* One Lua state: libraries, embedded modules, loading files into their environments. */
#include "script/host.h"

#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include "script/embedded.h"
#include "script/rocks.h"

/* The collector begins anew when a state has grown to so many percent of what it held on to.
 * Marking the library again and again was a tenth of a small handler's time at Lua's 200. */
enum { GC_PAUSE = 300 };

static const char script_key = 0; /* its address is the registry's key of the struct script */

struct script *script_of(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&script_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    struct script *script = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return script;
}

struct script_host *host_now(const struct script *script)
{
    return script->turn ? script->turn->host : script->host;
}

lua_State *script_state(struct script *script)
{
    return script->L;
}

/* A searcher for package.loaders: modules that travel inside the executable. */
static int search_embedded(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (!embedded_push(L, name)) lua_pushfstring(L, "\n\tno embedded module '%s'", name);
    return 1;
}

/* Embedded modules come right after package.preload: no file can hide them. */
static void add_searcher(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    for (int i = (int)lua_objlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, search_embedded);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}

static void push_module(lua_State *L, const char *name)
{
    lua_getglobal(L, "require");
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
}

static int ref_member(lua_State *L, const char *module, const char *name)
{
    push_module(L, module);
    lua_getfield(L, -1, name);
    if (!lua_isfunction(L, -1)) luaL_error(L, "%s.%s is missing", module, name);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
    return ref;
}

/* Look up once what C needs of the library. */
static int open_library(lua_State *L, void *user)
{
    struct script *script = user;
    script->refs[REF_ERROR_NEW] = ref_member(L, "moonpost.errors", "new");
    script->refs[REF_RUN] = ref_member(L, "moonpost.handler", "run");
    script->refs[REF_START] = ref_member(L, "moonpost.handler", "start");
    script->refs[REF_STOP] = ref_member(L, "moonpost.handler", "stop");
    script->refs[REF_BATCH] = ref_member(L, "moonpost.handler", "batch");
    script->refs[REF_DEAD] = ref_member(L, "moonpost.handler", "dead");
    script->refs[REF_HOOK_ANSWER] = ref_member(L, "moonpost.hook", "answer");
    script->refs[REF_DURATION] = ref_member(L, "moonpost.units", "duration");
    script->refs[REF_UNKNOWN] = ref_member(L, "moonpost.msg", "unknown");
    ctx_register(L, script);
    message_register(L, script);
    envelope_register(L, script);
    task_register(L, script);
    return 0;
}

static void open_state(struct script *script)
{
    lua_State *L = script->L;
    luaL_openlibs(L);                                           /* turns the compiler on */
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* else no hook stops a loop */
    lua_pushlightuserdata(L, (void *)&script_key);
    lua_pushlightuserdata(L, script);
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    lua_pushliteral(L, "moonpost.array");
    lua_setfield(L, -2, "__name");
    script->refs[REF_ARRAY] = luaL_ref(L, LUA_REGISTRYINDEX);
    turn_register(L, script);
    add_searcher(L);
    rocks_register(L, script->root);
    lua_gc(L, LUA_GCSETPAUSE, GC_PAUSE);
    script_preload(script, "moonpost.runtime", open_runtime);
    if (script->kind == SCRIPT_NODE) script_preload(script, "moonpost.inside", open_inside);
}

struct script *script_new(struct script_host *host, enum script_kind kind, const char *root)
{
    struct script *script = calloc(1, sizeof *script);
    ensure(script != NULL);
    *script = (struct script){.host = host,
                              .L = luaL_newstate(),
                              .kind = kind,
                              .root = strdup(root ? root : "."),
                              .next = host->scripts};
    ensure(script->L != NULL && script->root != NULL);
    host->scripts = script;
    open_state(script);

    struct turn turn;
    turn_enter(&turn, host, script, PLACE_LOAD, NULL, 0);
    if (!turn_invoke(&turn, open_library, script, 0, 0)) {
        fprintf(stderr, "moonpost: the library is broken: %s\n", lua_tostring(script->L, -1));
        ensure(!"the embedded library loads");
    }
    turn_leave(&turn);
    return script;
}

static void script_unlink(struct script *script)
{
    struct script **at = &script->host->scripts;
    while (*at != script) at = &(*at)->next;
    *at = script->next;
    if (script->host->node == script) script->host->node = NULL;
}

static void drop_tasks(struct script *script)
{
    for (struct task *task = script->host->tasks, *next; task; task = next) {
        next = task->next;
        if (task->script == script) task_drop(task);
    }
}

void script_free(struct script *script)
{
    drop_tasks(script);
    functions_forget(script->host, script);
    script_unlink(script);
    memory_unlimit(&script->memory);
    lua_close(script->L);
    workers_free(script);
    slots_deinit(&script->deliveries);
    json_deinit(&script->json);
    tracked_clear(&script->files);
    free(script->root);
    free(script);
}

void script_preload(struct script *script, const char *name, lua_CFunction open)
{
    lua_State *L = script->L;
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, open);
    lua_setfield(L, -2, name);
    lua_pop(L, 2);
}

struct script *host_node_state(struct script_host *host)
{
    if (!host->node) {
        const char *root = host->settings ? host->settings->root.bytes : ".";
        host->node = script_new(host, SCRIPT_NODE, root);
    }
    return host->node;
}

/* ---- loading ---- */

static int load_text(lua_State *L, const char *path, const char *text)
{
    bool is_name = path[0] == '=' || path[0] == '@';
    lua_pushfstring(L, is_name ? "%s" : "@%s", path);
    int status = luaL_loadbufferx(L, text, strlen(text), lua_tostring(L, -1), "t");
    lua_remove(L, -2);
    return status;
}

void state_compile(struct script *script, lua_State *L, const char *path, const char *text,
                   const char *environment)
{
    if (!text) tracked_add(&script->files, path);
    int status = text ? load_text(L, path, text) : luaL_loadfilex(L, path, "t");
    if (status != 0) lua_error(L);
    push_module(L, "moonpost.strict");
    lua_getfield(L, -1, "environment");
    lua_remove(L, -2);
    lua_pushstring(L, environment);
    lua_call(L, 1, 1);
    lua_setfenv(L, -2);
}

struct load_request {
    struct script *script;
    const char *path, *text, *environment;
};

static int load_run(lua_State *L, void *user)
{
    const struct load_request *request = user;
    state_compile(request->script, L, request->path, request->text, request->environment);
    lua_call(L, 0, LUA_MULTRET);
    int count = lua_gettop(L);
    if (count == 1 && !lua_isnil(L, 1)) return 1;
    lua_pushfstring(L,
                    count > 1 ? "it returns %d values; a file returns one"
                              : "it returns nothing; end it with a return",
                    count);
    return lua_error(L);
}

/* Errors of loading begin with the file's name, whoever made them. */
static struct span load_error(struct script_host *host, lua_State *L, const char *path,
                              const struct turn *turn)
{
    struct span text = turn->over ? block_span(turn->reason) : error_text(host, L, -1);
    struct span name = span_text(path[0] == '@' || path[0] == '=' ? path + 1 : path);
    bool named = text.size > name.size && memcmp(text.bytes, name.bytes, name.size) == 0 &&
                 text.bytes[name.size] == ':';
    if (named || strstr(text.bytes, path)) return error_keep(host, text);
    return error_format(host, "%.*s: %.*s", SPAN_ARGS(name), SPAN_ARGS(text));
}

enum status state_load(struct script *script, struct script_host *host, const char *path,
                       const char *text, const char *environment, struct span *error)
{
    struct load_request request = {script, path, text, environment};
    struct turn turn;
    turn_enter(&turn, host, script, PLACE_LOAD, NULL, LOAD_BUDGET_MS);
    bool ok = turn_invoke(&turn, load_run, &request, 0, 1);
    turn_leave(&turn);
    if (!ok) {
        *error = load_error(host, script->L, path, &turn);
        lua_pop(script->L, 1);
    }
    turn_forget(&turn);
    return ok ? STATUS_OK : STATUS_SCRIPT;
}

static const char *const environments[] = {
    [SCRIPT_AGENT] = "agent",
    [SCRIPT_NODE] = "settings",
    [SCRIPT_PROGRAM] = "program",
    [SCRIPT_SPEC] = "spec",
};

enum status script_load(struct script *script, const char *path, const char *text,
                        struct span *error)
{
    return state_load(script, script->host, path, text, environments[script->kind], error);
}
