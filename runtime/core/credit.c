/* How much may be on its way over a link: data frames by the receiver's credit, bytes by what the
 * shell has not written yet. */
#include "core/parts.h"

static size_t link_out_bytes(const struct link *link)
{
    return link->unwritten + link->out.used;
}

bool credit_is_full(const struct link *link)
{
    return link_out_bytes(link) >= LINK_OUT_BYTES_MAX;
}

/* A link takes data frames again. */
static void wake_outboxes(struct engine *engine)
{
    for (struct queue *queue = engine->queues; queue; queue = queue->next)
        if (queue->kind == QUEUE_OUTBOX && queue->lists[ENTRY_WAITING].head)
            engine_ready(engine, queue);
}

void credit_take(struct engine *engine, struct link *link, uint64_t credit)
{
    if (credit <= link->credit) return;
    link->credit = credit;
    wake_outboxes(engine);
}

void credit_settled(struct engine *engine, uint32_t connection, uint64_t session, uint32_t count)
{
    struct link *link = link_of_connection(engine, connection);
    if (link && link->session == session) link->settled += count;
}

/* Half of what was granted is used up and dealt with: grant it again. */
void credit_renew(struct link *link)
{
    uint64_t allowed = link->settled + LINK_CREDIT;
    if (link->state != LINK_UP || allowed - link->granted < LINK_CREDIT / 2) return;
    if (credit_is_full(link)) return;
    link->granted = allowed;
    frame_write_number(&link->out, FRAME_CREDIT, allowed);
}

void credit_written(struct engine *engine, uint32_t connection, size_t size)
{
    struct link *link = link_of_connection(engine, connection);
    if (!link) return;
    ensure(size <= link->unwritten);
    bool was_full = credit_is_full(link);
    link->unwritten -= size;
    if (was_full && !credit_is_full(link)) wake_outboxes(engine);
}
