/* Dedup: the holder of a key is handed over, another message with the same key waits while the
 * first is in hand and is then acknowledged like it. */
#include "core/parts.h"

enum { RESULT_KEPT_MAX = 16 * 1024 }; /* of a result that a dedup policy keeps */

static struct span no_text(void)
{
    return span_of(NULL, 0);
}

/* What the policy makes of the message. */
static struct dedup_answer ask(struct engine *engine, const struct queue *mailbox,
                               const struct message *message)
{
    struct dedup_answer answer = {.key = no_text(), .ttl_ms = -1};
    if (mailbox->agent.dedup == DEDUP_NONE) return answer;
    bool asked = mailbox->agent.asks_dedup && engine->policies.dedup &&
                 engine->policies.dedup(engine->policies.user, mailbox->agent.agent, message,
                                        &answer) == POLICY_ANSWERED;
    if (!asked) answer = (struct dedup_answer){.key = message->id, .ttl_ms = -1};
    return answer;
}

struct span dedup_key(struct engine *engine, const struct queue *mailbox,
                      const struct message *message)
{
    return ask(engine, mailbox, message).key;
}

/* A newer version takes the place of what is remembered. */
static bool is_newer(const struct seen *seen, const struct dedup_answer *answer)
{
    return answer->has_version && seen->has_version && answer->version > seen->version &&
           !seen->holder;
}

static struct seen *hold(struct queue *mailbox, struct entry *entry,
                         const struct dedup_answer *answer)
{
    struct seen *seen = seen_hold(mailbox, answer->key, entry);
    seen->has_version = answer->has_version;
    seen->version = answer->version;
    seen->ttl_ms = answer->ttl_ms >= 0 ? answer->ttl_ms : mailbox->agent.dedup_ttl_ms;
    return seen;
}

/* The message is, or waits for, the holder of its dedup key. */
enum entry_state dedup_claim(struct engine *engine, struct queue *mailbox, struct entry *entry)
{
    if (mailbox->agent.dedup == DEDUP_NONE) return ENTRY_WAITING;
    struct message message = message_of(entry->block); /* as the store hook left it */
    struct dedup_answer answer = ask(engine, mailbox, &message);
    if (planted(PLANT_DEDUP_KEY_TRUNCATED) && answer.key.size > 12) answer.key.size = 12;
    if (answer.key.size == 0) return ENTRY_WAITING;
    struct seen *seen = seen_find(engine, mailbox, answer.key);
    bool first = !seen || is_newer(seen, &answer);
    entry->seen = first ? hold(mailbox, entry, &answer) : seen;
    entry->seen->awaited |= !first;
    return first ? ENTRY_WAITING : ENTRY_BLOCKED;
}

struct end dedup_end(const struct seen *seen)
{
    return (struct end){.level = LEVEL_HANDLED,
                        .flags = seen->forgot ? RECEIPT_DUP | RECEIPT_FORGOT : RECEIPT_DUP,
                        .result = block_span(seen->result),
                        .result_encoding = seen->result_encoding};
}

static void note_duplicate(struct engine *engine, const struct entry *entry)
{
    engine->counts.duplicates++;
    struct fact *fact = engine_fact(engine, FACT_DUPLICATE, entry);
    if (fact) fact->dup = true;
}

/* Its first was handled: acknowledge it in the same way and let it go. */
static void acknowledge_duplicate(struct engine *engine, struct entry *entry,
                                  const struct seen *seen)
{
    struct end end = dedup_end(seen);
    end.level = entry->level < LEVEL_HANDLED ? entry->level : LEVEL_HANDLED;
    note_duplicate(engine, entry);
    lanes_entry_level(engine, entry, LANE_HANDLED);
    answer_later(engine, entry, &end);
    engine_delete(engine, entry);
    engine_drop(engine, entry);
}

static struct entry *next_blocked(const struct queue *mailbox, const struct seen *seen)
{
    struct entry *entry = seen->awaited ? mailbox->lists[ENTRY_BLOCKED].head : NULL;
    while (entry && entry->seen != seen) entry = entry->next;
    return entry;
}

/* A newer version is next, and those who waited wait for it. */
static void pass_on(struct engine *engine, struct queue *mailbox, struct entry *next,
                    const struct dedup_answer *answer)
{
    const struct seen *old = next->seen;
    struct seen *seen = hold(mailbox, next, answer);
    seen->awaited = true;
    for (struct entry *at = mailbox->lists[ENTRY_BLOCKED].head; at; at = at->next)
        if (at->seen == old) at->seen = seen;
    owner_start_waiting(engine, next);
}

/* Those who waited for the first are duplicates of it, until one is a newer version. */
static void let_blocked_go(struct engine *engine, struct queue *mailbox, const struct seen *seen)
{
    struct entry *entry;
    while ((entry = next_blocked(mailbox, seen))) {
        struct message message = message_of(entry->block);
        struct dedup_answer answer = ask(engine, mailbox, &message);
        if (seen->ttl_ms > 0 && is_newer(seen, &answer)) {
            pass_on(engine, mailbox, entry, &answer);
            return;
        }
        acknowledge_duplicate(engine, entry, seen);
    }
}

void dedup_handled(struct engine *engine, struct queue *mailbox, struct seen *seen,
                   const struct outcome *outcome)
{
    bool none = outcome->result.size == 0, brief = seen->ttl_ms == 0;
    bool keep = !none && !mailbox->agent.forgets_results && outcome->result.size <= RESULT_KEPT_MAX;
    struct block *result = keep ? block_copy(outcome->result) : NULL;
    uint8_t encoding = keep || none ? outcome->encoding : NO_RESULT;
    seen->forgot = !keep && !none;
    if (brief)
        seen_end(seen, result, encoding);
    else
        seen_settle(engine, mailbox, seen, result, encoding);
    block_release(result);
    let_blocked_go(engine, mailbox, seen);
    if (brief) seen_drop(mailbox, seen);
}

/* The holder ended otherwise: the next one takes its place. */
void dedup_released(struct engine *engine, struct queue *mailbox, struct seen *seen)
{
    struct entry *next = next_blocked(mailbox, seen);
    seen->holder = next;
    if (next)
        owner_start_waiting(engine, next);
    else
        seen_drop(mailbox, seen);
}

/* A duplicate of something already handled needs no copy of its own. */
bool dedup_settle(struct engine *engine, struct entry *entry)
{
    if (entry->state != ENTRY_BLOCKED || entry->seen->holder) return false;
    acknowledge_duplicate(engine, entry, entry->seen);
    return true;
}
