/* A node's settings: from the facade's normal form to plain data. */
#include "script/host.h"

#include <stdlib.h>

struct reading {
    struct script_host *host;
    struct settings *settings;
    struct arena *arena;
    struct script *script;
};

/* ---- lists ---- */

static size_t list_length(lua_State *L, int limit)
{
    size_t count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    if (count > (size_t)limit) luaL_error(L, "a list has at most %d entries", limit);
    return count;
}

static size_t read_spans(lua_State *L, const char *name, struct arena *arena, struct span *spans)
{
    lua_getfield(L, 1, name);
    size_t count = list_length(L, SETTINGS_LIST_MAX);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        spans[i] = arena_copy(arena, span_at(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return count;
}

/* Files and globs are spans; values are kept in the registry. The entry is on top and is popped. */
static void read_entry(lua_State *L, struct reading *reading, struct span *span,
                       struct settings_value *value)
{
    *value = (struct settings_value){.script = reading->script, .ref = LUA_NOREF};
    if (lua_type(L, -1) == LUA_TSTRING) {
        *span = arena_copy(reading->arena, span_at(L, -1));
        lua_pop(L, 1);
    } else {
        *span = span_of("", 0);
        value->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    }
}

static size_t read_entries(lua_State *L, struct reading *reading, const char *name, int limit,
                           bool *given, struct span *spans, struct settings_value *values)
{
    lua_getfield(L, 1, name);
    *given = lua_istable(L, -1);
    size_t count = list_length(L, limit);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        read_entry(L, reading, &spans[i], &values[i]);
    }
    lua_pop(L, 1);
    return count;
}

/* ---- links ---- */

static uint32_t read_link(lua_State *L, struct arena *arena, struct link_settings *link)
{
    int index = lua_gettop(L);
    struct retry_policy *retry = &link->retry;
    *retry = retry_default_link();
    link->address = field_span(L, index, "to", arena);
    retry->attempts = field_count(L, index, "attempts", retry->attempts);
    retry->first_ms = field_ms(L, index, "first", retry->first_ms);
    retry->factor = field_number(L, index, "factor", retry->factor);
    retry->cap_ms = field_ms(L, index, "cap", retry->cap_ms);
    retry->jitter = field_number(L, index, "jitter", retry->jitter);
    link->stable_for_ms = field_ms(L, index, "stable_for", 10000);
    link->heartbeat_ms = field_ms(L, index, "heartbeat", 15000);
    return field_count(L, index, "window", WINDOW_DEFAULT);
}

static void read_links(lua_State *L, struct reading *reading)
{
    struct settings *settings = reading->settings;
    lua_getfield(L, 1, "links");
    settings->link_count = list_length(L, SETTINGS_LIST_MAX);
    settings->link_window = settings->link_count > 0 ? UINT32_MAX : WINDOW_DEFAULT;
    for (size_t i = 0; i < settings->link_count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        uint32_t window = read_link(L, reading->arena, &settings->links[i]);
        if (window < settings->link_window) settings->link_window = window;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* ---- the rest ---- */

static void read_send(lua_State *L, struct reading *reading)
{
    struct settings *settings = reading->settings;
    settings->send = retry_default_send();
    settings->send_profile = AT_LEAST_ONCE;
    lua_getfield(L, 1, "send");
    int index = lua_gettop(L);
    if (!lua_isnil(L, index)) settings->send = retry_read(L, reading->host, index, settings->send);
    if (lua_istable(L, index)) {
        settings->send_profile =
            profile_from(field_span(L, index, "profile", reading->arena), AT_LEAST_ONCE);
        settings->send_level = level_from(field_span(L, index, "await", reading->arena));
    }
    lua_pop(L, 1);
}

static void read_handle(lua_State *L, struct reading *reading)
{
    struct settings *settings = reading->settings;
    settings->handle = retry_default_handle();
    lua_getfield(L, 1, "handle");
    if (!lua_isnil(L, -1)) settings->handle = retry_read(L, reading->host, -1, settings->handle);
    lua_pop(L, 1);
}

static size_t size_of(double number)
{
    return number < 9e15 ? (size_t)number : (size_t)9e15;
}

static void read_bounds(lua_State *L, const char *name, size_t *count, size_t *bytes)
{
    lua_getfield(L, 1, name);
    int index = lua_gettop(L);
    luaL_checktype(L, index, LUA_TTABLE);
    *count = size_of(field_number(L, index, "max", 0));
    *bytes = size_of(field_number(L, index, "max_bytes", 0));
    lua_pop(L, 1);
}

static void read_store(lua_State *L, struct reading *reading)
{
    struct settings *settings = reading->settings;
    lua_getfield(L, 1, "store");
    int index = lua_gettop(L);
    settings->store_path = span_text("data");
    settings->store_on_disk = lua_istable(L, index);
    if (settings->store_on_disk) {
        settings->store_path = field_span(L, index, "path", reading->arena);
        settings->store_relaxed =
            span_equal(field_span(L, index, "sync", reading->arena), span_text("relaxed"));
        settings->store_max = size_of(field_number(L, index, "max", 0));
    }
    lua_pop(L, 1);
}

static void read_log(lua_State *L, struct reading *reading)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct settings *settings = reading->settings;
    settings->log_level = LOG_INFO;
    lua_getfield(L, 1, "log");
    int index = lua_gettop(L);
    if (lua_istable(L, index)) {
        struct span level = field_span(L, index, "level", reading->arena);
        for (uint8_t i = 0; i < 4; i++)
            if (span_equal(level, span_text(levels[i]))) settings->log_level = i;
        settings->log_json =
            span_equal(field_span(L, index, "format", reading->arena), span_text("json"));
    }
    lua_pop(L, 1);
}

static void read_all(lua_State *L, struct reading *reading)
{
    struct settings *settings = reading->settings;
    struct script_host *host = reading->host;
    settings->name = field_span(L, 1, "name", reading->arena);
    settings->listen_count = read_spans(L, "listen", reading->arena, settings->listen);
    settings->insecure = field_true(L, 1, "insecure");
    read_links(L, reading);
    settings->agent_count =
        read_entries(L, reading, "agents", SETTINGS_AGENTS_MAX, &settings->agents_given,
                     settings->agents, host->agents_given);
    settings->hook_count = read_entries(L, reading, "hooks", SETTINGS_LIST_MAX,
                                        &settings->hooks_given, settings->hooks, host->hooks_given);
    host->policy_count = read_spans(L, "policies", reading->arena, host->policies);
    read_send(L, reading);
    read_handle(L, reading);
    read_bounds(L, "outbox", &settings->outbox_count_max, &settings->outbox_bytes_max);
    read_bounds(L, "mailbox", &settings->mailbox_count_max, &settings->mailbox_bytes_max);
    settings->body_max = size_of(field_number(L, 1, "body_max", BODY_BYTES_MAX));
    settings->state_max = size_of(field_number(L, 1, "state_max", STATE_BYTES_MAX));
    settings->grace_ms = field_ms(L, 1, "grace", 5000);
    settings->watchdog_ms = field_ms(L, 1, "watchdog", 10000);
    read_store(L, reading);
    read_log(L, reading);
    settings->production = field_true(L, 1, "production");
    settings->strict = field_true(L, 1, "strict");
}

/* The settings are at index 1: in normal form, or a plain table. */
static int settings_read(lua_State *L, void *user)
{
    if (!value_is(L, 1, "moonpost.node")) {
        lua_getglobal(L, "require");
        lua_pushliteral(L, "moonpost.node");
        lua_call(L, 1, 1);
        lua_getfield(L, -1, "new");
        lua_replace(L, -2);
        lua_insert(L, 1);
        lua_call(L, 1, 1);
    }
    read_all(L, user);
    return 0;
}

/* ---- life ---- */

static void values_clear(struct settings_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        luaL_unref(values[i].script->L, LUA_REGISTRYINDEX, values[i].ref);
}

void settings_deinit(struct script_host *host)
{
    if (host->settings) {
        values_clear(host->agents_given, host->settings->agent_count);
        values_clear(host->hooks_given, host->settings->hook_count);
    }
    free(host->settings);
    host->settings = NULL;
    host->policy_count = 0;
    arena_deinit(&host->settings_memory);
}

static struct settings *settings_new(struct script_host *host, const char *file, const char *root)
{
    settings_deinit(host);
    struct settings *settings = calloc(1, sizeof *settings);
    ensure(settings != NULL);
    struct arena *arena = &host->settings_memory;
    settings->file = arena_copy(arena, span_of(file, strlen(file) + 1));
    settings->root = arena_copy(arena, span_of(root, strlen(root) + 1));
    settings->file.size--; /* both end with a zero */
    settings->root.size--;
    return settings;
}

/* The table is on top of the main thread's stack and is popped. */
static enum status settings_adopt(struct script_host *host, struct script *script, const char *file,
                                  const struct settings **settings, struct span *error)
{
    struct settings *fresh = settings_new(host, file, script->root);
    struct reading reading = {host, fresh, &host->settings_memory, script};
    struct turn turn;
    turn_enter(&turn, host, script, PLACE_LOAD, NULL, LOAD_BUDGET_MS);
    bool ok = turn_invoke(&turn, settings_read, &reading, 1, 0);
    turn_leave(&turn);
    turn_forget(&turn);
    host->settings = fresh;
    *settings = fresh;
    if (ok) return STATUS_OK;
    struct span text = error_text(host, script->L, -1);
    *error = error_format(host, "%s%s%.*s", file, *file ? ": " : "", SPAN_ARGS(text));
    lua_pop(script->L, 1);
    return STATUS_SCRIPT;
}

static char *folder_of(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    char *folder = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    ensure(folder != NULL);
    return folder;
}

static struct script *node_state_in(struct script_host *host, const char *path)
{
    char *folder = folder_of(path);
    if (!host->node) host->node = script_new(host, SCRIPT_NODE, folder);
    free(folder);
    return host->node;
}

static enum status check_settings(struct script_host *host, struct script *script, const char *path,
                                  struct span *error)
{
    lua_State *L = script->L;
    if (value_is(L, -1, "moonpost.node")) return STATUS_OK;
    *error = error_format(
        host, "%s: a %s is not a node's settings; end the file with return moonpost.node { ... }",
        path, luaL_typename(L, -1));
    lua_pop(L, 1);
    return STATUS_SCRIPT;
}

enum status script_settings_load(struct script_host *host, const char *path,
                                 const struct settings **settings, struct span *error)
{
    struct script *script = node_state_in(host, path);
    const char *text = path ? NULL : "return {}";
    enum status status =
        state_load(script, host, path ? path : "=settings", text, "settings", error);
    if (status == STATUS_OK && path) status = check_settings(host, script, path, error);
    return status == STATUS_OK ? settings_adopt(host, script, path ? path : "", settings, error)
                               : status;
}

enum status script_settings_take(struct script_host *host, lua_State *L,
                                 const struct settings **settings, struct span *error)
{
    struct script *script = script_of(L);
    ensure(script != NULL);
    if (L != script->L) lua_xmove(L, script->L, 1);
    return settings_adopt(host, script, "", settings, error);
}

static lua_State *push_value_at(const struct settings_value *values, size_t count, size_t index)
{
    if (index >= count || values[index].ref == LUA_NOREF) return NULL;
    lua_State *L = values[index].script->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, values[index].ref);
    return L;
}

lua_State *script_settings_agent(struct script_host *host, size_t index)
{
    return push_value_at(host->agents_given, host->settings ? host->settings->agent_count : 0,
                         index);
}

lua_State *script_settings_hook(struct script_host *host, size_t index)
{
    return push_value_at(host->hooks_given, host->settings ? host->settings->hook_count : 0, index);
}
