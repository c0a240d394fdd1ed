/* What the files of module "moonpost.world" share; private to them. */
#ifndef MOONPOST_WORLD_LUA_H
#define MOONPOST_WORLD_LUA_H

#include "sim/world.h"

#include <lauxlib.h>
#include "core/array.h"
#include "script/host.h"

#define WORLD_TYPE "moonpost.world"

struct kept_fact {
    enum fact_kind kind;
    bool notice; /* of a dead letter */
    int64_t at_ms;
    struct block *block; /* or NULL */
    struct span id, node, link, reason;
    uint8_t code;
    uint16_t transmission;
    uint32_t attempt;
    int64_t delay_ms;
};

struct kept_send {
    struct span id;
    uint64_t waiter;
    bool answered;
    int64_t at_ms;
    struct answer answer;
};

struct world_state {
    struct world *world; /* NULL: closed */
    bool running;        /* its nodes are at work: a call comes from inside of one */
    struct arena texts;
    struct kept_fact *facts;
    size_t fact_count, fact_capacity;
    struct kept_send *sends;
    size_t send_count, send_capacity;
    struct world_program **programs;
    size_t program_count, program_capacity;
};

/* Arguments; what is wrong raises. */
struct world_state *check_state(lua_State *L);
struct span check_span(lua_State *L, int index);

/* The node of this name, or the first. `check_running`: and it is up. */
struct world_node *check_node(lua_State *L, struct world_state *state, int index);
struct world_node *check_running(lua_State *L, struct world_state *state, int index);

/* The functions of world_faults_lua.c, into the table on top. */
void world_faults_register(lua_State *L);

/* Start a node by the settings at `index` (a table, or a file's path, or nil). May raise. */
void start_node(lua_State *L, struct world_node *node, int index);

#endif
