/* Retry policies in force: kept while a message or a waiter goes by them, and asked. */
#include "core/parts.h"

enum { POLICIES_COMPARED = 8 /* the newest; senders mostly use few policies, again and again */ };

static bool policy_equal(const struct retry_policy *a, const struct retry_policy *b)
{
    return a->attempts == b->attempts && a->first_ms == b->first_ms && a->step_ms == b->step_ms &&
           a->cap_ms == b->cap_ms && a->deadline_ms == b->deadline_ms && a->script == b->script &&
           a->whole == b->whole && !(a->factor < b->factor || a->factor > b->factor) &&
           !(a->jitter < b->jitter || a->jitter > b->jitter) && a->delay_count == b->delay_count &&
           memcmp(a->delays_ms, b->delays_ms, a->delay_count * sizeof *a->delays_ms) == 0;
}

static struct policy_node *find_equal(const struct engine *engine,
                                      const struct retry_policy *policy)
{
    struct policy_node *node = engine->policies_kept;
    for (int i = 0; i < POLICIES_COMPARED && node; i++, node = node->next)
        if (policy_equal(&node->policy, policy)) return node;
    return NULL;
}

const struct retry_policy *policy_keep(struct engine *engine, const struct retry_policy *policy)
{
    if (!policy || policy == &engine->settings.send) return &engine->settings.send;
    struct policy_node *node = find_equal(engine, policy);
    if (!node) {
        node = calloc(1, sizeof *node);
        ensure(node != NULL);
        node->policy = *policy;
        node->next = engine->policies_kept;
        if (node->next) node->next->previous = node;
        engine->policies_kept = node;
    }
    node->references++;
    return &node->policy;
}

void policy_release(struct engine *engine, const struct retry_policy *policy)
{
    if (!policy || policy == &engine->settings.send) return;
    struct policy_node *node =
        (struct policy_node *)((char *)(uintptr_t)policy - offsetof(struct policy_node, policy));
    if (--node->references > 0) return;
    *(node->previous ? &node->previous->next : &engine->policies_kept) = node->next;
    if (node->next) node->next->previous = node->previous;
    free(node);
}

bool engine_is_last(const struct retry_policy *policy, uint32_t n)
{
    return !policy->whole && n >= policy->attempts;
}

bool engine_retry(struct engine *engine, const struct retry_policy *policy,
                  const struct failure *failure, int64_t *delay_ms, struct span *reason)
{
    struct retry_answer answer = {.delay_ms = -1};
    if (policy->script && engine->policies.retry)
        engine->policies.retry(engine->policies.user, policy->script, failure, &answer);
    if (answer.give_up) {
        if (answer.reason.size > 0) *reason = arena_copy(&engine->effects->arena, answer.reason);
        return false;
    }
    *delay_ms = answer.delay_ms;
    if (answer.delay_ms >= 0) return true;
    *delay_ms = retry_delay(policy, failure->attempt, random_spread(&engine->random));
    return failure->attempt < policy->attempts;
}
