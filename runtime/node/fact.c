/* What happened, told to those who asked: hooks, tails, the log. A fact about a message that
 * changes the store is told when its commit is durable, and the later ones about messages behind
 * it. What nobody asked for is not kept. */
#include "node/parts.h"

#include <stdlib.h>
#include "core/ensure.h"
#include "node/journal.h"

struct held_fact {
    struct held_fact *next;
    struct fact fact; /* its texts are behind this struct, a reference to its block is its own */
};

/* ---- telling ---- */

static const struct agent_declaration *agent_at(const struct node *node, struct span address)
{
    for (size_t i = 0; i < node->agent_count; i++) {
        const struct agent_declaration *agent =
            script_agent_declaration(node->host, node->agents[i]);
        if (span_equal(agent->address, address)) return agent;
    }
    return NULL;
}

static void journal(struct node *node, const struct fact *fact)
{
    char text[JOURNAL_TEXT_MAX], fields[JOURNAL_TEXT_MAX];
    struct log_record record;
    if (!journal_fact(fact, &record, text, fields)) return;
    const struct agent_declaration *agent =
        fact->kind == FACT_ATTACHED ? agent_at(node, fact->subject) : NULL;
    if (agent) journal_agent(agent, &record, text);
    node->io.log(node->io.user, node_name(node), &record);
}

static void tell(struct node *node, const struct fact *fact)
{
    if (tail_count(node) > 0) tail_fact(node, fact);
    if ((node->hook_facts >> fact->kind) & 1) script_fact(node->host, fact);
    if (node->options.role != ROLE_CLIENT || fact->block) journal(node, fact);
}

/* ---- holding ---- */

static bool is_asked_for(const struct node *node, const struct fact *fact)
{
    return tail_count(node) > 0 || ((journal_facts() | node->hook_facts) >> fact->kind) & 1;
}

static char *copy_text(char *to, struct span *text)
{
    if (text->size > 0) memcpy(to, text->bytes, text->size);
    *text = span_of(to, text->size);
    return to + text->size;
}

static struct held_fact *copy(const struct fact *fact)
{
    size_t size = fact->subject.size + fact->link.size + fact->reason.size + fact->word.size +
                  fact->traceback.size;
    struct held_fact *held = malloc(sizeof *held + size);
    ensure(held != NULL);
    *held = (struct held_fact){.fact = *fact};
    char *to = (char *)(held + 1);
    to = copy_text(to, &held->fact.subject);
    to = copy_text(to, &held->fact.link);
    to = copy_text(to, &held->fact.reason);
    to = copy_text(to, &held->fact.word);
    copy_text(to, &held->fact.traceback);
    if (fact->block) block_retain(fact->block);
    return held;
}

static void hold(struct node *node, const struct fact *fact)
{
    struct held_fact *held = copy(fact);
    uint64_t changed = engine_changed(node->engine);
    if (held->fact.batch > changed) held->fact.batch = changed; /* it changed nothing */
    *(node->held ? &node->held_last->next : &node->held) = held;
    node->held_last = held;
}

static void let_go(struct node *node)
{
    struct held_fact *first = node->held;
    node->held = first->next;
    block_release(first->fact.block);
    free(first);
}

static bool is_durable(const struct node *node, const struct fact *fact)
{
    return fact->batch <= node->durable || engine_changed(node->engine) <= node->durable;
}

/* Those about links and the node itself wait for no disk. */
static bool is_of_message(const struct fact *fact)
{
    const uint32_t others = 1u << FACT_START | 1u << FACT_STOP | 1u << FACT_LINK_UP |
                            1u << FACT_LINK_DOWN | 1u << FACT_LINK_FAILED | 1u << FACT_RELOADED |
                            1u << FACT_ATTACHED | 1u << FACT_REFUSED;
    return !((others >> fact->kind) & 1);
}

void fact_take(struct node *node, const struct fact *fact)
{
    bool waits = is_of_message(fact) && (node->held || !is_durable(node, fact));
    if (!waits)
        tell(node, fact);
    else if (is_asked_for(node, fact))
        hold(node, fact);
}

void facts_committed(struct node *node, uint64_t batch)
{
    node->durable = batch;
    while (node->held && !node->abandoned && is_durable(node, &node->held->fact)) {
        tell(node, &node->held->fact);
        let_go(node);
    }
}

bool node_has_untold(const struct node *node)
{
    return node->held != NULL;
}

void facts_free(struct node *node)
{
    while (node->held) let_go(node);
}
