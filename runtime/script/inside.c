/* The private module moonpost.inside: what `$node` sees of its engine, and what it has it do.
 *
 * Moments are epoch seconds. Changes are posted and take place in the next step, before the answer
 * to the request that they belong to. */
#include "core/queue.h"
#include "script/host.h"

#include <stdio.h>

static struct script_host *own_host(lua_State *L)
{
    return host_now(lua_touserdata(L, lua_upvalueindex(1)));
}

static const struct engine *own_engine(lua_State *L)
{
    struct script_env *env = &own_host(L)->env;
    const struct engine *engine = env->engine ? env->engine(env->user) : NULL;
    if (!engine) luaL_error(L, "there is no node here");
    return engine;
}

/* What has to be added to the engine's clock to get the wall clock. */
static int64_t wall_offset_ms(lua_State *L)
{
    struct script_env *env = &own_host(L)->env;
    return env->wall_ms(env->user) - env->now_ms(env->user);
}

/* What an `each` of the engine appends to: the list on top of the stack. */
struct list {
    lua_State *L;
    struct script *script;
    int64_t wall_ms;
    int index;
    bool whole;
};

static struct list list_begin(lua_State *L)
{
    luaL_checkstack(L, 32, "too much to list");
    lua_newtable(L);
    push_ref(L, lua_touserdata(L, lua_upvalueindex(1)), REF_ARRAY);
    lua_setmetatable(L, -2);
    return (struct list){
        .L = L, .script = lua_touserdata(L, lua_upvalueindex(1)), .wall_ms = wall_offset_ms(L)};
}

static void list_add(struct list *list)
{
    lua_rawseti(list->L, -2, ++list->index);
}

static void set_moment(struct list *list, const char *name, int64_t at_ms)
{
    if (at_ms == INT64_MAX) return;
    set_number(list->L, name, (double)(at_ms + list->wall_ms) / 1000);
}

static const char *role_name(uint8_t role)
{
    return role == ROLE_CLIENT ? "client" : role == ROLE_SENTINEL ? "sentinel" : "node";
}

/* ---- the node ---- */

static void set_store(lua_State *L, const struct node_facts *facts, bool full)
{
    lua_createtable(L, 0, 3);
    set_span(L, "kind", span_text(facts->on_disk ? "disk" : "memory"));
    set_number(L, "used", (double)facts->used_bytes);
    if (facts->max_bytes != UINT64_MAX) set_number(L, "max", (double)facts->max_bytes);
    if (facts->on_disk) {
        set_span(L, "sync", span_text(facts->relaxed ? "relaxed" : "commit"));
        set_boolean(L, "full", full);
    }
    lua_setfield(L, -2, "store");
}

/* inside.node() -> { name, role, epoch, started_at, body_max, store } */
static int inside_node(lua_State *L)
{
    struct node_facts facts = {0};
    struct engine_counts counts;
    struct script_host *host = own_host(L);
    if (host->env.describe) host->env.describe(host->env.user, &facts);
    engine_count(own_engine(L), &counts);
    lua_createtable(L, 0, 6);
    set_span(L, "name", span_text(host->name));
    set_span(L, "role", span_text(role_name(facts.role)));
    set_number(L, "epoch", (double)facts.epoch);
    set_number(L, "body_max", (double)facts.body_max);
    set_number(L, "started_at", (double)(facts.started_ms + wall_offset_ms(L)) / 1000);
    set_store(L, &facts, counts.store_full);
    return 1;
}

/* inside.counts() -> what the engine has counted since it started */
static int inside_counts(lua_State *L)
{
    struct engine_counts counts;
    engine_count(own_engine(L), &counts);
    const struct {
        const char *name;
        uint64_t count;
    } all[] = {{"sent", counts.sent},           {"transmissions", counts.transmissions},
               {"stored", counts.stored},       {"handled", counts.handled},
               {"retried", counts.retried},     {"duplicates", counts.duplicates},
               {"dead", counts.dead},           {"requeued", counts.requeued},
               {"conflicts", counts.conflicts}, {"expired", counts.expired},
               {"dropped", counts.dropped},     {"lost", counts.lost},
               {"damaged", counts.damaged},     {"removed", counts.removed},
               {"purged", counts.purged}};
    lua_createtable(L, 0, sizeof all / sizeof *all);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        set_number(L, all[i].name, (double)all[i].count);
    return 1;
}

/* ---- queues and links ---- */

static void set_agent(lua_State *L, struct script_host *host, const struct agent_declaration *agent)
{
    struct generation generation;
    if (script_generation(host, agent->agent, &generation))
        set_number(L, "generation", generation.number);
    set_number(L, "concurrency", agent->concurrency);
    set_span(L, "profile", span_text(profile_name(agent->profile)));
    set_boolean(L, "dedup", agent->dedup != DEDUP_NONE);
}

static void add_queue(void *user, const struct queue_view *view)
{
    struct list *list = user;
    lua_State *L = list->L;
    lua_createtable(L, 0, 20);
    set_span(L, "address", view->address);
    set_span(L, "kind", span_text(view->outbox ? "outbox" : "mailbox"));
    set_boolean(L, "served", view->served);
    set_boolean(L, "paused", view->hold == HOLD_PAUSED);
    set_boolean(L, "draining", view->hold == HOLD_DRAINING);
    if (view->hold == HOLD_PAUSED) set_moment(list, "paused_at", view->held_ms);
    if (view->hold == HOLD_DRAINING) set_moment(list, "draining_at", view->held_ms);
    set_moment(list, "oldest_at", view->oldest_ms);
    set_number(L, "waiting", (double)view->waiting);
    set_number(L, "leased", (double)view->leased);
    set_number(L, "deferred", (double)view->deferred);
    set_number(L, "awaiting", (double)view->awaiting);
    set_number(L, "dead", (double)view->dead);
    set_number(L, "bytes", (double)view->bytes);
    if (view->served) set_agent(L, host_now(list->script), &view->agent);
    list_add(list);
}

/* inside.queues() -> array of mailboxes and outboxes */
static int inside_queues(lua_State *L)
{
    struct list list = list_begin(L);
    engine_queues(own_engine(L), add_queue, &list);
    return 1;
}

static void add_link(void *user, const struct link_view *view)
{
    struct list *list = user;
    lua_State *L = list->L;
    lua_createtable(L, 0, 8);
    set_span(L, "name", view->name);
    set_span(L, "state", span_text(view->state));
    if (view->address.size > 0) set_span(L, "address", view->address);
    if (view->up_ms) set_span(L, "role", span_text(role_name(view->role)));
    if (view->up_ms) set_moment(list, "up_at", view->up_ms);
    if (view->down_ms) set_moment(list, "down_at", view->down_ms);
    if (view->why.size > 0) set_span(L, "why", view->why);
    set_moment(list, "next_at", view->next_ms);
    set_number(L, "dials", view->dials);
    set_number(L, "unwritten", (double)view->unwritten);
    list_add(list);
}

/* inside.links() -> array of links */
static int inside_links(lua_State *L)
{
    struct list list = list_begin(L);
    engine_links(own_engine(L), add_link, &list);
    return 1;
}

static void add_attached(void *user, struct span address, struct span link)
{
    struct list *list = user;
    lua_createtable(list->L, 0, 2);
    set_span(list->L, "address", address);
    set_span(list->L, "link", link);
    list_add(list);
}

/* inside.attached(limit) -> array of { address, link }, and how many there are */
static int inside_attached(lua_State *L)
{
    size_t limit = (size_t)luaL_checkinteger(L, 1);
    struct list list = list_begin(L);
    lua_pushnumber(L, (double)engine_attached(own_engine(L), limit, add_attached, &list));
    return 2;
}

/* ---- generations ---- */

static const char *state_of(const struct generation *generation)
{
    if (generation->leaving) return "ending";
    return generation->staged ? "starting" : "current";
}

static void set_refusal(struct list *list, const struct generation *generation)
{
    if (generation->refusal.size == 0) return;
    set_span(list->L, "refusal", generation->refusal);
    set_moment(list, "refused_at", generation->refused_ms);
}

static void add_generation(void *user, const struct generation *generation)
{
    struct list *list = user;
    lua_State *L = list->L;
    char hash[17];
    lua_createtable(L, 0, 12);
    set_span(L, "address", generation->address);
    set_number(L, "generation", generation->number);
    set_span(L, "state", span_text(state_of(generation)));
    set_span(L, "file", generation->file);
    if (generation->hash) {
        snprintf(hash, sizeof hash, "%016llx", (unsigned long long)generation->hash);
        set_span(L, "hash", span_text(hash));
    }
    set_moment(list, "loaded_at", generation->loaded_ms);
    set_number(L, "in_flight", generation->in_flight);
    set_number(L, "handled", (double)generation->handled);
    set_number(L, "failed", (double)generation->failed);
    set_refusal(list, generation);
    list_add(list);
}

/* inside.generations() -> array of generations of agents */
static int inside_generations(lua_State *L)
{
    struct list list = list_begin(L);
    script_generations(own_host(L), add_generation, &list);
    return 1;
}

static void add_result(void *user, const struct reload_result *result)
{
    static const char *const names[] = {
        [RELOAD_DONE] = "reloaded",       [RELOAD_STARTING] = "starting",
        [RELOAD_CHECKED] = "checked",     [RELOAD_UNCHANGED] = "unchanged",
        [RELOAD_REFUSED] = "refused",     [RELOAD_NEW] = "new",
        [RELOAD_UNSETTLED] = "unsettled",
    };
    struct list *list = user;
    lua_State *L = list->L;
    lua_createtable(L, 0, 8);
    set_span(L, "result", span_text(names[result->state]));
    if (result->address.size > 0) set_span(L, "address", result->address);
    if (result->file.size > 0) set_span(L, "file", result->file);
    if (result->before) set_number(L, "before", result->before);
    if (result->after) set_number(L, "after", result->after);
    set_number(L, "in_flight", result->in_flight);
    set_number(L, "took_ms", (double)result->took_ms);
    if (result->reason.size > 0) set_span(L, "reason", result->reason);
    list_add(list);
}

/* Loading agents is not what the budget of $node is for. */
static void spend(const struct script *script, int64_t ms)
{
    if (script->turn && script->turn->budget_ms > 0) script->turn->budget_ms += ms;
}

/* inside.reload(address or nil, dry, unchanged) -> array of results */
static int inside_reload(lua_State *L)
{
    struct script_host *host = own_host(L);
    struct script_env *env = &host->env;
    struct reload_request request = {
        .address = lua_isnoneornil(L, 1) ? span_of(NULL, 0) : span_at(L, 1),
        .dry = lua_toboolean(L, 2),
        .unchanged = lua_toboolean(L, 3),
    };
    struct list list = list_begin(L);
    int64_t began_ms = env->now_ms(env->user);
    if (env->reload) env->reload(env->user, &request, add_result, &list);
    spend(list.script, env->now_ms(env->user) - began_ms);
    return 1;
}

/* ---- dead letters ---- */

/* 0 stays 0: no bound. */
static int64_t field_moment(lua_State *L, const char *name)
{
    double seconds = field_number(L, 1, name, 0);
    int64_t at_ms = (int64_t)(seconds * 1000) - wall_offset_ms(L);
    return seconds <= 0 ? 0 : at_ms ? at_ms : 1;
}

static struct dead_query read_query(lua_State *L, struct arena *arena)
{
    return (struct dead_query){
        .address = field_span(L, 1, "agent", arena),
        .id = field_span(L, 1, "id", arena),
        .code = field_span(L, 1, "code", arena),
        .reason = field_span(L, 1, "reason", arena),
        .since_ms = field_moment(L, "since"),
        .until_ms = field_moment(L, "until"),
        .after = (uint64_t)field_number(L, 1, "after", 0),
        .limit = field_count(L, 1, "limit", UINT32_MAX),
    };
}

static void add_letter(void *user, const struct dead_letter *letter)
{
    struct list *list = user;
    dead_push(list->L, list->script, letter, list->wall_ms, list->whole);
    lua_pushlstring(list->L, (const char *)&letter->handle, sizeof letter->handle);
    lua_setfield(list->L, -2, "handle");
    set_number(list->L, "sequence", (double)letter->sequence);
    list_add(list);
}

/* inside.letters({ agent, id, code, reason, since, until, after, limit, whole }) -> array of dead
 * letters, and where to go on, or nil */
static int inside_letters(lua_State *L)
{
    struct script_host *host = own_host(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    arena_reset(&host->scratch);
    struct dead_query query = read_query(L, &host->scratch);
    struct list list = list_begin(L);
    list.whole = field_true(L, 1, "whole");
    uint64_t next = engine_letters(own_engine(L), &query, add_letter, &list);
    if (!next) return 1;
    lua_pushnumber(L, (double)next);
    return 2;
}

/* ---- changes ---- */

static void post(lua_State *L, const struct event *event)
{
    struct script_env *env = &own_host(L)->env;
    env->post(env->user, event);
}

static struct span text_or_none(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? span_of(NULL, 0) : span_at(L, index);
}

static uint64_t letter_at(lua_State *L, int index)
{
    uint64_t letter;
    struct span handle = span_at(L, index);
    luaL_argcheck(L, handle.size == sizeof letter, index, "a handle is wanted");
    memcpy(&letter, handle.bytes, sizeof letter);
    return letter;
}

/* inside.requeue(request, handle, to or nil, body or nil, its encoding, delay in seconds) */
static int inside_requeue(lua_State *L)
{
    struct span encoding = text_or_none(L, 5);
    struct requeue requeue = {
        .letter = letter_at(L, 2),
        .delay_ms = (int64_t)(luaL_optnumber(L, 6, 0) * 1000),
        .to = text_or_none(L, 3),
        .has_body = !lua_isnoneornil(L, 4),
        .body = text_or_none(L, 4),
        .encoding = span_equal(encoding, span_text("json")) ? ENCODING_JSON : ENCODING_RAW,
    };
    post(L, &(struct event){.kind = EVENT_REQUEUE,
                            .waiter = (uint64_t)luaL_checknumber(L, 1),
                            .requeue = &requeue});
    return 0;
}

/* inside.remove(request, handle) */
static int inside_remove(lua_State *L)
{
    post(L, &(struct event){.kind = EVENT_REMOVE,
                            .waiter = (uint64_t)luaL_checknumber(L, 1),
                            .letter = letter_at(L, 2)});
    return 0;
}

/* inside.cancel(request, id) */
static int inside_cancel(lua_State *L)
{
    luaL_checkstring(L, 2);
    post(L, &(struct event){.kind = EVENT_CANCEL_MESSAGE,
                            .waiter = (uint64_t)luaL_checknumber(L, 1),
                            .bytes = span_at(L, 2)});
    return 0;
}

/* inside.hold(request, address, "none" or "paused" or "draining") */
static int inside_hold(lua_State *L)
{
    static const char *const names[] = {"none", "paused", "draining", NULL};
    luaL_checkstring(L, 2);
    post(L, &(struct event){.kind = EVENT_HOLD,
                            .waiter = (uint64_t)luaL_checknumber(L, 1),
                            .address = span_at(L, 2),
                            .hold = (uint8_t)luaL_checkoption(L, 3, NULL, names)});
    return 0;
}

/* ---- what takes more than one step ---- */

/* What is on its way into the store waits, for those who ask. */
static const char *state_word(enum entry_state state)
{
    return entry_state_name(state == ENTRY_COMMITTING ? ENTRY_WAITING : state);
}

/* Without a word all but dead letters, which have requests of their own. */
static uint32_t states_at(lua_State *L, int index)
{
    uint32_t states = 0;
    struct span wanted = text_or_none(L, index);
    for (int state = 0; state < ENTRY_STATE_COUNT; state++) {
        struct span word = span_text(state_word((enum entry_state)state));
        if (wanted.size == 0 ? state != ENTRY_DEAD : span_equal(wanted, word))
            states |= 1u << state;
    }
    return states;
}

/* inside.peek(request, address, state or nil, after, limit) */
static int inside_peek(lua_State *L)
{
    luaL_checkstring(L, 2);
    struct peek peek = {
        .address = span_at(L, 2),
        .states = states_at(L, 3),
        .after = (uint64_t)luaL_optnumber(L, 4, 0),
        .limit = (size_t)luaL_checkinteger(L, 5),
    };
    post(L, &(struct event){
                .kind = EVENT_PEEK, .waiter = (uint64_t)luaL_checknumber(L, 1), .peek = &peek});
    return 0;
}

/* inside.purge(request, address, last or nil, limit) */
static int inside_purge(lua_State *L)
{
    luaL_checkstring(L, 2);
    struct purge purge = {
        .address = span_at(L, 2),
        .last = (uint64_t)luaL_optnumber(L, 3, 0),
        .limit = (size_t)luaL_checkinteger(L, 4),
    };
    post(L, &(struct event){
                .kind = EVENT_PURGE, .waiter = (uint64_t)luaL_checknumber(L, 1), .purge = &purge});
    return 0;
}

static void add_item(struct list *list, const struct page_item *item)
{
    lua_State *L = list->L;
    struct message message = message_of(item->block);
    lua_createtable(L, 0, 20);
    set_message_facts(L, &message);
    message_push(L, list->script, item->block);
    lua_setfield(L, -2, "message");
    set_number(L, "sequence", (double)item->sequence);
    set_span(L, "state", span_text(state_word((enum entry_state)item->state)));
    set_number(L, "attempts", item->attempt);
    set_boolean(L, "in_store", item->in_store);
    set_moment(list, "first_at", item->first_ms);
    set_moment(list, "due_at", item->due_ms);
    set_moment(list, "expires_at", item->expires_ms);
    if (item->code) set_span(L, "code", span_text(code_name((enum code)item->code)));
    if (item->reason) set_span(L, "reason", block_span(item->reason));
    list_add(list);
}

void inside_push_page(lua_State *L, struct script *script, const struct page *page)
{
    struct script_env *env = &host_now(script)->env;
    if (!page) {
        lua_pushnil(L);
        return;
    }
    struct list list = {
        .L = L, .script = script, .wall_ms = env->wall_ms(env->user) - env->now_ms(env->user)};
    lua_createtable(L, 0, 5);
    lua_createtable(L, (int)page->count, 0);
    for (size_t i = 0; i < page->count; i++) add_item(&list, &page->items[i]);
    lua_setfield(L, -2, "items");
    if (page->after) set_number(L, "after", (double)page->after);
    set_boolean(L, "outbox", page->outbox);
    set_number(L, "purged", (double)page->purged);
    set_number(L, "last", (double)page->last);
}

/* inside.tail(request, pattern or nil, id or nil) -> whether facts become parts of its answer */
static int inside_tail(lua_State *L)
{
    struct script_env *env = &own_host(L)->env;
    uint64_t request = (uint64_t)luaL_checknumber(L, 1);
    bool added = env->tail && env->tail(env->user, request, text_or_none(L, 2), text_or_none(L, 3));
    lua_pushboolean(L, added);
    return 1;
}

/* ---- one message ---- */

static void set_word(lua_State *L, uint8_t code, struct span word)
{
    if (code) set_span(L, "code", word.size > 0 ? word : span_text(code_name((enum code)code)));
}

static void set_text(lua_State *L, const char *name, struct span text)
{
    if (text.size > 0) set_span(L, name, text);
}

static void add_failures(struct list *list, const struct trace_view *view)
{
    struct list failures = list_begin(list->L);
    for (size_t i = 0; i < view->failure_count; i++) {
        const struct dead_failure *failure = &view->failures[i];
        lua_createtable(list->L, 0, 5);
        set_number(list->L, "attempt", failure->attempt);
        set_moment(list, "at", failure->at_ms);
        set_word(list->L, failure->code, failure->word);
        set_text(list->L, "reason", failure->reason);
        list_add(&failures);
    }
    lua_setfield(list->L, -2, "failures");
}

static void add_place(void *user, const struct trace_view *view)
{
    struct list *list = user;
    lua_State *L = list->L;
    struct message message = message_of(view->block);
    lua_createtable(L, 0, 16);
    set_span(L, "where", span_text(view->outbox ? "outbox" : "mailbox"));
    set_span(L, "address", view->address);
    set_span(L, "state", span_text(view->state));
    set_text(L, "from", message.from);
    set_span(L, "profile", span_text(profile_name(message.profile)));
    set_boolean(L, "paused", view->paused);
    set_moment(list, "first_at", view->first_ms);
    set_moment(list, "due_at", view->due_ms);
    set_moment(list, "expires_at", view->expires_ms);
    set_number(L, "attempts", view->attempts);
    set_number(L, "transmissions", view->transmissions);
    set_number(L, "requeues", message.requeues);
    if (view->number) set_number(L, "number", (double)view->number);
    if (view->number) set_number(L, "lane_base", (double)view->lane_base);
    set_text(L, "link", view->link);
    add_failures(list, view);
    list_add(list);
}

/* inside.places(id) -> array of where it is, and how many messages were not looked at */
static int inside_places(lua_State *L)
{
    struct span id = span_at(L, 1);
    luaL_checkstring(L, 1);
    struct list list = list_begin(L);
    lua_pushnumber(L, (double)engine_trace(own_engine(L), id, add_place, &list));
    return 2;
}

static void add_recent(void *user, const struct recent_view *view)
{
    struct list *list = user;
    lua_State *L = list->L;
    lua_createtable(L, 0, 10);
    set_span(L, "fact", span_text(fact_name(view->kind)));
    set_moment(list, "at", view->at_ms);
    set_text(L, "address", view->address);
    set_boolean(L, "outbox", view->outbox);
    set_word(L, view->code, span_of(NULL, 0));
    set_text(L, "level", view->level ? span_text(level_name(view->level)) : span_of(NULL, 0));
    if (view->attempt) set_number(L, "attempt", view->attempt);
    if (view->transmission) set_number(L, "transmission", view->transmission);
    if (view->delay_ms >= 0) set_number(L, "delay", (double)view->delay_ms / 1000);
    set_text(L, "reason", view->reason);
    list_add(list);
}

/* inside.recent(id) -> array of the latest facts about it, how many facts of all messages are
 * remembered, and since when, or nil: all are */
static int inside_recent(lua_State *L)
{
    struct span id = span_at(L, 1);
    luaL_checkstring(L, 1);
    struct list list = list_begin(L);
    int64_t since_ms = engine_recent(own_engine(L), id, add_recent, &list);
    lua_pushinteger(L, RECENT_FACTS);
    if (since_ms == INT64_MIN) return 2;
    lua_pushnumber(L, (double)(since_ms + list.wall_ms) / 1000);
    return 3;
}

int open_inside(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"node", inside_node},
        {"counts", inside_counts},
        {"queues", inside_queues},
        {"links", inside_links},
        {"attached", inside_attached},
        {"letters", inside_letters},
        {"requeue", inside_requeue},
        {"remove", inside_remove},
        {"cancel", inside_cancel},
        {"hold", inside_hold},
        {"peek", inside_peek},
        {"purge", inside_purge},
        {"generations", inside_generations},
        {"reload", inside_reload},
        {"tail", inside_tail},
        {"places", inside_places},
        {"recent", inside_recent},
        {NULL, NULL},
    };
    struct script *script = script_of(L);
    lua_newtable(L);
    for (const luaL_Reg *entry = functions; entry->name; entry++) {
        lua_pushlightuserdata(L, script);
        lua_pushcclosure(L, entry->func, 1);
        lua_setfield(L, -2, entry->name);
    }
    return 1;
}
