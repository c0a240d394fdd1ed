/* Bundles: messages that one delivery hands over together (an agent's `batch`; in the core a batch
 * is a commit).
 *
 * A bundle is one delivery with one lease, which its first entry holds; the others are leased and
 * point at the first. What it costs (an attempt), what it answers, and how it ends is each entry's
 * own. It is handed over when the agent's `batch` of messages waits, or when the first of those
 * that wait has waited `batch_within_ms`. A message with a method, a notice, and one that may have
 * ended the process, stands by itself; as long as one is left that was in a bundle which did, no
 * bundle is made at all (suspect.h). */
#include "core/parts.h"

static bool joins(const struct engine *engine, const struct entry *entry)
{
    return !entry->notice && !entry->suspect && engine->suspects.singles == 0 &&
           message_method(entry->block).size == 0;
}

bool bundle_is_for(const struct entry *entry)
{
    return entry->queue->agent.batch > 0 && !entry->notice &&
           message_method(entry->block).size == 0;
}

/* Under `strict` the others are parked behind the first. */
static struct entry *behind(const struct entry *entry)
{
    if (entry->queue->agent.order != ORDER_STRICT) return entry->next;
    struct entry *next = entry->chain_next;
    return next && (next->state == ENTRY_PARKED || next->state == ENTRY_WAITING) ? next : NULL;
}

/* The first of the list from here on that joins; under `strict` nothing is left out. */
static struct entry *joining(const struct engine *engine, struct entry *entry)
{
    bool strict = entry && entry->queue->agent.order == ORDER_STRICT;
    while (entry && !joins(engine, entry)) entry = strict ? NULL : behind(entry);
    return entry;
}

/* How many could go together now: no more than are wanted. */
static size_t count_joining(const struct engine *engine, const struct queue *mailbox)
{
    size_t count = 0;
    struct entry *entry = joining(engine, mailbox->lists[ENTRY_WAITING].head);
    for (; entry && count < mailbox->agent.batch; entry = joining(engine, behind(entry))) count++;
    return count;
}

static bool is_time(struct engine *engine, struct queue *mailbox, size_t count)
{
    int64_t within_ms = mailbox->agent.batch_within_ms;
    if (mailbox->gathering_ms == 0) mailbox->gathering_ms = engine->now_ms;
    int64_t due_ms = after_ms(mailbox->gathering_ms, (uint64_t)within_ms);
    if (count >= mailbox->agent.batch || engine->now_ms >= due_ms) return true;
    mailbox->gathered.kind = DEADLINE_BUNDLE;
    heap_set(&engine->deadlines, &mailbox->gathered, due_ms);
    return false;
}

/* Those that stand by themselves do not wait for company; only some are looked at each time. */
static void deliver_singles(struct engine *engine, struct queue *mailbox)
{
    struct entry *next;
    bool strict = mailbox->agent.order == ORDER_STRICT;
    size_t looked_at = 0;
    for (struct entry *entry = mailbox->lists[ENTRY_WAITING].head; entry; entry = next) {
        next = strict || ++looked_at >= mailbox->agent.batch ? NULL : entry->next;
        if (!deliver_takes(engine, mailbox)) return;
        if (!joins(engine, entry)) deliver_entry(engine, entry);
    }
}

static void deliver(struct engine *engine, struct queue *mailbox, size_t count)
{
    struct entry *first = joining(engine, mailbox->lists[ENTRY_WAITING].head), *last = NULL, *next;
    bool waits = false;
    for (struct entry *entry = first; entry && count > 0; entry = next, count--) {
        next = joining(engine, behind(entry));
        if (deliver_take(engine, entry)) waits = true;
        entry->leader = entry == first ? NULL : first;
        if (last) last->bundled = entry;
        last = entry;
    }
    deliver_lease(engine, first, waits);
}

void bundle_pump(struct engine *engine, struct queue *mailbox)
{
    if (suspect_holds(engine)) return;
    deliver_singles(engine, mailbox);
    while (deliver_takes(engine, mailbox)) {
        size_t count = count_joining(engine, mailbox);
        if (count == 0) mailbox->gathering_ms = 0;
        if (count == 0 || !is_time(engine, mailbox, count)) return;
        heap_clear(&engine->deadlines, &mailbox->gathered);
        mailbox->gathering_ms = 0;
        deliver(engine, mailbox, count);
    }
}

struct entry *bundle_leader(struct entry *entry)
{
    return entry->leader ? entry->leader : entry;
}

bool bundle_is_late(const struct engine *engine, const struct entry *entry)
{
    while (entry && engine->now_ms < entry->expires_ms) entry = entry->bundled;
    return entry != NULL;
}

bool bundle_fits(const struct entry *first)
{
    size_t count = 0;
    for (const struct entry *entry = first; entry; entry = entry->bundled) count++;
    return count == 1 || (bundle_is_for(first) && count <= first->queue->agent.batch);
}

struct entry *bundle_part(struct entry *entry)
{
    struct entry *next = entry->bundled;
    entry->leader = entry->bundled = NULL;
    return next;
}
