/* Files are loaded into a host of its own, whose events go nowhere: there is no engine that could
 * start anything. */
#include "shell/inspect.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include "core/ensure.h"
#include "shell/bind.h"
#include "shell/clock.h"
#include "shell/override.h"

struct inspect {
    struct script_host *host; /* NULL: none yet */
    char *root;               /* of the settings; owned */
};

/* ---- the host ---- */

static int64_t now_ms(void *user)
{
    (void)user;
    return clock_now_ms();
}

static int64_t wall_ms(void *user)
{
    (void)user;
    return clock_wall_ms();
}

static uint64_t random_bits(void *user)
{
    (void)user;
    return clock_random();
}

static void ignore_log(void *user, const struct log_record *record)
{
    (void)user;
    (void)record;
}

static void ignore_event(void *user, const struct event *event)
{
    (void)user;
    (void)event;
}

static struct script_host *host_new(void)
{
    struct script_env env = {.now_ms = now_ms,
                             .wall_ms = wall_ms,
                             .random = random_bits,
                             .log = ignore_log,
                             .post = ignore_event};
    return script_host_new(&env);
}

/* ---- what a file says ---- */

static int fail(lua_State *L, struct span reason)
{
    lua_pushnil(L);
    lua_pushlstring(L, reason.bytes, reason.size);
    lua_pushliteral(L, "LOAD");
    return 3;
}

static const char *environment_of(enum script_kind kind)
{
    return kind == SCRIPT_AGENT ? "agent" : "settings";
}

/* Give the state's scripts `main`, which says in JSON what the value on top of its stack is; the
 * value is popped. */
static void set_main(struct script *script, enum script_kind kind, const char *what)
{
    static const char text[] =
        "local environment, what, value = ...\n"
        "local describe = require(\"moonpost.describe\").main\n"
        "rawset(require(\"moonpost.strict\").environment(environment), \"main\", function()\n"
        "  return describe(what, value)\n"
        "end)\n";
    lua_State *L = script_state(script);
    bool ready = luaL_loadbuffer(L, text, sizeof text - 1, "=main") == 0;
    ensure(ready);
    lua_pushstring(L, environment_of(kind));
    lua_pushstring(L, what);
    lua_pushvalue(L, -4);
    ready = lua_pcall(L, 3, 0, 0) == 0;
    ensure(ready);
    lua_pop(L, 1);
}

/* Push onto `L` what moonpost.describe says; the value is on top of the script's own stack and
 * popped. */
static int push_text(lua_State *L, struct script *script, enum script_kind kind, const char *what)
{
    struct span error;
    size_t size;
    set_main(script, kind, what);
    enum status status = script_load(script, "=moonpost", "return main()\n", &error);
    if (status != STATUS_OK) return fail(L, error);
    const char *text = lua_tolstring(script_state(script), -1, &size);
    lua_pushlstring(L, text ? text : "", size);
    lua_pop(script_state(script), 1);
    return 1;
}

/* A policy is loaded by the library, by its path. */
static enum status load(struct script *script, const char *what, const char *path,
                        struct span *error)
{
    if (strcmp(what, "policy") != 0) return script_load(script, path, NULL, error);
    lua_pushstring(script_state(script), path);
    return STATUS_OK;
}

static int describe_file(lua_State *L, const struct inspect *inspect, const char *what,
                         const char *path)
{
    struct span error;
    bool agent = strcmp(what, "agent") == 0;
    enum script_kind kind = agent ? SCRIPT_AGENT : SCRIPT_NODE;
    struct script *script = script_new(inspect->host, kind, inspect->root);
    enum status status = load(script, what, path, &error);
    int count = status == STATUS_OK ? push_text(L, script, kind, what) : fail(L, error);
    script_free(script);
    return count;
}

static int inspect_load(lua_State *L)
{
    static const char *const kinds[] = {"agent", "policy", NULL};
    struct inspect *inspect = bind_user(L);
    const char *what = kinds[luaL_checkoption(L, 1, NULL, kinds)];
    const char *path = luaL_checkstring(L, 2);
    if (!inspect->host) inspect->host = host_new();
    return describe_file(L, inspect, what, path);
}

/* Hooks share the node's state. */
static int inspect_hook(lua_State *L)
{
    struct inspect *inspect = bind_user(L);
    struct span error;
    if (!inspect->host) inspect->host = host_new();
    if (!script_hook_load(inspect->host, inspect->root, luaL_checkstring(L, 1), &error))
        return fail(L, error);
    lua_pushboolean(L, true);
    return 1;
}

static int inspect_is_settings(lua_State *L)
{
    struct span error;
    struct script_host *host = host_new();
    struct script *script = script_new(host, SCRIPT_NODE, ".");
    lua_State *own = script_state(script);
    bool is = script_load(script, luaL_checkstring(L, 1), NULL, &error) == STATUS_OK &&
              luaL_getmetafield(own, -1, "__name") && lua_isstring(own, -1) &&
              strcmp(lua_tostring(own, -1), "moonpost.node") == 0;
    script_host_free(host);
    lua_pushboolean(L, is);
    return 1;
}

/* ---- settings ---- */

static void set_text(lua_State *L, const char *name, struct span text)
{
    lua_pushlstring(L, text.size ? text.bytes : "", text.size);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static double seconds(int64_t ms)
{
    return ms == DURATION_FOREVER ? (double)INFINITY : (double)ms / 1000;
}

static void push_policy(lua_State *L, const struct retry_policy *policy)
{
    lua_createtable(L, 0, 6);
    set_number(L, "attempts",
               policy->attempts == ATTEMPTS_FOREVER ? (double)INFINITY : (double)policy->attempts);
    set_number(L, "first", seconds(policy->first_ms));
    set_number(L, "factor", policy->factor);
    set_number(L, "cap", seconds(policy->cap_ms));
    set_number(L, "jitter", policy->jitter);
    set_number(L, "deadline", seconds(policy->deadline_ms));
}

static void set_policy(lua_State *L, const char *name, const struct retry_policy *policy)
{
    push_policy(L, policy);
    lua_setfield(L, -2, name);
}

static void push_links(lua_State *L, const struct settings *settings)
{
    lua_createtable(L, (int)settings->link_count, 0);
    for (size_t i = 0; i < settings->link_count; i++) {
        push_policy(L, &settings->links[i].retry);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "links");
}

static void push_doors(lua_State *L, const struct settings *settings)
{
    lua_createtable(L, (int)settings->listen_count, 0);
    for (size_t i = 0; i < settings->listen_count; i++) {
        lua_pushlstring(L, settings->listen[i].bytes, settings->listen[i].size);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "listen");
}

static void push_store(lua_State *L, const struct settings *settings)
{
    set_text(L, "store", settings->store_on_disk ? settings->store_path : span_text("memory"));
    set_text(L, "folder", settings->store_path);
    set_text(L, "sync", span_text(settings->store_relaxed ? "relaxed" : "commit"));
    set_number(L, "store_max", (double)settings->store_max);
}

/* The values that the environment and flags can change. */
static void push_values(lua_State *L, const struct override *override)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    static const char *const profiles[] = {"at-most-once", "at-least-once", "exactly-once"};
    const struct settings *settings = &override->settings;
    lua_createtable(L, 0, 16);
    set_text(L, "name", settings->name);
    set_text(L, "root", settings->root);
    set_text(L, "profile", span_text(profiles[settings->send_profile]));
    set_text(L, "level", span_text(levels[override->log->level]));
    set_text(L, "format", span_text(override->log->json ? "json" : "text"));
    lua_pushboolean(L, override->show_envelopes);
    lua_setfield(L, -2, "show_envelopes");
    push_store(L, settings);
    push_doors(L, settings);
    set_policy(L, "send", &settings->send);
    set_policy(L, "handle", &settings->handle);
    push_links(L, settings);
}

struct origins {
    lua_State *L;
    int table;
};

static void note_origin(void *user, const char *name, const char *origin)
{
    struct origins *origins = user;
    lua_pushstring(origins->L, origin);
    lua_setfield(origins->L, origins->table, name);
}

static bool apply_flags(lua_State *L, int flags, struct override *override,
                        struct complaint *complaint)
{
    size_t count = lua_istable(L, flags) ? lua_objlen(L, flags) : 0;
    bool valid = true;
    for (size_t i = 0; i < count && valid; i++) {
        int top = lua_gettop(L);
        size_t size;
        lua_rawgeti(L, flags, (int)i + 1);
        lua_rawgeti(L, top + 1, 1);
        lua_rawgeti(L, top + 1, 2);
        const char *value = luaL_checklstring(L, top + 3, &size);
        valid = override_by_flag(override, luaL_checkstring(L, top + 2), span_of(value, size),
                                 complaint);
        lua_settop(L, top);
    }
    return valid;
}

/* Push { values =, origins = }, or nil, reason, code. */
static int push_in_force(lua_State *L, const struct settings *settings)
{
    struct log log = {.level = (enum log_level)settings->log_level, .json = settings->log_json};
    struct complaint complaint;
    struct override override;
    lua_newtable(L);
    lua_newtable(L);
    struct origins origins = {L, lua_gettop(L)};
    override_init(&override, settings, &log);
    override.applied = note_origin;
    override.user = &origins;
    bool valid =
        override_by_environment(&override, &complaint) && apply_flags(L, 2, &override, &complaint);
    if (valid) {
        lua_setfield(L, -2, "origins");
        push_values(L, &override);
        lua_setfield(L, -2, "values");
    }
    override_deinit(&override);
    return valid ? 1 : bind_fail(L, "USAGE", complaint.text);
}

static void renew(struct inspect *inspect)
{
    if (inspect->host) script_host_free(inspect->host);
    inspect->host = host_new();
    free(inspect->root);
    inspect->root = NULL;
}

static char *copy_of(struct span text)
{
    char *copy = strndup(text.bytes, text.size);
    ensure(copy != NULL);
    return copy;
}

static int inspect_settings(lua_State *L)
{
    struct inspect *inspect = bind_user(L);
    const char *path = luaL_optstring(L, 1, NULL);
    const struct settings *settings;
    struct span error;
    lua_settop(L, 2);
    renew(inspect);
    if (script_settings_load(inspect->host, path, &settings, &error) != STATUS_OK)
        return fail(L, error);
    inspect->root = copy_of(settings->root);
    int count = push_in_force(L, settings);
    if (count != 1) return count;
    if (path && describe_file(L, inspect, "settings", path) != 1) return 3;
    if (path) lua_setfield(L, -2, "text");
    return 1;
}

/* ---- life ---- */

struct inspect *inspect_new(void)
{
    struct inspect *inspect = calloc(1, sizeof *inspect);
    ensure(inspect != NULL);
    return inspect;
}

void inspect_free(struct inspect *inspect)
{
    if (!inspect) return;
    if (inspect->host) script_host_free(inspect->host);
    free(inspect->root);
    free(inspect);
}

void inspect_preload(struct inspect *inspect, struct script *script)
{
    static const luaL_Reg functions[] = {{"settings", inspect_settings},
                                         {"is_settings", inspect_is_settings},
                                         {"load", inspect_load},
                                         {"hook", inspect_hook},
                                         {NULL, NULL}};
    static const char *const waits[] = {NULL};
    static const struct bind_module module = {"moonpost.inspect", functions, waits};
    bind_preload(script, &module, inspect);
}
