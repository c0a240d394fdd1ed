/* Generations of agents: one follows the other at its address; what is known of each. */
#include "script/host.h"

#include <stdlib.h>

static struct generation describe(const struct agent *agent)
{
    return (struct generation){
        .agent = agent->number,
        .number = agent->generation,
        .address = agent->declaration.address,
        .file = span_text(agent->origin),
        .from_file = agent->owns_script,
        .staged = agent->staged,
        .leaving = agent->leaving,
        .starting = agent->start == START_RUNNING,
        .hash = agent->owns_script ? tracked_hash(&agent->script->files) : 0,
        .loaded_ms = agent->loaded_ms,
        .in_flight = agent->tasks - (agent->start == START_RUNNING && agent->tasks > 0),
        .handled = agent->handled,
        .failed = agent->failed,
        .refusal = span_text(agent->refusal),
        .refused_ms = agent->refused_ms,
    };
}

bool script_generation(struct script_host *host, uint32_t number, struct generation *generation)
{
    const struct agent *agent = agent_find(host, number);
    if (!agent) return false;
    *generation = describe(agent);
    return true;
}

void script_generations(struct script_host *host, void (*each)(void *, const struct generation *),
                        void *user)
{
    for (size_t i = 0; i < host->agent_count; i++) {
        if (!host->agents[i]) continue;
        struct generation generation = describe(host->agents[i]);
        each(user, &generation);
    }
}

void script_agent_stage(struct script_host *host, uint32_t fresh, uint32_t number)
{
    struct agent *agent = agent_find(host, fresh);
    agent->generation = agent_find(host, number)->generation + 1;
    agent->staged = true;
    cache_hand_over(agent_find(host, number), agent);
}

void script_agent_settle(struct script_host *host, uint32_t number)
{
    agent_find(host, number)->staged = false;
}

/* ---- refusals ---- */

static void refusal_forget(struct agent *agent)
{
    free(agent->refusal);
    agent->refusal = NULL;
    tracked_clear(&agent->refused_from);
}

static struct tracked *files_of(struct script_host *host, uint32_t number)
{
    struct agent *agent = agent_find(host, number);
    if (!agent) return &host->failed_files;
    return agent->owns_script ? &agent->script->files : NULL;
}

/* The files of `fresh` are copied, not taken: it may live on for a while. */
void script_agent_refuse(struct script_host *host, uint32_t number, uint32_t fresh,
                         struct span reason)
{
    struct agent *agent = agent_find(host, number);
    const struct tracked *files = files_of(host, fresh);
    char *text = strndup(reason.bytes, reason.size);
    ensure(text != NULL);
    free(agent->refusal);
    agent->refusal = text;
    agent->refused_ms = host->env.now_ms(host->env.user);
    if (files) tracked_copy(&agent->refused_from, files);
}

void script_agent_files(struct script_host *host, uint32_t number, struct tracked *files)
{
    const struct tracked *from = files_of(host, number);
    tracked_clear(files);
    if (from) tracked_copy(files, from);
}

void script_agent_unloaded(struct script_host *host)
{
    tracked_clear(&host->failed_files);
}

bool script_agent_young(struct script_host *host, uint32_t number, int64_t age_ms)
{
    const struct tracked *files = files_of(host, number);
    return files && age_ms > 0 && tracked_young(files, host->env.wall_ms(host->env.user), age_ms);
}

/* What was refused and has been taken back is no refusal any more. */
bool script_agent_changed(struct script_host *host, uint32_t number, bool latest)
{
    struct agent *agent = agent_find(host, number);
    bool refused = agent->refused_from.count > 0;
    bool since = refused && tracked_changed(&agent->refused_from);
    if (!agent->owns_script || !tracked_changed(&agent->script->files)) {
        if (since) refusal_forget(agent);
        return false;
    }
    return !latest || !refused || since;
}

bool script_agents_share_change(struct script_host *host, uint32_t number, uint32_t other)
{
    const struct tracked *one = files_of(host, number), *two = files_of(host, other);
    return one && two && tracked_share_change(one, two);
}

/* ---- files ---- */

static void each_of(const struct tracked *files, void (*each)(void *, const char *), void *user)
{
    for (size_t i = 0; i < files->count; i++) each(user, files->files[i].path);
}

void script_each_file(struct script_host *host, void (*each)(void *user, const char *path),
                      void *user)
{
    for (size_t i = 0; i < host->agent_count; i++) {
        const struct agent *agent = host->agents[i];
        if (!agent || agent->leaving) continue;
        if (agent->owns_script) each_of(&agent->script->files, each, user);
        each_of(&agent->refused_from, each, user);
    }
    if (host->node) each_of(&host->node->files, each, user);
}

const char *script_node_change(struct script_host *host)
{
    return host->node ? tracked_take_change(&host->node->files) : NULL;
}
