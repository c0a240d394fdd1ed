/* Dedup: the holder of a key is handed over, another message with the same key waits while the
 * first is in hand and is then acknowledged like it. */
#include "core/parts.h"

enum { RESULT_KEPT_MAX = 16 * 1024 }; /* of a result that a dedup policy keeps */

static struct span no_text(void)
{
    return span_of(NULL, 0);
}

/* The key under which the policy remembers the message; empty: it is never a duplicate. */
struct span dedup_key(struct engine *engine, const struct queue *mailbox,
                      const struct message *message)
{
    struct span key;
    if (mailbox->agent.dedup == DEDUP_NONE) return no_text();
    if (mailbox->agent.asks_dedup && engine->policies.dedup &&
        engine->policies.dedup(engine->policies.user, mailbox->agent.agent, message, &key) ==
            POLICY_ANSWERED)
        return key;
    return message->id;
}

/* The message is, or waits for, the holder of its dedup key. */
enum entry_state dedup_claim(struct engine *engine, struct queue *mailbox, struct entry *entry)
{
    if (mailbox->agent.dedup == DEDUP_NONE) return ENTRY_WAITING;
    struct message message = message_of(entry->block); /* as the store hook left it */
    struct span key = dedup_key(engine, mailbox, &message);
    if (planted(PLANT_DEDUP_KEY_TRUNCATED) && key.size > 12) key.size = 12;
    if (key.size == 0) return ENTRY_WAITING;
    struct seen *seen = seen_find(mailbox, key, engine->now_ms);
    bool first = !seen;
    if (first) seen = seen_hold(mailbox, key, entry);
    entry->seen = seen;
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
    struct entry *entry = mailbox->lists[ENTRY_BLOCKED].head;
    while (entry && entry->seen != seen) entry = entry->next;
    return entry;
}

/* The holder was handled: those who waited for it are duplicates. */
void dedup_handled(struct engine *engine, struct queue *mailbox, struct seen *seen,
                   const struct outcome *outcome)
{
    bool keep = outcome->result.size > 0 && outcome->result.size <= RESULT_KEPT_MAX;
    bool none = outcome->result.size == 0;
    struct block *result = keep ? block_copy(outcome->result) : NULL;
    seen->forgot = !keep && !none;
    seen_settle(mailbox, seen, result, keep || none ? outcome->encoding : NO_RESULT,
                engine->now_ms);
    block_release(result);
    struct entry *entry;
    while ((entry = next_blocked(mailbox, seen))) acknowledge_duplicate(engine, entry, seen);
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
