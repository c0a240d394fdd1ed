/* Agents are loaded again while they run.
 *
 *   load beside --> check --> on.start --> the engine delivers to it from the next step on
 *        |            |          |  `-- it waits: the same when it has ended (reload_started)
 *        v            v          v
 *      refused: the one before stays, and the reason is kept with it
 *
 * All that are asked for are loaded first. Then those fall out that share a changed file with one
 * that failed, so that no two agents see different versions of a module. The engine says when the
 * one before is asked for no more (EFFECT_RETIRE); it goes when its last handler has ended. */
#include "node/parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "core/array.h"
#include "script/tracked.h"

/* An agent, and what is to take its place. */
struct stage {
    uint32_t old, fresh;     /* fresh 0: it could not be loaded */
    enum reload_state state; /* RELOAD_DONE from the start */
    bool failed;             /* of its own; else because another did */
    struct block *reason;    /* owned; NULL: none */
    int64_t started_ms;
};

struct newcomer {
    char *path;
    struct tracked files;
};

struct reload {
    struct node *node;
    const struct reload_request *request;
    void (*each)(void *user, const struct reload_result *result);
    void *user;
    struct stage *stages;
    size_t count, capacity;
    size_t told;
};

static int64_t now_ms(const struct node *node)
{
    return node->io.now_ms(node->io.user);
}

static struct generation generation_of(const struct node *node, uint32_t agent)
{
    struct generation generation = {.agent = 0};
    script_generation(node->host, agent, &generation);
    return generation;
}

static void say(struct node *node, enum log_level level, const struct generation *agent,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

static void say(struct node *node, enum log_level level, const struct generation *agent,
                const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct log_record record = {.level = level, .text = span_text(text)};
    if (agent) record.generation = agent->number;
    node->io.log(node->io.user, node_name(node), &record);
}

/* ---- refused ---- */

static void refuse(struct reload *reload, struct stage *stage, struct span reason)
{
    stage->state = RELOAD_REFUSED;
    stage->reason = block_copy(reason);
    if (reload->request->dry) return;
    struct node *node = reload->node;
    struct generation old = generation_of(node, stage->old);
    script_agent_refuse(node->host, stage->old, stage->fresh, reason);
    say(node, LOG_ERROR, &old, "reload %.*s REFUSED, generation %u keeps running: %.*s",
        SPAN_ARGS(old.address), (unsigned)old.number, SPAN_ARGS(reason));
}

static void refuse_own(struct reload *reload, struct stage *stage, struct span reason)
{
    stage->failed = true;
    refuse(reload, stage, reason);
}

static void refuse_text(struct reload *reload, struct stage *stage, const char *format,
                        struct span what)
{
    char text[2048];
    snprintf(text, sizeof text, format, SPAN_ARGS(what));
    refuse_own(reload, stage, span_text(text));
}

/* ---- loaded beside ---- */

static uint32_t load(struct node *node, const struct reload_request *request,
                     const struct generation *old, struct span *error)
{
    if (request->L) return script_agent_new(node->host, request->L, request->index, "spec", error);
    const char *file = request->file ? request->file : old->file.bytes;
    return script_agent_load(node->host, node_root(node), file, error);
}

struct alive {
    struct span address;
    size_t count;
};

static void count_alive(void *user, const struct generation *generation)
{
    struct alive *alive = user;
    alive->count += span_equal(alive->address, generation->address);
}

static bool too_many(const struct node *node, struct span address)
{
    struct alive alive = {address, 0};
    script_generations(node->host, count_alive, &alive);
    return alive.count >= GENERATIONS_MAX;
}

/* Its place may be between two saves: nothing is taken away while a node runs. */
static bool is_gone(const struct reload_request *request, const struct generation *old)
{
    return !request->L && !request->file && access(old->file.bytes, F_OK) != 0;
}

/* An address belongs to its agent as long as the node runs. */
static void check_address(struct reload *reload, struct stage *stage, const struct generation *old)
{
    struct generation fresh = generation_of(reload->node, stage->fresh);
    if (span_equal(fresh.address, old->address)) return;
    char text[1024];
    snprintf(
        text, sizeof text,
        "%s: its address is \"%.*s\" now; an agent keeps its address (\"%.*s\") while the node "
        "runs",
        fresh.file.bytes, SPAN_ARGS(fresh.address), SPAN_ARGS(old->address));
    refuse_own(reload, stage, span_text(text));
}

static void load_beside(struct reload *reload, struct stage *stage, const struct generation *old)
{
    struct span error;
    if (too_many(reload->node, old->address)) {
        refuse_text(reload, stage,
                    "handlers of too many generations of %.*s have not ended yet; try again later",
                    old->address);
        return;
    }
    stage->fresh = load(reload->node, reload->request, old, &error);
    if (script_agent_young(reload->node->host, stage->fresh, reload->request->settled_ms))
        stage->state = RELOAD_UNSETTLED;
    else if (stage->fresh == 0 && is_gone(reload->request, old))
        refuse_text(
            reload, stage,
            "%.*s is gone; to take the agent away, start the node again without that file: its "
            "messages stay in the store and wait",
            old->file);
    else if (stage->fresh == 0)
        refuse_own(reload, stage, error);
    else
        check_address(reload, stage, old);
}

static bool is_asked_for(const struct reload *reload, const struct generation *agent)
{
    struct span wanted = reload->request->address;
    return wanted.size == 0 || span_equal(wanted, agent->address);
}

static bool is_due(const struct reload *reload, const struct generation *old)
{
    const struct reload_request *request = reload->request;
    if (!old->from_file) return false;
    return request->unchanged ||
           script_agent_changed(reload->node->host, old->agent, request->latest);
}

static void stage_agent(struct reload *reload, uint32_t number)
{
    struct node *node = reload->node;
    const struct reload_request *request = reload->request;
    struct generation old = generation_of(node, number);
    bool given = request->L || request->file;
    if (!is_asked_for(reload, &old)) return;
    array_reserve(reload->stages, reload->count, reload->capacity);
    struct stage *stage = &reload->stages[reload->count++];
    *stage = (struct stage){.old = number, .started_ms = now_ms(node)};
    script_agent_unloaded(node->host);
    if (!given && !old.from_file && request->address.size > 0)
        refuse_text(reload, stage, "it was given as a value in %.*s; start the node again",
                    old.file);
    else if (!given && !is_due(reload, &old))
        stage->state = RELOAD_UNCHANGED;
    else
        load_beside(reload, stage, &old);
}

/* ---- together or not at all ---- */

static void refuse_with(struct reload *reload, struct stage *stage, const struct stage *other)
{
    struct node *node = reload->node;
    if (stage->state != RELOAD_DONE) return;
    if (!other->failed || !script_agents_share_change(node->host, stage->old, other->old)) return;
    char text[1024];
    struct generation failed = generation_of(node, other->old);
    snprintf(text, sizeof text, "%.*s, which uses the same changed file, was refused",
             SPAN_ARGS(failed.address));
    refuse(reload, stage, span_text(text));
}

static void keep_together(struct reload *reload)
{
    for (size_t i = 0; i < reload->count; i++)
        for (size_t other = 0; other < reload->count; other++)
            refuse_with(reload, &reload->stages[i], &reload->stages[other]);
}

/* ---- swapped ---- */

static size_t place_of(const struct node *node, struct span address)
{
    size_t place = 0;
    while (place < node->agent_count &&
           !span_equal(generation_of(node, node->agents[place]).address, address))
        place++;
    return place;
}

static void forget_starting(struct node *node, size_t place)
{
    node->starting[place] = node->starting[--node->starting_count];
}

/* One whose on.start still waits is not wanted any more. */
static void supersede(struct node *node, struct span address)
{
    for (size_t i = node->starting_count; i-- > 0;) {
        uint32_t agent = node->starting[i];
        if (!span_equal(generation_of(node, agent).address, address)) continue;
        forget_starting(node, i);
        script_agent_retire(node->host, agent);
    }
}

static void swap(struct node *node, uint32_t fresh)
{
    struct generation new = generation_of(node, fresh);
    size_t place = place_of(node, new.address);
    struct generation old = generation_of(node, node->agents[place]);
    char in_flight[64] = "";
    if (old.in_flight > 0)
        snprintf(in_flight, sizeof in_flight, ", %u in flight %s on %u", (unsigned)old.in_flight,
                 old.in_flight == 1 ? "ends" : "end", (unsigned)old.number);
    node->agents[place] = fresh;
    script_agent_settle(node->host, fresh);
    node_deliver_to(node, fresh);
    say(node, LOG_INFO, &new, "reload %.*s generation %u -> %u%s", SPAN_ARGS(new.address),
        (unsigned)old.number, (unsigned)new.number, in_flight);
}

static void wait_for_start(struct node *node, uint32_t fresh)
{
    struct generation new = generation_of(node, fresh);
    array_reserve(node->starting, node->starting_count, node->starting_capacity);
    node->starting[node->starting_count++] = fresh;
    say(node, LOG_INFO, &new, "reload %.*s: on.start of generation %u waits",
        SPAN_ARGS(new.address), (unsigned)new.number);
}

static void commit(struct reload *reload, struct stage *stage)
{
    struct node *node = reload->node;
    struct span error;
    supersede(node, generation_of(node, stage->old).address);
    script_agent_stage(node->host, stage->fresh, stage->old);
    if (script_agent_start(node->host, stage->fresh, "reload", &error) != STATUS_OK)
        refuse_own(reload, stage, error);
    else if (script_agent_starting(node->host, stage->fresh)) {
        stage->state = RELOAD_STARTING;
        wait_for_start(node, stage->fresh);
    } else if (script_agent_migrate(node->host, stage->fresh, false, &error) != STATUS_OK)
        refuse_own(reload, stage, error);
    else {
        stage->state = RELOAD_DONE;
        swap(node, stage->fresh);
    }
}

static void check(struct reload *reload, struct stage *stage)
{
    struct span error;
    if (script_agent_migrate(reload->node->host, stage->fresh, true, &error) == STATUS_OK)
        stage->state = RELOAD_CHECKED;
    else
        refuse_own(reload, stage, error);
}

static void end_stage(struct reload *reload, struct stage *stage)
{
    if (stage->state != RELOAD_DONE) return;
    if (reload->request->dry)
        check(reload, stage);
    else
        commit(reload, stage);
}

void reload_started(struct node *node, uint32_t agent, bool ok, struct span reason)
{
    size_t place = 0;
    while (place < node->starting_count && node->starting[place] != agent) place++;
    if (place == node->starting_count) return; /* superseded */
    forget_starting(node, place);
    if (ok && script_agent_migrate(node->host, agent, false, &reason) == STATUS_OK) {
        swap(node, agent);
        return;
    }
    uint32_t current = node->agents[place_of(node, generation_of(node, agent).address)];
    struct stage stage = {.old = current, .fresh = agent};
    struct reload_request request = {.dry = false};
    struct reload reload = {.node = node, .request = &request};
    refuse(&reload, &stage, reason);
    block_release(stage.reason);
    script_agent_drop(node->host, agent);
}

/* ---- files that were not there before ---- */

static bool is_known(const struct node *node, const char *path)
{
    for (size_t i = 0; i < node->agent_count; i++)
        if (strcmp(generation_of(node, node->agents[i]).file.bytes, path) == 0) return true;
    return false;
}

static struct newcomer *newcomer_of(struct node *node, const char *path)
{
    for (size_t i = 0; i < node->newcomer_count; i++)
        if (strcmp(node->newcomers[i].path, path) == 0) return &node->newcomers[i];
    array_reserve(node->newcomers, node->newcomer_count, node->newcomer_capacity);
    struct newcomer *newcomer = &node->newcomers[node->newcomer_count++];
    *newcomer = (struct newcomer){.path = strdup(path)};
    ensure(newcomer->path != NULL);
    return newcomer;
}

static void tell_new(struct reload *reload, const char *path, enum status status, struct span error)
{
    struct reload_result result = {
        .state = status == STATUS_OK ? RELOAD_NEW : RELOAD_REFUSED,
        .file = span_text(path),
        .reason = status == STATUS_OK ? span_of(NULL, 0) : error,
    };
    if (status == STATUS_OK) {
        struct node *node = reload->node;
        result.address = generation_of(node, node->agents[node->agent_count - 1]).address;
        result.after = 1;
    }
    reload->told++;
    if (reload->each) reload->each(reload->user, &result);
}

static void tell_unsettled(struct reload *reload, const char *path)
{
    struct reload_result result = {.state = RELOAD_UNSETTLED, .file = span_text(path)};
    reload->told++;
    if (reload->each) reload->each(reload->user, &result);
}

static void take_newcomer(struct reload *reload, const char *path, struct newcomer *newcomer)
{
    struct node *node = reload->node;
    struct span error;
    uint32_t agent = script_agent_load(node->host, node_root(node), path, &error);
    enum status status = STATUS_SCRIPT;
    if (script_agent_young(node->host, agent, reload->request->settled_ms)) {
        script_agent_drop(node->host, agent);
        tell_unsettled(reload, path);
        return;
    }
    script_agent_files(node->host, agent, &newcomer->files);
    if (agent) status = node_agent_up(node, agent, &error);
    if (status == STATUS_OK)
        say(node, LOG_INFO, NULL, "agent %.*s  generation 1  from %s",
            SPAN_ARGS(generation_of(node, agent).address), path);
    else
        say(node, LOG_ERROR, NULL, "new agent REFUSED: %.*s", SPAN_ARGS(error));
    tell_new(reload, path, status, error);
    if (status != STATUS_OK) script_agent_drop(node->host, agent);
}

/* One that failed is tried again when it has changed, or when somebody asks. */
static bool look_at_match(void *user, const char *path)
{
    struct reload *reload = user;
    struct node *node = reload->node;
    if (is_known(node, path)) return true;
    struct newcomer *newcomer = newcomer_of(node, path);
    bool tried = newcomer->files.count > 0 && !tracked_changed(&newcomer->files);
    if (!tried || !reload->request->latest) take_newcomer(reload, path, newcomer);
    return true;
}

static void look_for_new(struct reload *reload)
{
    const struct settings *settings = &reload->node->settings;
    for (size_t i = 0; i < settings->agent_count; i++)
        if (settings->agents[i].size > 0)
            node_each_match(reload->node, settings->agents[i], false, look_at_match, reload);
}

/* ---- the whole ---- */

static void tell(struct reload *reload, const struct stage *stage)
{
    struct node *node = reload->node;
    struct generation old = generation_of(node, stage->old);
    struct generation fresh = generation_of(node, stage->fresh);
    struct reload_result result = {
        .state = stage->state,
        .address = old.address,
        .file = old.from_file ? old.file : span_of(NULL, 0),
        .before = old.number,
        .after = stage->state <= RELOAD_STARTING ? fresh.number : 0,
        .in_flight = old.in_flight,
        .took_ms = now_ms(node) - stage->started_ms,
        .reason = block_span(stage->reason),
    };
    reload->told++;
    if (reload->each) reload->each(reload->user, &result);
}

static void finish(struct reload *reload)
{
    for (size_t i = 0; i < reload->count; i++) {
        struct stage *stage = &reload->stages[i];
        tell(reload, stage);
        if (stage->state > RELOAD_STARTING) script_agent_drop(reload->node->host, stage->fresh);
        block_release(stage->reason);
    }
    free(reload->stages);
}

size_t node_reload(struct node *node, const struct reload_request *request,
                   void (*each)(void *user, const struct reload_result *result), void *user)
{
    struct reload reload = {node, request, each, user, NULL, 0, 0, 0};
    if (node->stopping) return 0;
    for (size_t i = 0; i < node->agent_count; i++) stage_agent(&reload, node->agents[i]);
    keep_together(&reload);
    for (size_t i = 0; i < reload.count; i++) end_stage(&reload, &reload.stages[i]);
    finish(&reload);
    if (request->address.size == 0 && !request->dry) look_for_new(&reload);
    return reload.told;
}

void node_each_file(struct node *node, void (*each)(void *user, const char *path), void *user)
{
    char path[4096];
    const struct settings *settings = &node->settings;
    script_each_file(node->host, each, user);
    for (size_t i = 0; i < settings->agent_count; i++) {
        struct span pattern = settings->agents[i];
        if (pattern.size == 0) continue;
        node_path(node, pattern, path, sizeof path);
        each(user, path);
    }
}

const char *node_settings_change(struct node *node)
{
    return script_node_change(node->host);
}

void reload_stop(struct node *node)
{
    node->stopping = true;
    for (size_t i = 0; i < node->starting_count; i++)
        script_agent_retire(node->host, node->starting[i]);
    node->starting_count = 0;
}

void reload_free(struct node *node)
{
    for (size_t i = 0; i < node->newcomer_count; i++) {
        free(node->newcomers[i].path);
        tracked_clear(&node->newcomers[i].files);
    }
    free(node->newcomers);
    free(node->starting);
}
