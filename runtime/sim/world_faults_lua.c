/* Faults of worlds in Lua: the second half of module "moonpost.world". */
#include "sim/world_lua.h"

#include <stdio.h>

/* ---- links ---- */

/* world.cut(w, a, b, "both" | "silent" | "one_way") -> whether there are such nodes */
static int cut_link(lua_State *L)
{
    static const char *const names[] = {
        [CUT_BOTH] = "both", [CUT_SILENT] = "silent", [CUT_ONE_WAY] = "one_way", NULL};
    struct world_state *state = check_state(L);
    enum world_cut how = (enum world_cut)luaL_checkoption(L, 4, "both", names);
    lua_pushboolean(L, world_cut(state->world, check_span(L, 2), check_span(L, 3), how));
    return 1;
}

static int heal_link(lua_State *L)
{
    struct world_state *state = check_state(L);
    lua_pushboolean(L, world_heal(state->world, check_span(L, 2), check_span(L, 3)));
    return 1;
}

static int delay_link(lua_State *L)
{
    struct world_state *state = check_state(L);
    int64_t delay_ms = (int64_t)(luaL_checknumber(L, 4) * 1000);
    lua_pushboolean(L, world_delay(state->world, check_span(L, 2), check_span(L, 3), delay_ms));
    return 1;
}

/* world.rough(w, a, b, lose, duplicate, reorder) */
static int roughen(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct roughness roughness = {luaL_checknumber(L, 4), luaL_checknumber(L, 5),
                                  luaL_checknumber(L, 6)};
    lua_pushboolean(L, world_rough(state->world, check_span(L, 2), check_span(L, 3), &roughness));
    return 1;
}

/* ---- nodes ---- */

/* world.crash(w, node) -> whether it is one of its own handlers that asks, which ends now */
static int crash_node(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct world_node *node = check_running(L, state, 2);
    world_crash(node);
    lua_pushboolean(L, world_node_of(node) != NULL);
    return 1;
}

/* world.restart(w, node, settings) */
static int restart_node(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct world_node *node = check_node(L, state, 2);
    if (world_node_of(node)) return luaL_error(L, "node \"%s\" is up", world_node_name(node).bytes);
    world_revive(node);
    start_node(L, node, 3);
    return 0;
}

static int is_up(lua_State *L)
{
    struct world_state *state = check_state(L);
    lua_pushboolean(L, world_is_up(check_node(L, state, 2)));
    return 1;
}

static int stop_node(lua_State *L)
{
    struct world_state *state = check_state(L);
    world_stop(check_running(L, state, 2));
    return 0;
}

static int go_on(lua_State *L)
{
    struct world_state *state = check_state(L);
    world_go_on(check_running(L, state, 2));
    return 0;
}

/* ---- disks ---- */

static struct medium *check_medium(lua_State *L, struct world_state *state)
{
    struct medium *medium = world_medium(check_node(L, state, 2));
    if (!medium) luaL_error(L, "this node has no disk");
    return medium;
}

/* world.disk(w, node, "ok" | "full" | "failing" | "lying" | nil, longest commit in seconds or nil,
 * how many commits from now one fails or nil) */
static int set_disk(lua_State *L)
{
    static const char *const names[] = {[MEDIUM_OK] = "ok",
                                        [MEDIUM_FULL] = "full",
                                        [MEDIUM_FAILING] = "failing",
                                        [MEDIUM_LYING] = "lying",
                                        NULL};
    struct world_state *state = check_state(L);
    struct medium *medium = check_medium(L, state);
    if (!lua_isnil(L, 3)) {
        medium->state = (enum medium_state)luaL_checkoption(L, 3, NULL, names);
        medium->fails_at = 0;
    }
    if (!lua_isnoneornil(L, 4)) medium->commit_ms_max = (int64_t)(luaL_checknumber(L, 4) * 1000);
    if (!lua_isnoneornil(L, 5))
        medium->fails_at = medium->commits + (uint64_t)luaL_checkinteger(L, 5);
    return 0;
}

/* world.flip(w, node, kind or nil) -> the kind of the record that was hit, or nil */
static int flip_bit(lua_State *L)
{
    struct world_state *state = check_state(L);
    check_medium(L, state);
    char hit = world_flip(check_node(L, state, 2), luaL_optstring(L, 3, "")[0]);
    if (!hit) return 0;
    lua_pushlstring(L, &hit, 1);
    return 1;
}

struct findings {
    char first[256];
};

static void keep_first(void *user, struct span key, const char *what)
{
    struct findings *findings = user;
    if (!findings->first[0])
        snprintf(findings->first, sizeof findings->first, "a record of kind '%c' %s", key.bytes[0],
                 what);
}

/* world.records(w, node) -> how many records its disk holds */
static int count_records(lua_State *L)
{
    struct world_state *state = check_state(L);
    lua_pushinteger(L, (lua_Integer)world_records(check_node(L, state, 2)));
    return 1;
}

/* world.store_check(w, node) -> how many findings, the first of them */
static int check_store(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct findings findings = {.first = ""};
    check_medium(L, state);
    lua_pushinteger(L,
                    (lua_Integer)world_store_check(check_node(L, state, 2), keep_first, &findings));
    lua_pushstring(L, findings.first);
    return 2;
}

/* ---- the world ---- */

/* world.set_time(w, seconds since 1970) */
static int set_time(lua_State *L)
{
    struct world_state *state = check_state(L);
    world_set_wall(state->world, (int64_t)(luaL_checknumber(L, 2) * 1000 + 0.5));
    return 0;
}

/* world.trace(w) -> 16 hexadecimal digits */
static int get_trace(lua_State *L)
{
    struct world_state *state = check_state(L);
    char text[32];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)world_trace(state->world));
    lua_pushstring(L, text);
    return 1;
}

/* world.check(w) -> the first promise that was broken, or nil */
static int check_world(lua_State *L)
{
    struct world_state *state = check_state(L);
    lua_pushstring(L, world_check(state->world));
    return 1;
}

/* world.handled(w, id) -> whether it was handled, durably */
static int was_handled(lua_State *L)
{
    struct world_state *state = check_state(L);
    lua_pushboolean(L, world_handled(state->world, check_span(L, 2)));
    return 1;
}

void world_faults_register(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"cut", cut_link},
        {"heal", heal_link},
        {"delay", delay_link},
        {"rough", roughen},
        {"crash", crash_node},
        {"restart", restart_node},
        {"up", is_up},
        {"stop", stop_node},
        {"go_on", go_on},
        {"disk", set_disk},
        {"flip", flip_bit},
        {"store_check", check_store},
        {"records", count_records},
        {"set_time", set_time},
        {"check", check_world},
        {"handled", was_handled},
        {"trace", get_trace},
        {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}
