/* State that earlier versions of a script wrote.
 *
 * Which versions wrote an agent's documents is noted beside them, so that they need not be read at
 * each start. Only when there may be some that the script does not understand they are looked
 * through: up to RECORDS_MAX of those are brought over at once, in one commit; when there are more,
 * each is when it is read (moonpost.state). */
#include "script/host.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    RECORDS_MAX = 10000,
    BYTES_MAX = 64 << 20, /* of their values, before and after */
    VERSIONS_MAX = 64,    /* that are noted; with more each start looks at all */
    NOTE_BYTES_MAX = 12 * (VERSIONS_MAX + 1),
};

struct old_record {
    struct span key;
    uint32_t writer;
    struct block *value; /* owned */
};

struct migration {
    struct script_host *host;
    struct engine *engine;
    struct agent *agent;
    struct arena arena;
    uint32_t versions[VERSIONS_MAX]; /* that wrote documents */
    size_t version_count;
    char note[NOTE_BYTES_MAX]; /* as it is in the store */
    bool noted, noted_by_key;  /* it is there; it says that documents belong to keys */
    bool of_agent, of_keys;    /* documents of both kinds that were seen */
    struct old_record *old;
    size_t old_count, old_capacity, bytes;
    bool too_many;       /* not all of them are in `old` */
    uint32_t newest_old; /* of versions that are not understood */
    struct state_write *writes;
    size_t done;
};

bool agent_reads(const struct agent *agent, uint32_t version)
{
    bool reads = version == agent->version;
    for (size_t i = 0; i < agent->read_count && !reads; i++) reads = agent->reads[i] == version;
    return reads;
}

/* ---- what is noted ---- */

static void add_version(struct migration *migration, uint32_t version)
{
    for (size_t i = 0; i < migration->version_count; i++)
        if (migration->versions[i] == version) return;
    if (migration->version_count < VERSIONS_MAX)
        migration->versions[migration->version_count++] = version;
}

static bool is_by_key(const struct agent *agent)
{
    return agent->declaration.order == ORDER_KEY;
}

/* "key 1 2 5" or "agent 3" */
static void read_note(struct migration *migration)
{
    struct span address = migration->agent->declaration.address;
    struct state_value note =
        engine_state(migration->engine, address, STATE_VERSIONS, span_of(NULL, 0));
    if (!note.value) return;
    char *at = migration->note;
    snprintf(migration->note, sizeof migration->note, "%.*s", SPAN_ARGS(block_span(note.value)));
    block_release(note.value);
    migration->noted = true;
    migration->noted_by_key = at[0] == 'k';
    for (at = strchr(at, ' '); at; at = strchr(at + 1, ' '))
        add_version(migration, (uint32_t)strtoul(at, NULL, 10));
}

static struct span write_note(struct migration *migration)
{
    char *text = arena_take(&migration->arena, NOTE_BYTES_MAX);
    int used = snprintf(text, NOTE_BYTES_MAX, is_by_key(migration->agent) ? "key" : "agent");
    for (size_t i = 0; i < migration->version_count; i++)
        used += snprintf(text + used, NOTE_BYTES_MAX - (size_t)used, " %u",
                         (unsigned)migration->versions[i]);
    return span_of(text, (size_t)used);
}

/* ---- what is there ---- */

static bool must_look(const struct migration *migration)
{
    const struct agent *agent = migration->agent;
    if (!migration->noted || migration->noted_by_key != is_by_key(agent)) return true;
    if (migration->version_count == VERSIONS_MAX) return true;
    for (size_t i = 0; i < migration->version_count; i++)
        if (!agent_reads(agent, migration->versions[i])) return true;
    return false;
}

static void take_old(struct migration *migration, struct span key, uint32_t writer,
                     struct block *value)
{
    if (writer > migration->newest_old) migration->newest_old = writer;
    migration->bytes += value->size;
    if (migration->old_count == RECORDS_MAX || migration->bytes > BYTES_MAX)
        migration->too_many = true;
    if (migration->too_many) return;
    array_reserve(migration->old, migration->old_count, migration->old_capacity);
    migration->old[migration->old_count++] =
        (struct old_record){arena_copy(&migration->arena, key), writer, block_retain(value)};
}

static bool look_at(void *user, struct span key, const struct state_value *value)
{
    struct migration *migration = user;
    uint32_t writer = value->writer ? value->writer : 1;
    add_version(migration, writer);
    migration->of_agent |= key.size == 0;
    migration->of_keys |= key.size > 0;
    if (!agent_reads(migration->agent, writer)) take_old(migration, key, writer, value->value);
    return true;
}

static void look(struct migration *migration)
{
    migration->version_count = 0;
    engine_state_scan(migration->engine, migration->agent->declaration.address, STATE_DOCUMENT,
                      look_at, migration);
}

/* ---- what cannot be ---- */

static bool refuse(struct migration *migration, struct span *error, struct span reason)
{
    const struct agent *agent = migration->agent;
    *error = error_format(migration->host, "%s: %.*s", agent->origin, SPAN_ARGS(reason));
    return false;
}

static bool refuse_text(struct migration *migration, struct span *error, const char *text)
{
    return refuse(migration, error, span_text(text));
}

static bool check_owner(struct migration *migration, struct span *error)
{
    bool by_key = is_by_key(migration->agent);
    if (by_key && migration->of_agent)
        return refuse_text(migration, error,
                           "with order = \"key\" its state belongs to keys, and here is one that "
                           "belongs to the whole agent; keep the order, or take another address");
    if (!by_key && migration->of_keys)
        return refuse_text(migration, error,
                           "without order = \"key\" its state belongs to the whole agent, and here "
                           "is some that belongs to keys; keep the order, or take another address");
    return true;
}

static bool check_versions(struct migration *migration, struct span *error)
{
    char text[512];
    unsigned own = migration->agent->version, newest = migration->newest_old;
    if (newest == 0) return true;
    if (newest > own)
        snprintf(text, sizeof text,
                 "its state was written by version %u, and this is version %u; a version that "
                 "understands it unchanged says reads = { %u }",
                 newest, own, newest);
    else if (migration->agent->migrate_ref == LUA_NOREF)
        snprintf(text, sizeof text,
                 "version %u has no migrate, and its state was written by version %u; add migrate "
                 "= function(old, from) ... end, or reads = { %u } if nothing changes",
                 own, newest, newest);
    else
        return true;
    return refuse_text(migration, error, text);
}

/* ---- bringing over ---- */

/* Most agents never need it. */
static void push_migrated(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "moonpost.state");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "migrated");
}

static int migrate_all(lua_State *L, void *user)
{
    struct migration *migration = user;
    const struct agent *agent = migration->agent;
    push_migrated(L);
    int migrated = lua_gettop(L);
    for (; migration->done < migration->old_count; migration->done++) {
        const struct old_record *old = &migration->old[migration->done];
        lua_pushvalue(L, migrated);
        lua_rawgeti(L, LUA_REGISTRYINDEX, agent->ref);
        push_span(L, block_span(old->value));
        lua_pushnumber(L, old->writer);
        lua_call(L, 3, 1);
        migration->writes[migration->done] =
            (struct state_write){.scope = STATE_DOCUMENT,
                                 .change = STATE_SET,
                                 .key = old->key,
                                 .value = arena_copy(&migration->arena, span_at(L, -1)),
                                 .writer = agent->version};
        lua_pop(L, 1);
    }
    return 0;
}

static bool say_failed(struct migration *migration, const struct turn *turn, struct span *error)
{
    const struct old_record *old = &migration->old[migration->done];
    struct script_host *host = migration->host;
    struct span why =
        turn->over ? block_span(turn->reason) : error_text(host, migration->agent->script->L, -1);
    struct span reason = arena_copy(&migration->arena, why);
    char text[2048];
    snprintf(text, sizeof text, "migrate failed for the state%s%.*s that version %u wrote: %.*s",
             old->key.size > 0 ? " of key " : "", SPAN_ARGS(old->key), (unsigned)old->writer,
             SPAN_ARGS(reason));
    return refuse_text(migration, error, text);
}

/* When only their number takes too long, they are brought over as they are read. */
static bool bring_over(struct migration *migration, struct span *error)
{
    struct script *script = migration->agent->script;
    if (migration->too_many || migration->old_count == 0) return true;
    struct turn turn;
    turn_enter(&turn, migration->host, script, PLACE_LOAD, NULL, LOAD_BUDGET_MS);
    bool ok = turn_invoke(&turn, migrate_all, migration, 0, 0);
    turn_leave(&turn);
    if (!ok) {
        bool slow = turn.over && migration->done > 0;
        if (!slow) say_failed(migration, &turn, error);
        migration->too_many = slow;
        ok = slow;
        lua_pop(script->L, 1);
    }
    turn_forget(&turn);
    return ok;
}

/* Handlers of the one before may still write as they know to, so its versions stay noted. */
static void forget_old(struct migration *migration)
{
    size_t kept = 0;
    if (migration->too_many || migration->agent->staged) return;
    for (size_t i = 0; i < migration->version_count; i++)
        if (agent_reads(migration->agent, migration->versions[i]))
            migration->versions[kept++] = migration->versions[i];
    migration->version_count = kept;
}

static void note(struct migration *migration)
{
    const struct agent *agent = migration->agent;
    if (migration->version_count == 0 && !migration->noted) return; /* there is no document */
    forget_old(migration);
    add_version(migration, agent->version);
    struct span text = write_note(migration);
    if (span_equal(text, span_text(migration->note))) return;
    migration->writes[migration->done++] = (struct state_write){
        .scope = STATE_VERSIONS, .change = STATE_SET, .value = text, .writer = agent->version};
}

static void commit(struct migration *migration)
{
    struct script_env *env = &migration->host->env;
    struct outcome outcome = {
        .kind = OUTCOME_ACK, .writes = migration->writes, .write_count = migration->done};
    struct event event = {
        .kind = EVENT_STATE, .address = migration->agent->declaration.address, .outcome = &outcome};
    if (migration->done == 0) return;
    engine_state_foresee(migration->engine, event.address, migration->writes, migration->done);
    env->post(env->user, &event);
}

static bool run(struct migration *migration, bool dry, struct span *error)
{
    read_note(migration);
    if (must_look(migration)) look(migration);
    if (!check_owner(migration, error) || !check_versions(migration, error)) return false;
    migration->writes =
        arena_take(&migration->arena, (migration->old_count + 1) * sizeof *migration->writes);
    if (!bring_over(migration, error)) return false;
    if (migration->too_many) migration->done = 0;
    note(migration);
    if (!dry) commit(migration);
    return true;
}

enum status script_agent_migrate(struct script_host *host, uint32_t number, bool dry,
                                 struct span *error)
{
    struct script_env *env = &host->env;
    struct migration migration = {.host = host,
                                  .engine = env->engine ? env->engine(env->user) : NULL,
                                  .agent = agent_find(host, number)};
    if (!migration.engine) return STATUS_OK; /* there is no state without a node */
    bool ok = run(&migration, dry, error);
    for (size_t i = 0; i < migration.old_count; i++) block_release(migration.old[i].value);
    free(migration.old);
    arena_deinit(&migration.arena);
    return ok ? STATUS_OK : STATUS_SCRIPT;
}
