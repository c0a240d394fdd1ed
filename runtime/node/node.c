/* A node carries out what its engine asks for.
 *
 * Events queue up in `posts`; a step takes all of them, its effects are carried out in order, and
 * what scripts do meanwhile queues up for the next step. A store in memory commits at once and says
 * so in the next step, as a slower one does; a store on disk the shell commits to, off the loop. */
#include "node/parts.h"

#include <glob.h>
#include <stdio.h>
#include "core/array.h"
#include "core/random.h"
#include "core/record.h"
#include "node/journal.h"

enum {
    STEPS_PER_TURN_MAX = 1000, /* then the shell gets a word in */
    NAME_MADE_BYTES = 32
};

/* ---- what the host is given ---- */

static int64_t host_now_ms(void *user)
{
    struct node *node = user;
    return node->io.now_ms(node->io.user);
}

static int64_t host_wall_ms(void *user)
{
    struct node *node = user;
    return node->io.wall_ms(node->io.user);
}

static uint64_t host_random(void *user)
{
    struct node *node = user;
    return random_next(&node->random);
}

static void host_log(void *user, const struct log_record *record)
{
    struct node *node = user;
    node->io.log(node->io.user, node_name(node), record);
}

static void host_post(void *user, const struct event *event)
{
    node_post(user, event);
}

static enum code host_reserve(void *user, uint64_t delivery, const struct submit *submit,
                              const char **reason)
{
    struct node *node = user;
    return engine_reserve(node->engine, delivery, submit, reason);
}

static const char *host_getenv(void *user, const char *name)
{
    struct node *node = user;
    return node->io.getenv(node->io.user, name);
}

static void host_crash(void *user)
{
    struct node *node = user;
    node->io.crash(node->io.user);
}

static struct engine *host_engine(void *user)
{
    return ((struct node *)user)->engine;
}

static uint64_t epoch_of(const struct node *node);

static void host_describe(void *user, struct node_facts *facts)
{
    struct node *node = user;
    const struct store_engine *engine = node->store->engine;
    *facts = (struct node_facts){
        .role = node->options.role,
        .on_disk = engine->durable,
        .relaxed = engine->relaxed,
        .epoch = epoch_of(node),
        .started_ms = node->started_ms,
        .body_max = node->settings.body_max,
        .used_bytes = node->room.used_bytes,
        .max_bytes = node->room.max_bytes,
    };
}

static void host_started(void *user, uint32_t agent, bool ok, struct span reason)
{
    reload_started(user, agent, ok, reason);
}

static size_t host_reload(void *user, const struct reload_request *request,
                          void (*each)(void *, const struct reload_result *), void *each_user)
{
    return node_reload(user, request, each, each_user);
}

static void watch_facts(struct node *node);

static bool host_tail(void *user, uint64_t request, struct span pattern, struct span id)
{
    bool added = tail_add(user, request, pattern, id);
    watch_facts(user);
    return added;
}

static struct script_host *make_host(struct node *node)
{
    struct script_env env = {
        .user = node,
        .now_ms = host_now_ms,
        .wall_ms = host_wall_ms,
        .random = host_random,
        .deterministic = node->options.deterministic,
        .log = host_log,
        .post = host_post,
        .reserve = host_reserve,
        .engine = host_engine,
        .describe = host_describe,
        .started = host_started,
        .reload = host_reload,
        .tail = host_tail,
        .getenv = node->io.getenv ? host_getenv : NULL,
        .crash = node->io.crash ? host_crash : NULL,
    };
    return script_host_new(&env);
}

/* ---- making and configuring ---- */

/* A frame that leaves with this step, to be shown behind the facts that led to it. */
struct shown {
    struct shown *next;
    struct log_record record;
    char text[JOURNAL_TEXT_MAX], fields[JOURNAL_TEXT_MAX], id[ID_BYTES_MAX];
};

static void show_later(struct node *node, struct shown *shown)
{
    struct span id = shown->record.id;
    struct shown **end = &node->shown;
    if (id.size > 0) memcpy(shown->id, id.bytes, id.size);
    shown->record.id = span_of(shown->id, id.size);
    while (*end) end = &(*end)->next;
    *end = shown;
}

static void show_outgoing(struct node *node)
{
    while (node->shown) {
        struct shown *first = node->shown;
        node->shown = first->next;
        host_log(node, &first->record);
        free(first);
    }
}

static void see_frame(void *user, bool outgoing, struct span peer, const struct frame *frame,
                      size_t bytes)
{
    struct shown *shown = calloc(1, sizeof *shown);
    ensure(shown != NULL);
    bool any =
        journal_frame(outgoing, peer, frame, bytes, &shown->record, shown->text, shown->fields);
    if (any && outgoing) {
        show_later(user, shown);
        return;
    }
    if (any) host_log(user, &shown->record);
    free(shown);
}

static struct span make_name(struct node *node, char *made)
{
    snprintf(made, NAME_MADE_BYTES, "node-%08x", (unsigned)random_next(&node->random));
    return span_text(made);
}

static void set_name(struct node *node, struct span given, struct span from_settings)
{
    struct span name = given.size > 0 ? given : from_settings;
    char made[NAME_MADE_BYTES];
    if (name.size == 0) name = span_text(node->identity.name);
    if (name.size == 0) name = make_name(node, made);
    node->name = strndup(name.bytes, name.size);
    if (!node->host_is_borrowed) script_host_name(node->host, node_name(node));
}

static uint32_t store_facts(const struct store_engine *engine)
{
    if (!engine->durable) return FACT_OWNER_MEMORY;
    return engine->relaxed ? FACT_OWNER_RELAXED : 0;
}

static uint64_t epoch_of(const struct node *node)
{
    if (node->identity.epoch) return node->identity.epoch;
    return node->options.epoch ? node->options.epoch : 1;
}

static void make_store_id(struct node *node, char *store_id)
{
    uint64_t id[2] = {random_next(&node->random), random_next(&node->random)};
    memcpy(store_id, id, STORE_ID_BYTES);
}

/* Of a store on disk, of the world that made the node, or a new one. */
static void copy_store_id(struct node *node, char *store_id)
{
    const char *kept = node->identity.epoch ? node->identity.store_id : node->options.store_id;
    if (kept)
        memcpy(store_id, kept, STORE_ID_BYTES);
    else
        make_store_id(node, store_id);
}

static struct engine_settings engine_settings(struct node *node, const struct settings *settings)
{
    struct engine_settings made = {
        .name = node_name(node),
        .epoch = epoch_of(node),
        .seed = random_next(&node->random),
        .role = node->options.role,
        .profile = settings->send_profile,
        .level = settings->send_level,
        .strict = settings->strict,
        .send = settings->send,
        .handle = settings->handle,
        .window = settings->link_window,
        .outbox_count_max = settings->outbox_count_max,
        .outbox_bytes_max = settings->outbox_bytes_max,
        .mailbox_count_max = settings->mailbox_count_max,
        .mailbox_bytes_max = settings->mailbox_bytes_max,
        .body_max = settings->body_max,
        .heartbeat_ms = 15000,
        .store_facts = store_facts(node->store->engine),
        .links = settings->links,
        .link_count = settings->link_count,
    };
    copy_store_id(node, made.store_id);
    return made;
}

static void watch_facts(struct node *node)
{
    uint32_t facts = journal_facts() | node->hook_facts;
    if (node->options.ready) facts |= 1u << FACT_LINK_UP | 1u << FACT_LINK_FAILED;
    if (node->options.role != ROLE_CLIENT) facts |= 1u << FACT_NACKED;
    if (node->see || tail_count(node) > 0) facts = UINT32_MAX;
    engine_watch(node->engine, facts, node->hook_steps);
}

/* ---- records that the engine asks for ---- */

static void say_unread(struct node *node, struct span key)
{
    char text[128];
    snprintf(
        text, sizeof text,
        "a record of an agent's state (kind %c) cannot be read; look with: moonpost store check",
        key.bytes[0]);
    host_log(node, &(struct log_record){.level = LOG_ERROR, .text = span_text(text)});
}

static bool fetch_record(void *user, const struct span *key, struct block **value)
{
    struct node *node = user;
    enum status status = store_peek(node->store, *key, value);
    if (status == STATUS_OK) return true;
    if (status == STATUS_DAMAGED) block_release(*value);
    if (status != STATUS_NOT_FOUND) say_unread(node, *key);
    *value = NULL;
    return false;
}

static bool give_page(const struct store_page *page, bool (*each)(void *, struct span, struct span),
                      void *user)
{
    bool more = true;
    for (size_t i = 0; i < page->count && more; i++)
        if (!page->records[i].damaged)
            more = each(user, page->records[i].key, block_span(page->records[i].value));
    return more;
}

static void list_records(void *user, struct span prefix, struct span from,
                         bool (*each)(void *, struct span, struct span), void *each_user)
{
    struct node *node = user;
    char buffer[STORE_KEY_MAX + 1];
    struct store_page *page = calloc(1, sizeof *page);
    ensure(page != NULL);
    bool more = true;
    while (more && store_peek_page(node->store, prefix, from, page) == STATUS_OK) {
        more = give_page(page, each, each_user) && page->more;
        if (page->count) from = store_key_behind(page->records[page->count - 1].key, buffer);
        store_page_release(page);
    }
    free(page);
}

void node_configure(struct node *node, const struct settings *settings, struct span name)
{
    ensure(!node->engine);
    set_name(node, name, settings->name);
    struct engine_settings made = engine_settings(node, settings);
    struct policies policies = script_policies(node->host);
    policies.watch = node->options.show_envelopes ? see_frame : NULL;
    policies.watch_user = node;
    policies.store_user = node;
    policies.fetch = fetch_record;
    policies.list = list_records;
    node->engine = engine_new(&made, &policies);
    node->settings = *settings;
    script_host_state_max(node->host, settings->state_max);
    watch_facts(node);
}

struct node *node_new(const struct node_options *options, const struct node_io *io)
{
    struct node *node = calloc(1, sizeof *node);
    ensure(node != NULL);
    node->io = *io;
    node->options = *options;
    node->random = options->seed;
    node->store = store_memory_open();
    node->host_is_borrowed = options->waiters != NULL;
    node->host = options->waiters ? options->waiters : make_host(node);
    if (options->settings) node_configure(node, options->settings, options->name);
    return node;
}

/* ---- the store ---- */

static bool say_store(struct node *node, const char *text, char *error)
{
    const char *own = node->store->engine->error(node->store);
    snprintf(error, STORE_ERROR_BYTES, "%s", own[0] ? own : text);
    return false;
}

static void set_identity(struct node *node, struct span name)
{
    struct identity *identity = &node->identity;
    char made[NAME_MADE_BYTES];
    if (identity->epoch == 0) copy_store_id(node, identity->store_id);
    identity->epoch++;
    if (name.size == 0 && !identity->name[0]) name = make_name(node, made);
    if (name.size == 0 || name.size > ADDRESS_BYTES_MAX) return;
    memcpy(identity->name, name.bytes, name.size);
    identity->name[name.size] = 0;
}

bool node_use_store(struct node *node, struct store *store, struct span name, char *error)
{
    node->store->engine->close(node->store);
    node->store = store;
    if (identity_read(store, &node->identity) != STATUS_OK)
        return say_store(node,
                         "who this node is cannot be read from its store: the record is "
                         "damaged; restore a backup",
                         error);
    set_identity(node, name);
    if (identity_write(store, &node->identity) != STATUS_OK)
        return say_store(node, "cannot write to the store", error);
    node->room = store->engine->room(store);
    return true;
}

static void recover_record(struct node *node, const struct store_record *record,
                           struct node_found *found)
{
    char kind = record->key.bytes[0];
    bool good = !record->damaged &&
                engine_recover(node->engine, record->key, block_span(record->value)) == STATUS_OK;
    found->damaged += !good;
    found->messages += good && kind == RECORD_MESSAGE;
    found->dead += good && kind == RECORD_DEAD;
}

static enum status recover_kind(struct node *node, struct span kind, struct store_page *page,
                                struct node_found *found)
{
    char buffer[STORE_KEY_MAX + 1];
    struct span from = kind;
    enum status status;
    do {
        status = node->store->engine->scan(node->store, kind, from, page);
        for (size_t i = 0; i < page->count; i++) recover_record(node, &page->records[i], found);
        if (page->count) from = store_key_behind(page->records[page->count - 1].key, buffer);
        store_page_release(page);
    } while (status == STATUS_OK && page->more);
    return status;
}

bool node_recover(struct node *node, struct node_found *found, char *error)
{
    enum status status = STATUS_OK;
    struct store_page *page = calloc(1, sizeof *page);
    ensure(page != NULL);
    *found = (struct node_found){.messages = 0};
    engine_set_clock(node->engine, host_now_ms(node), host_wall_ms(node));
    for (const char *kind = engine_recovery_order(); *kind && status == STATUS_OK; kind++)
        status = recover_kind(node, span_of(kind, 1), page, found);
    engine_recovered(node->engine);
    free(page);
    return status == STATUS_OK || say_store(node, "cannot read the store", error);
}

bool node_settled(const struct node *node)
{
    return !node->engine || engine_settled(node->engine);
}

void node_free(struct node *node)
{
    if (!node) return;
    if (!node->host_is_borrowed) script_host_free(node->host);
    for (int i = 0; i < 2; i++) {
        for (size_t at = 0; at < node->posts[i].count; at++) {
            const struct event *event = &node->posts[i].events[at];
            if (event->kind == EVENT_COMMITTED) batch_free(event->batch);
            if (event->kind == EVENT_LOADED) load_free(event->load);
        }
        post_deinit(&node->posts[i]);
    }
    effects_deinit(&node->effects);
    engine_free(node->engine);
    node->store->engine->close(node->store);
    reload_free(node);
    facts_free(node);
    tail_free(node);
    free(node->agents);
    free(node->name);
    free(node);
}

struct script_host *node_host(struct node *node)
{
    return node->host;
}

const struct identity *node_identity(const struct node *node)
{
    return &node->identity;
}

struct engine *node_engine(struct node *node)
{
    return node->engine;
}

struct span node_name(const struct node *node)
{
    return span_text(node->name ? node->name : "node");
}

void node_observe(struct node *node, void (*see)(void *user, const struct fact *fact),
                  bool (*answered)(void *user, uint64_t waiter, const struct answer *answer),
                  void *user)
{
    node->see = see;
    node->answered = answered;
    node->see_user = user;
    watch_facts(node);
}

/* ---- effects ---- */

void node_committed(struct node *node, struct batch *batch, const struct store_room *room)
{
    node->room = *room;
    facts_committed(node, batch->number);
    node_post(node,
              &(struct event){.kind = EVENT_COMMITTED, .batch = batch, .store_full = room->full});
}

static void commit(struct node *node, struct batch *batch)
{
    const struct store_engine *engine = node->store->engine;
    if (engine->durable && node->io.commit) {
        node->io.commit(node->io.user, batch);
        return;
    }
    enum status status = engine->commit(node->store, batch->ops, batch->op_count);
    ensure(status == STATUS_OK);
    struct store_room room = engine->room(node->store);
    node_committed(node, batch, &room);
}

void node_loaded(struct node *node, struct load *load)
{
    node_post(node, &(struct event){.kind = EVENT_LOADED, .load = load});
}

static void load_page(struct node *node, struct load *load)
{
    if (node->store->engine->durable && node->io.load) {
        node->io.load(node->io.user, load);
        return;
    }
    ensure(store_load(node->store, load) == STATUS_OK);
    node_loaded(node, load);
}

static void tell_ready(struct node *node, bool ok, enum code code, struct span reason)
{
    if (!node->options.ready || node->told_ready) return;
    node->told_ready = true;
    node->options.ready(node->options.ready_user, ok, code, reason);
}

/* Whoever dials once only comes again when it was told to. */
static bool is_end_of_dialling(const struct node *node, const struct fact *fact)
{
    return fact->kind == FACT_LINK_FAILED ||
           (fact->kind == FACT_LINK_DOWN && node->options.one_shot && fact->code != CODE_BUSY);
}

static void take_fact(struct node *node, const struct fact *fact)
{
    if (node->see) node->see(node->see_user, fact);
    fact_take(node, fact);
    if (fact->kind == FACT_LINK_UP) tell_ready(node, true, CODE_NONE, fact->subject);
    if (is_end_of_dialling(node, fact))
        tell_ready(node, false, fact->code ? (enum code)fact->code : CODE_UNREACHABLE,
                   fact->reason);
}

static void take_receipt(struct node *node, uint64_t waiter, const struct answer *answer)
{
    if (node->answered && node->answered(node->see_user, waiter, answer)) return;
    script_receipt(node->host, waiter, answer);
}

static void carry_out(struct node *node, struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_WRITE:
        show_outgoing(node);
        node->io.write(node->io.user, effect->connection, effect->block);
        effect->block = NULL;
        return;
    case EFFECT_CLOSE: node->io.close(node->io.user, effect->connection); return;
    case EFFECT_DIAL: node->io.dial(node->io.user, effect->dial, effect->address); return;
    case EFFECT_COMMIT: commit(node, effect->batch); return;
    case EFFECT_LOAD: load_page(node, effect->load); return;
    case EFFECT_RUN: script_run(node->host, &effect->run); return;
    case EFFECT_RETIRE: script_agent_retire(node->host, effect->run.agent); return;
    case EFFECT_INTERRUPT:
        script_interrupt(node->host, effect->run.delivery, (enum code)effect->code);
        return;
    case EFFECT_RESUME: script_resume(node->host, effect->waiter); return;
    case EFFECT_RECEIPT: take_receipt(node, effect->waiter, &effect->answer); return;
    case EFFECT_FACT: take_fact(node, &effect->fact); return;
    case EFFECT_ADMIN:
        script_admin(node->host, effect->waiter, effect->block, effect->page);
        return;
    case EFFECT_PART: script_part(node->host, effect->waiter, &effect->part); return;
    case EFFECT_STREAM_OVER:
        tail_over(node, effect->waiter);
        watch_facts(node);
        return;
    }
}

/* Of a node that is abandoned: the batch and the page are nobody's. Blocks go with the effects. */
static void drop(struct effect *effect)
{
    if (effect->kind == EFFECT_COMMIT) batch_free(effect->batch);
    if (effect->kind == EFFECT_LOAD) load_free(effect->load);
}

void node_abandon(struct node *node)
{
    node->abandoned = true;
}

/* ---- turns ---- */

/* One step over what is queued, and one more event that was not copied (or NULL). */
static void step(struct node *node, const struct event *extra)
{
    struct post *post = &node->posts[node->filling];
    node->filling = 1 - node->filling;
    if (extra) {
        array_reserve(post->events, post->count, post->capacity);
        post->events[post->count++] = *extra;
    }
    ensure(!node->stepping);
    node->stepping = true;
    engine_set_clock(node->engine, host_now_ms(node), host_wall_ms(node));
    engine_step(node->engine, post->events, post->count, host_now_ms(node), &node->effects);
    for (size_t i = 0; i < node->effects.count; i++) {
        struct effect *effect = &node->effects.items[i];
        if (node->abandoned)
            drop(effect);
        else
            carry_out(node, effect);
    }
    effects_reset(&node->effects);
    post_reset(post);
    node->stepping = false;
}

static bool has_work(const struct node *node)
{
    return node_deadline_ms(node) <= node->io.now_ms(node->io.user);
}

void node_turn(struct node *node)
{
    for (int steps = 0; has_work(node); steps++) {
        if (steps == STEPS_PER_TURN_MAX) {
            node->io.wake(node->io.user);
            return;
        }
        step(node, NULL);
    }
}

void node_post(struct node *node, const struct event *event)
{
    post_add(&node->posts[node->filling], event);
    if (!node->stepping) node->io.wake(node->io.user);
}

void node_bytes(struct node *node, uint32_t connection, struct span bytes)
{
    struct event event = {.kind = EVENT_BYTES, .connection = connection, .bytes = bytes};
    if (node->stepping) {
        node_post(node, &event);
        return;
    }
    step(node, &event);
    if (has_work(node)) node->io.wake(node->io.user);
}

int64_t node_deadline_ms(const struct node *node)
{
    if (!node->engine || node->abandoned) return INT64_MAX;
    return node->posts[node->filling].count > 0 ? INT64_MIN : engine_deadline_ms(node->engine);
}

void node_start(struct node *node)
{
    node->started_ms = host_now_ms(node);
    node_post(node, &(struct event){.kind = EVENT_START});
}

void node_drain(struct node *node)
{
    node_post(node, &(struct event){.kind = EVENT_DRAIN});
}

void node_stop(struct node *node)
{
    for (size_t i = 0; i < node->agent_count; i++) script_agent_free(node->host, node->agents[i]);
    node->agent_count = 0;
    reload_stop(node);
    node_post(node, &(struct event){.kind = EVENT_STOP});
}

/* ---- agents and hooks ---- */

void node_deliver_to(struct node *node, uint32_t agent)
{
    const struct agent_declaration *declared = script_agent_declaration(node->host, agent);
    node_post(node, &(struct event){.kind = EVENT_AGENT_UP, .agent = declared});
}

enum status node_agent_up(struct node *node, uint32_t agent, struct span *error)
{
    if (agent == 0) return STATUS_SCRIPT;
    const struct agent_declaration *declared = script_agent_declaration(node->host, agent);
    for (size_t i = 0; i < node->agent_count; i++) {
        const struct agent_declaration *other =
            script_agent_declaration(node->host, node->agents[i]);
        if (!span_equal(other->address, declared->address)) continue;
        return script_agent_taken(node->host, agent, node->agents[i], error);
    }
    enum status status = script_agent_start(node->host, agent, "boot", error);
    if (status == STATUS_OK) status = script_agent_migrate(node->host, agent, false, error);
    if (status != STATUS_OK) return status;
    array_reserve(node->agents, node->agent_count, node->agent_capacity);
    node->agents[node->agent_count++] = agent;
    node_deliver_to(node, agent);
    return STATUS_OK;
}

const char *node_root(const struct node *node)
{
    return node->settings.root.size > 0 ? node->settings.root.bytes : ".";
}

enum status node_load_agent(struct node *node, const char *path, struct span *error)
{
    return node_agent_up(node, script_agent_load(node->host, node_root(node), path, error), error);
}

enum status node_take_agent(struct node *node, lua_State *L, int index, const char *origin,
                            struct span *error)
{
    return node_agent_up(node, script_agent_new(node->host, L, index, origin, error), error);
}

void node_path(const struct node *node, struct span path, char *out, size_t size)
{
    bool as_it_is = path.bytes[0] == '/' || strcmp(node_root(node), ".") == 0;
    snprintf(out, size, "%s%s%.*s", as_it_is ? "" : node_root(node), as_it_is ? "" : "/",
             SPAN_ARGS(path));
}

bool node_each_match(const struct node *node, struct span pattern, bool must_match,
                     bool (*each)(void *user, const char *path), void *user)
{
    char path[4096];
    node_path(node, pattern, path, sizeof path);
    glob_t found = {0};
    bool more = true;
    if (glob(path, must_match ? GLOB_NOCHECK : 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && more; i++) more = each(user, found.gl_pathv[i]);
    globfree(&found);
    return more;
}

struct loading {
    struct node *node;
    enum status (*load)(struct node *, const char *, struct span *);
    struct span *error;
};

static bool load_one(void *user, const char *path)
{
    struct loading *loading = user;
    return loading->load(loading->node, path, loading->error) == STATUS_OK;
}

/* Load every file that a name or glob of the settings stands for. */
static enum status load_files(struct node *node, struct span pattern, bool must_match,
                              enum status (*load)(struct node *, const char *, struct span *),
                              struct span *error)
{
    struct loading loading = {node, load, error};
    bool all = node_each_match(node, pattern, must_match, load_one, &loading);
    return all ? STATUS_OK : STATUS_SCRIPT;
}

static enum status load_hook(struct node *node, const char *path, struct span *error)
{
    return script_hook_load(node->host, node_root(node), path, error) ? STATUS_OK : STATUS_SCRIPT;
}

static const char *settings_origin(const struct node *node)
{
    return node->settings.file.size > 0 ? node->settings.file.bytes : "settings";
}

static enum status load_agent_entry(struct node *node, size_t index, struct span *error)
{
    lua_State *L = script_settings_agent(node->host, index);
    if (!L)
        return load_files(node, node->settings.agents[index], node->settings.agents_given,
                          node_load_agent, error);
    enum status status = node_take_agent(node, L, -1, settings_origin(node), error);
    lua_pop(L, 1);
    return status;
}

static enum status load_hook_entry(struct node *node, size_t index, struct span *error)
{
    lua_State *L = script_settings_hook(node->host, index);
    if (!L)
        return load_files(node, node->settings.hooks[index], node->settings.hooks_given, load_hook,
                          error);
    bool added = script_hook_add(node->host, L, -1, settings_origin(node), error);
    lua_pop(L, 1);
    return added ? STATUS_OK : STATUS_SCRIPT;
}

static enum status load_faults(struct node *node, struct span *error)
{
    for (size_t i = 0; i < node->settings.fault_count; i++)
        if (!script_fault_add(node->host, node->settings.faults[i], error)) return STATUS_SCRIPT;
    return STATUS_OK;
}

void node_hooks_changed(struct node *node)
{
    script_hook_masks(node->host, &node->hook_facts, &node->hook_steps);
    watch_facts(node);
}

enum status node_load(struct node *node, struct span *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < node->settings.hook_count && status == STATUS_OK; i++)
        status = load_hook_entry(node, i, error);
    if (status == STATUS_OK) status = load_faults(node, error);
    node_hooks_changed(node);
    for (size_t i = 0; i < node->settings.agent_count && status == STATUS_OK; i++)
        status = load_agent_entry(node, i, error);
    return status;
}
