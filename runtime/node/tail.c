/* Those who follow what happens in this node: requests of $node that each fact of interest becomes
 * a part of. While there are none, no fact is made for them. */
#include "node/parts.h"

#include <stdlib.h>
#include "core/array.h"
#include "node/pattern.h"

enum { TAILS_MAX = 16 };

struct tail {
    uint64_t request;
    char *pattern, *id; /* owned; empty: any */
};

size_t tail_count(const struct node *node)
{
    return node->tail_count;
}

static char *text_of(struct span text)
{
    char *copy = strndup(text.bytes ? text.bytes : "", text.size);
    ensure(copy != NULL);
    return copy;
}

bool tail_add(struct node *node, uint64_t request, struct span pattern, struct span id)
{
    if (node->tail_count >= TAILS_MAX) return false;
    array_reserve(node->tails, node->tail_count, node->tail_capacity);
    node->tails[node->tail_count++] =
        (struct tail){.request = request, .pattern = text_of(pattern), .id = text_of(id)};
    node_post(node, &(struct event){.kind = EVENT_STREAM, .waiter = request});
    return true;
}

static void forget(struct node *node, size_t index)
{
    free(node->tails[index].pattern);
    free(node->tails[index].id);
    node->tails[index] = node->tails[--node->tail_count];
}

void tail_over(struct node *node, uint64_t request)
{
    for (size_t i = node->tail_count; i-- > 0;)
        if (node->tails[i].request == request) forget(node, i);
}

void tail_free(struct node *node)
{
    while (node->tail_count > 0) forget(node, 0);
    free(node->tails);
}

/* ---- what is of interest ---- */

static struct span id_of(const struct fact *fact)
{
    return fact->block ? message_id(fact->block) : fact->subject;
}

/* Where the message goes; of a fact about an address, that. */
static struct span address_of(const struct fact *fact)
{
    if (fact->block) return message_of(fact->block).to;
    bool address = fact->kind == FACT_ATTACHED || fact->kind == FACT_RELOADED;
    return address ? fact->subject : span_of(NULL, 0);
}

static bool wants(const struct tail *tail, const struct fact *fact)
{
    if (tail->id[0] && !span_equal(span_text(tail->id), id_of(fact))) return false;
    return !tail->pattern[0] || pattern_matches(tail->pattern, address_of(fact));
}

static void tell(struct node *node, const struct tail *tail, const struct fact *fact,
                 struct buffer *text)
{
    if (!engine_part_fits(node->engine, tail->request)) return;
    if (text->used == 0) script_fact_json(text, fact, node->io.wall_ms(node->io.user));
    struct part part = {.encoding = ENCODING_JSON, .body = buffer_span(text)};
    node_post(node, &(struct event){.kind = EVENT_PART, .waiter = tail->request, .part = &part});
}

/* Whoever follows one message has seen its end. */
static void end_of(struct node *node, const struct tail *tail, const struct fact *fact)
{
    const uint32_t ends =
        1u << FACT_HANDLED | 1u << FACT_DEAD | 1u << FACT_EXPIRED | 1u << FACT_PURGED;
    if (!tail->id[0] || !((ends >> fact->kind) & 1)) return;
    struct administered answer = {.encoding = ENCODING_JSON,
                                  .result = span_text("{\"reason\":\"the message has ended\"}")};
    node_post(node, &(struct event){.kind = EVENT_ADMINISTERED,
                                    .waiter = tail->request,
                                    .administered = &answer});
}

void tail_fact(struct node *node, const struct fact *fact)
{
    struct buffer text = {0};
    for (size_t i = 0; i < node->tail_count; i++) {
        if (!wants(&node->tails[i], fact)) continue;
        tell(node, &node->tails[i], fact, &text);
        end_of(node, &node->tails[i], fact);
    }
    buffer_deinit(&text);
}
