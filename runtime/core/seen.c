/* The memory of a dedup policy. Settled keys stand in a list by age, so forgetting is a loop at
 * its old end; nothing is scanned. */
#include "core/seen.h"

#include <stdlib.h>
#include "core/ensure.h"

static void seen_free(struct seen *seen)
{
    block_release(seen->result);
    free(seen);
}

static void seen_forget_oldest(struct queue *mailbox)
{
    struct seen *oldest = mailbox->seen_oldest;
    mailbox->seen_oldest = oldest->newer;
    if (!oldest->newer) mailbox->seen_newest = NULL;
    map_remove(&mailbox->seen, oldest->key);
    seen_free(oldest);
}

static void seen_expire(struct queue *mailbox, int64_t now_ms)
{
    while (mailbox->seen_oldest &&
           (mailbox->seen_oldest->forget_ms <= now_ms || mailbox->seen.count > SEEN_MAX))
        seen_forget_oldest(mailbox);
}

struct seen *seen_find(struct queue *mailbox, struct span key, int64_t now_ms)
{
    seen_expire(mailbox, now_ms);
    return map_find(&mailbox->seen, key);
}

struct seen *seen_hold(struct queue *mailbox, struct span key, struct entry *holder)
{
    struct seen *seen = calloc(1, sizeof *seen + key.size + 1);
    ensure(seen != NULL);
    char *copy = (char *)(seen + 1);
    if (key.size > 0) memcpy(copy, key.bytes, key.size);
    seen->key = span_of(copy, key.size);
    seen->holder = holder;
    map_add(&mailbox->seen, seen->key, seen);
    return seen;
}

void seen_settle(struct queue *mailbox, struct seen *seen, struct block *result, uint8_t encoding,
                 int64_t now_ms)
{
    int64_t ttl = mailbox->agent.dedup_ttl_ms;
    seen->holder = NULL;
    seen->result = block_retain(result);
    seen->result_encoding = encoding;
    seen->forget_ms = ttl == DURATION_FOREVER ? INT64_MAX : after_ms(now_ms, (uint64_t)ttl);
    *(mailbox->seen_newest ? &mailbox->seen_newest->newer : &mailbox->seen_oldest) = seen;
    mailbox->seen_newest = seen;
}

void seen_drop(struct queue *mailbox, struct seen *seen)
{
    map_remove(&mailbox->seen, seen->key);
    seen_free(seen);
}

void seen_clear(struct queue *mailbox)
{
    for (size_t i = 0; i < mailbox->seen.capacity; i++)
        if (mailbox->seen.slots[i].value) seen_free(mailbox->seen.slots[i].value);
    map_deinit(&mailbox->seen);
    mailbox->seen_oldest = mailbox->seen_newest = NULL;
}
