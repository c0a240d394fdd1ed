/* Worlds in Lua: module "moonpost.world", which lua/moonpost/test.lua makes pleasant.
 *
 * Every function takes and answers plain values; times are seconds. What happened is kept in C as
 * it happens (nothing here may raise while engines run) and turned into tables when it is asked
 * for. */
#include "sim/world_lua.h"

/* ---- what happens is kept ---- */

static void keep_fact(void *user, struct world_node *node, const struct fact *fact)
{
    struct world_state *state = user;
    array_reserve(state->facts, state->fact_count, state->fact_capacity);
    state->facts[state->fact_count++] = (struct kept_fact){
        .notice = fact->notice,
        .kind = fact->kind,
        .at_ms = world_now_ms(state->world),
        .block = block_retain(fact->block),
        .id = arena_copy(&state->texts, fact->subject),
        .node = arena_copy(&state->texts, world_node_name(node)),
        .link = arena_copy(&state->texts, fact->link),
        .reason = arena_copy(&state->texts, fact->reason),
        .code = fact->code,
        .transmission = fact->transmission,
        .attempt = fact->attempt,
        .delay_ms = fact->delay_ms,
    };
}

static void keep_answer(void *user, uint64_t waiter, const struct answer *answer)
{
    struct world_state *state = user;
    for (size_t i = state->send_count; i-- > 0;) {
        struct kept_send *send = &state->sends[i];
        if (send->waiter != waiter) continue;
        send->answered = true;
        send->answer = *answer;
        struct span *spans[] = {&send->answer.ref, &send->answer.word, &send->answer.reason,
                                &send->answer.result};
        for (size_t s = 0; s < sizeof spans / sizeof spans[0]; s++)
            *spans[s] = arena_copy(&state->texts, *spans[s]);
        return;
    }
}

/* ---- arguments ---- */

struct world_state *check_state(lua_State *L)
{
    struct world_state *state = luaL_checkudata(L, 1, WORLD_TYPE);
    if (!state->world) luaL_error(L, "this world is closed");
    return state;
}

static int refuse_inside(lua_State *L)
{
    return luaL_error(L, "this world is at work: one of its own handlers, hooks or policies cannot "
                         "send in it, let time pass or close it; in a handler use ctx");
}

/* The state of a world that does not run at this moment. */
static struct world_state *check_outside(lua_State *L)
{
    struct world_state *state = check_state(L);
    if (state->running) refuse_inside(L);
    return state;
}

struct span check_span(lua_State *L, int index)
{
    size_t size;
    const char *bytes = luaL_checklstring(L, index, &size);
    return span_of(bytes, size);
}

static struct span opt_span(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? span_of(NULL, 0) : check_span(L, index);
}

struct world_node *check_node(lua_State *L, struct world_state *state, int index)
{
    struct span name = opt_span(L, index);
    struct world_node *node = world_find(state->world, name);
    if (!node) luaL_error(L, "this world has no node \"%s\"", name.bytes ? name.bytes : "");
    return node;
}

struct world_node *check_running(lua_State *L, struct world_state *state, int index)
{
    struct world_node *node = check_node(L, state, index);
    if (!world_is_up(node))
        luaL_error(L, "node \"%s\" is down; start it with world:restart",
                   world_node_name(node).bytes);
    return node;
}

static int raise_span(lua_State *L, struct span text)
{
    lua_pushlstring(L, text.bytes, text.size);
    return lua_error(L);
}

static double since_start(int64_t now_ms)
{
    return (double)(now_ms - WORLD_BEGAN_MS) / 1000;
}

static double seconds(int64_t ms)
{
    return (double)ms / 1000;
}

/* ---- life ---- */

static int world_make(lua_State *L)
{
    uint64_t seed = (uint64_t)luaL_checknumber(L, 1);
    int64_t wall_ms = (int64_t)(luaL_checknumber(L, 2) * 1000);
    struct world_state *state = lua_newuserdata(L, sizeof *state);
    memset(state, 0, sizeof *state);
    luaL_getmetatable(L, WORLD_TYPE);
    lua_setmetatable(L, -2);
    state->world = world_new(seed, wall_ms);
    world_watch(state->world, keep_fact, keep_answer, state);
    return 1;
}

static int world_close(lua_State *L)
{
    struct world_state *state = luaL_checkudata(L, 1, WORLD_TYPE);
    if (state->running) return refuse_inside(L);
    world_free(state->world);
    state->world = NULL;
    for (size_t i = 0; i < state->fact_count; i++) block_release(state->facts[i].block);
    free(state->facts);
    free(state->sends);
    free(state->programs);
    arena_deinit(&state->texts);
    memset(state, 0, sizeof *state);
    return 0;
}

static int setenv_(lua_State *L)
{
    struct world_state *state = check_state(L);
    world_setenv(state->world, luaL_checkstring(L, 2), luaL_optstring(L, 3, NULL));
    return 0;
}

/* ---- nodes, agents, hooks ---- */

void start_node(lua_State *L, struct world_node *node, int index)
{
    struct script_host *host = node_host(world_node_of(node));
    const struct settings *settings;
    struct span error;
    enum status status;
    if (lua_istable(L, index)) {
        lua_pushvalue(L, index);
        status = script_settings_take(host, L, &settings, &error);
    } else
        status = script_settings_load(host, luaL_optstring(L, index, NULL), &settings, &error);
    if (status == STATUS_OK) {
        world_busy_begin(node);
        status = world_node_start(node, settings, &error);
        world_busy_end(node);
    }
    if (status == STATUS_OK) return;
    lua_pushlstring(L, error.bytes, error.size);
    world_crash(node); /* half of a node is none */
    lua_error(L);
}

/* world.node(w, name, role, settings (a table, or a file's path, or nil), show envelopes, the name
 * it goes by or nil, its store's id or nil, epoch or nil) */
static int add_node(lua_State *L)
{
    struct world_state *state = check_state(L);
    uint8_t role = (uint8_t)luaL_checkinteger(L, 3);
    struct world_identity identity = {.name = opt_span(L, 6),
                                      .store = opt_span(L, 7),
                                      .epoch = (uint64_t)luaL_optinteger(L, 8, 0)};
    struct world_node *node =
        world_node_add(state->world, check_span(L, 2), role, lua_toboolean(L, 5), &identity);
    start_node(L, node, 4);
    lua_pushlstring(L, world_node_name(node).bytes, world_node_name(node).size);
    return 1;
}

/* world.names(w) -> array of the nodes' names, those of programs' clients too */
static int get_names(lua_State *L)
{
    struct world_state *state = check_state(L);
    int index = 0;
    lua_newtable(L);
    for (struct world_node *node = NULL; (node = world_next(state->world, node));) {
        push_span(L, world_node_name(node));
        lua_rawseti(L, -2, ++index);
    }
    return 1;
}

/* world.load(w, node or nil, agent value or path, origin) -> address */
static int load_agent(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct world_node *place = check_running(L, state, 2);
    struct node *node = world_node_of(place);
    struct span error;
    world_busy_begin(place);
    enum status status = lua_istable(L, 3)
                             ? node_take_agent(node, L, 3, luaL_optstring(L, 4, "spec"), &error)
                             : node_load_agent(node, luaL_checkstring(L, 3), &error);
    world_busy_end(place);
    return status == STATUS_OK ? 0 : raise_span(L, error);
}

struct reload_answer {
    lua_State *L;
    enum reload_state state;
};

static void keep_reload(void *user, const struct reload_result *result)
{
    struct reload_answer *answer = user;
    answer->state = result->state;
    lua_pushlstring(answer->L, result->reason.size ? result->reason.bytes : "",
                    result->reason.size);
}

/* world.reload(w, node or nil, address, agent value or path or nil) -> how it ended ("reloaded",
 * "starting", "refused"), reason; nil: no such agent */
static int reload_agent(lua_State *L)
{
    static const char *const names[] = {
        [RELOAD_DONE] = "reloaded", [RELOAD_STARTING] = "starting", [RELOAD_REFUSED] = "refused"};
    struct world_state *state = check_state(L);
    struct world_node *place = check_running(L, state, 2);
    struct reload_request request = {.address = check_span(L, 3), .unchanged = true};
    struct reload_answer answer = {.L = L};
    if (lua_istable(L, 4)) {
        request.L = L;
        request.index = 4;
    } else
        request.file = luaL_optstring(L, 4, NULL);
    world_busy_begin(place);
    size_t count = node_reload(world_node_of(place), &request, keep_reload, &answer);
    world_busy_end(place);
    if (count == 0) return 0;
    lua_pushstring(L, names[answer.state]);
    lua_insert(L, -2);
    return 2;
}

static void count_reload(void *user, const struct reload_result *result)
{
    size_t *count = user;
    *count += result->state != RELOAD_REFUSED;
}

/* world.reload_files(w, node) -> how many agents are loaded again, each from its file */
static int reload_files(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct world_node *place = check_running(L, state, 2);
    struct reload_request request = {.unchanged = true};
    size_t count = 0;
    world_busy_begin(place);
    node_reload(world_node_of(place), &request, count_reload, &count);
    world_busy_end(place);
    lua_pushnumber(L, (double)count);
    return 1;
}

static int add_hook(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct node *node = world_node_of(check_running(L, state, 2));
    struct span error;
    if (!script_hook_add(node_host(node), L, 3, "spec", &error)) return raise_span(L, error);
    node_hooks_changed(node);
    return 0;
}

/* ---- sending ---- */

static struct kept_send *new_send(struct world_state *state, struct span id)
{
    array_reserve(state->sends, state->send_count, state->send_capacity);
    struct kept_send *send = &state->sends[state->send_count++];
    *send = (struct kept_send){.id = arena_copy(&state->texts, id),
                               .waiter = world_waiter(state->world),
                               .at_ms = world_now_ms(state->world)};
    return send;
}

/* world.send(w, node or nil, send_table) -> id. `await` decides for which level the receipt waits.
 */
static int send_message(lua_State *L)
{
    struct world_state *state = check_outside(L);
    struct node *node = world_node_of(check_running(L, state, 2));
    struct submit submit;
    send_read(L, node_host(node), 3, &state->texts, &submit);
    submit.own = true; /* what a world does, the node's user does */
    struct kept_send *send = new_send(state, submit.message.id);
    submit.waiter = send->waiter;
    node_post(node, &(struct event){.kind = EVENT_SUBMIT, .submit = &submit});
    lua_pushlstring(L, send->id.bytes, send->id.size);
    return 1;
}

static struct kept_send *find_send(struct world_state *state, struct span id)
{
    for (size_t i = state->send_count; i-- > 0;)
        if (span_equal(state->sends[i].id, id)) return &state->sends[i];
    return NULL;
}

/* world.receipt(w, id) -> receipt table or nil */
static int get_receipt(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct kept_send *send = find_send(state, check_span(L, 2));
    if (!send || !send->answered) return 0;
    receipt_push(L, script_of(L), &send->answer);
    return 1;
}

/* ---- time ---- */

static int get_now(lua_State *L)
{
    struct world_state *state = check_state(L);
    lua_pushnumber(L, since_start(world_now_ms(state->world)));
    lua_pushnumber(L, seconds(world_wall_ms(state->world)));
    return 2;
}

static void keep_first(void *user, const struct pending *pending)
{
    struct pending *first = user;
    if (first->id.size == 0) *first = *pending;
}

static int complain_unrest(lua_State *L, struct world *world)
{
    struct pending first = {0};
    size_t count = world_pending(world);
    for (struct world_node *node = NULL; (node = world_next(world, node));)
        engine_pending(node_engine(world_node_of(node)), keep_first, &first);
    lua_pushfstring(
        L,
        "the world does not come to rest: messages go round without end, at one moment; "
        "%d pending",
        (int)count);
    if (first.id.size == 0) return lua_error(L);
    lua_pushliteral(L, ", such as ");
    push_span(L, first.id);
    lua_pushliteral(L, " at ");
    push_span(L, first.address);
    lua_concat(L, 5);
    return lua_error(L);
}

/* world.run(w, seconds) */
static int run_world(lua_State *L)
{
    struct world_state *state = check_outside(L);
    int64_t until_ms = world_now_ms(state->world) + (int64_t)(luaL_checknumber(L, 2) * 1000 + 0.5);
    state->running = true;
    bool rests = world_run(state->world, until_ms);
    state->running = false;
    return rests ? 0 : complain_unrest(L, state->world);
}

/* world.next(w) -> seconds from now until something is due, or nil */
static int get_next(lua_State *L)
{
    struct world_state *state = check_state(L);
    int64_t next_ms = world_next_ms(state->world);
    if (next_ms == INT64_MAX) return 0;
    int64_t now_ms = world_now_ms(state->world);
    lua_pushnumber(L, next_ms > now_ms ? seconds(next_ms - now_ms) : 0);
    return 1;
}

struct pending_list {
    lua_State *L;
    int index;
    struct world_node *node;
};

static void push_pending(void *user, const struct pending *pending)
{
    struct pending_list *list = user;
    lua_State *L = list->L;
    lua_createtable(L, 0, 4);
    set_span(L, "node", world_node_name(list->node));
    set_span(L, "address", pending->address);
    set_span(L, "id", pending->id);
    set_span(L, "state", span_text(pending->state));
    if (pending->why.size > 0) set_span(L, "why", pending->why);
    lua_rawseti(L, -2, ++list->index);
}

/* world.pending(w) -> array of { node, address, id, state } */
static int get_pending(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct pending_list list = {L, 0, NULL};
    lua_newtable(L);
    while ((list.node = world_next(state->world, list.node)))
        if (world_is_up(list.node))
            engine_pending(node_engine(world_node_of(list.node)), push_pending, &list);
    return 1;
}

/* world.committing(w) -> whether a node that is up waits for its store */
static int is_committing(lua_State *L)
{
    struct world *world = check_state(L)->world;
    bool any = false;
    for (struct world_node *node = world_next(world, NULL); node; node = world_next(world, node))
        any |= world_is_up(node) && !node_settled(world_node_of(node));
    lua_pushboolean(L, any);
    return 1;
}

/* world.pending_count(w) -> how many they are, those that are in a store only too */
static int get_pending_count(lua_State *L)
{
    lua_pushnumber(L, (double)world_pending(check_state(L)->world));
    return 1;
}

/* ---- looking back ---- */

static void push_fact(lua_State *L, const struct kept_fact *fact)
{
    lua_createtable(L, 0, 10);
    set_span(L, "fact", span_text(fact_name(fact->kind)));
    set_number(L, "at", since_start(fact->at_ms));
    set_span(L, "node", fact->node);
    set_span(L, "id", fact->id);
    set_number(L, "attempt", fact->attempt);
    set_number(L, "transmission", fact->transmission);
    if (fact->notice) set_boolean(L, "notice", true);
    if (fact->code) set_span(L, "code", span_text(code_name((enum code)fact->code)));
    if (fact->reason.size > 0) set_span(L, "reason", fact->reason);
    if (fact->link.size > 0) set_span(L, "link", fact->link);
    if (fact->delay_ms >= 0) set_number(L, "delay", seconds(fact->delay_ms));
}

/* world.facts(w, id or nil) -> array of facts, and the time of the send (or nil) */
static int get_facts(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct span id = opt_span(L, 2);
    int index = 0;
    lua_newtable(L);
    for (size_t i = 0; i < state->fact_count; i++) {
        if (id.size > 0 && !span_equal(state->facts[i].id, id)) continue;
        push_fact(L, &state->facts[i]);
        lua_rawseti(L, -2, ++index);
    }
    struct kept_send *send = find_send(state, id);
    if (!send) return 1;
    lua_pushnumber(L, since_start(send->at_ms));
    return 2;
}

/* world.delivered(w) -> how many deliveries there were */
static int count_delivered(lua_State *L)
{
    struct world_state *state = check_state(L);
    size_t count = 0;
    for (size_t i = 0; i < state->fact_count; i++) count += state->facts[i].kind == FACT_DELIVERED;
    lua_pushnumber(L, (double)count);
    return 1;
}

/* world.received(w, address) -> array of messages handed to the handler, in order */
static int get_received(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct span address = check_span(L, 2);
    int index = 0;
    lua_newtable(L);
    for (size_t i = 0; i < state->fact_count; i++) {
        struct kept_fact *fact = &state->facts[i];
        if (fact->notice) continue;
        if (fact->kind != FACT_DELIVERED || !span_equal(message_to(fact->block), address)) continue;
        message_push(L, script_of(L), fact->block);
        lua_rawseti(L, -2, ++index);
    }
    return 1;
}

struct dead_list {
    lua_State *L;
    int index;
    int64_t wall_start_ms;
};

static void push_dead(void *user, const struct dead_letter *letter)
{
    struct dead_list *list = user;
    dead_push(list->L, script_of(list->L), letter, list->wall_start_ms, true);
    lua_rawseti(list->L, -2, ++list->index);
}

/* world.dead(w, address) -> array of dead letters, of every node */
static int get_dead(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct world *world = state->world;
    struct dead_list list = {L, 0, world_wall_ms(world) - world_now_ms(world)};
    struct span address = check_span(L, 2);
    struct world_node *node = NULL;
    lua_newtable(L);
    while ((node = world_next(world, node)))
        if (world_is_up(node))
            engine_dead(node_engine(world_node_of(node)), address, push_dead, &list);
    return 1;
}

/* world.lines(w) -> array of lines of log since the last call */
static int get_lines(lua_State *L)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct world_state *state = check_state(L);
    const struct world_line *lines;
    size_t count = world_lines(state->world, &lines);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 7);
        set_number(L, "at", seconds(lines[i].at_ms));
        set_span(L, "level", span_text(levels[lines[i].level]));
        set_span(L, "node", span_text(lines[i].node));
        set_span(L, "text", span_text(lines[i].text));
        set_span(L, "agent", span_text(lines[i].agent));
        set_span(L, "id", span_text(lines[i].id));
        set_span(L, "fields", span_text(lines[i].fields));
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* world.counts(w, node or nil) -> the node's counters */
static int get_counts(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct engine_counts counts;
    engine_count(node_engine(world_node_of(check_running(L, state, 2))), &counts);
    lua_createtable(L, 0, 12);
    set_number(L, "sent", (double)counts.sent);
    set_number(L, "transmissions", (double)counts.transmissions);
    set_number(L, "stored", (double)counts.stored);
    set_number(L, "handled", (double)counts.handled);
    set_number(L, "duplicates", (double)counts.duplicates);
    set_number(L, "retried", (double)counts.retried);
    set_number(L, "dead", (double)counts.dead);
    set_number(L, "expired", (double)counts.expired);
    set_number(L, "dropped", (double)counts.dropped);
    set_number(L, "lost", (double)counts.lost);
    set_number(L, "damaged", (double)counts.damaged);
    set_number(L, "requeued", (double)counts.requeued);
    set_number(L, "conflicts", (double)counts.conflicts);
    set_number(L, "waiting", (double)counts.waiting);
    set_number(L, "lanes", (double)counts.lanes);
    set_number(L, "links_up", (double)counts.links_up);
    return 1;
}

/* ---- programs ---- */

/* world.exec(w, name, root, path, show envelopes) -> number of the program */
static int exec_program(lua_State *L)
{
    struct world_state *state = check_state(L);
    array_reserve(state->programs, state->program_count, state->program_capacity);
    state->programs[state->program_count++] =
        world_exec(state->world, check_span(L, 2), luaL_checkstring(L, 3), luaL_checkstring(L, 4),
                   0, NULL, lua_toboolean(L, 5));
    lua_pushinteger(L, (lua_Integer)state->program_count);
    return 1;
}

/* world.ended(w, number) -> whether it ended, exit code, error text */
static int program_ended(lua_State *L)
{
    struct world_state *state = check_state(L);
    size_t number = (size_t)luaL_checkinteger(L, 2);
    if (number == 0 || number > state->program_count) return luaL_error(L, "no such program");
    int exit_code;
    struct span error;
    lua_pushboolean(L, world_program_ended(state->programs[number - 1], &exit_code, &error));
    lua_pushinteger(L, exit_code);
    lua_pushlstring(L, error.bytes ? error.bytes : "", error.size);
    return 3;
}
/* world.kept(w, node, address, "state" or "kv", key) -> bytes of the record as a handler would see
 * them, or nil */
static int get_kept(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct engine *engine = node_engine(world_node_of(check_running(L, state, 2)));
    enum state_scope scope =
        span_equal(check_span(L, 4), span_text("kv")) ? STATE_KV : STATE_DOCUMENT;
    struct state_value found = engine_state(engine, check_span(L, 3), scope, check_span(L, 5));
    if (!found.value) return 0;
    struct span bytes = block_span(found.value);
    lua_pushlstring(L, bytes.bytes, bytes.size);
    block_release(found.value);
    return 1;
}

static void find_owner(void *user, const struct queue_view *queue)
{
    struct span *address = user;
    if (!queue->outbox && queue->served && span_equal(queue->address, *address))
        *address = span_of(NULL, 0);
}

/* world.owner(w, address) -> the name of the first node that serves it, or nil */
static int get_owner(lua_State *L)
{
    struct world_state *state = check_state(L);
    struct world_node *node = NULL;
    while ((node = world_next(state->world, node))) {
        struct span address = check_span(L, 2);
        if (world_is_up(node))
            engine_queues(node_engine(world_node_of(node)), find_owner, &address);
        if (address.size > 0) continue;
        push_span(L, world_node_name(node));
        return 1;
    }
    return 0;
}

/* world.fact_names: an array of what the facts are called. */
static void set_fact_names(lua_State *L)
{
    lua_createtable(L, FACT_COUNT, 0);
    for (int kind = 0; kind < FACT_COUNT; kind++) {
        lua_pushstring(L, fact_name((enum fact_kind)kind));
        lua_rawseti(L, -2, kind + 1);
    }
    lua_setfield(L, -2, "fact_names");
}

int luaopen_moonpost_world(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"new", world_make},
        {"close", world_close},
        {"setenv", setenv_},
        {"node", add_node},
        {"names", get_names},
        {"load", load_agent},
        {"reload", reload_agent},
        {"reload_files", reload_files},
        {"hook", add_hook},
        {"send", send_message},
        {"receipt", get_receipt},
        {"now", get_now},
        {"run", run_world},
        {"next", get_next},
        {"pending", get_pending},
        {"pending_count", get_pending_count},
        {"committing", is_committing},
        {"facts", get_facts},
        {"received", get_received},
        {"delivered", count_delivered},
        {"dead", get_dead},
        {"lines", get_lines},
        {"counts", get_counts},
        {"exec", exec_program},
        {"ended", program_ended},
        {"kept", get_kept},
        {"owner", get_owner},
        {NULL, NULL},
    };
    if (luaL_newmetatable(L, WORLD_TYPE)) {
        lua_pushcfunction(L, world_close);
        lua_setfield(L, -2, "__gc");
    }
    lua_pop(L, 1);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    set_fact_names(L);
    world_faults_register(L);
    return 1;
}
