/* Records, written big-endian with sizes before strings. */
#include "core/record.h"

#include "core/buffer.h"
#include "core/failure.h"

struct span record_key(char *buffer, enum record_kind kind, uint64_t sequence)
{
    buffer[0] = (char)kind;
    put_u64(buffer + 1, sequence);
    return span_of(buffer, 9);
}

static struct span record_long_key(char *buffer, enum record_kind kind, struct span rest)
{
    buffer[0] = (char)kind;
    memcpy(buffer + 1, rest.bytes, rest.size);
    return span_of(buffer, rest.size + 1);
}

struct span record_lane_key(char *buffer, const struct lane *lane)
{
    return record_long_key(buffer, RECORD_LANE, lane_key_of(lane));
}

struct span record_epoch_key(char *buffer, struct span store_id)
{
    return record_long_key(buffer, RECORD_EPOCH, store_id);
}

static void put_text(struct buffer *out, struct span text)
{
    put_u16(buffer_extend(out, 2), (uint16_t)text.size);
    buffer_put(out, text);
}

void record_message_head(const struct entry *entry, struct buffer *out)
{
    char *at = buffer_extend(out, 9);
    at[0] = (char)entry->queue->kind;
    put_u64(at + 1, entry->number);
    put_text(out, entry->queue->name);
}

void record_facts(const struct entry *entry, struct buffer *out)
{
    char *at = buffer_extend(out, 20);
    put_u32(at, entry->attempt);
    put_u32(at + 4, entry->spent);
    put_u16(at + 8, entry->transmissions);
    at[10] = (char)entry->state;
    at[11] = (char)entry->unanswered;
    put_u64(at + 12, (uint64_t)(entry->deadline.position ? entry->deadline.at_ms : 0));
}

static void put_failure(struct buffer *out, const struct failure_note *note)
{
    char *at = buffer_extend(out, 13);
    put_u32(at, note->attempt);
    put_u64(at + 4, (uint64_t)note->at_ms);
    at[12] = (char)note->code;
    put_text(out, note->word);
    put_text(out, note->reason);
    put_text(out, note->traceback);
}

void record_dead(const struct entry *entry, struct span word, struct span reason,
                 struct buffer *out)
{
    char *at = buffer_extend(out, 5);
    at[0] = (char)entry->last_code;
    put_u32(at + 1, entry->attempt);
    put_text(out, word);
    put_text(out, reason);
    for (const struct failure_note *note = entry->failures; note; note = note->older)
        put_failure(out, note);
}

void record_lane(const struct lane *lane, struct buffer *out)
{
    char *at = buffer_extend(out, 16 + 9 * lane->run_count);
    put_u64(at, lane->base);
    put_u64(at + 8, lane->end);
    for (size_t i = 0; i < lane->run_count; i++) {
        const struct lane_run *run = &lane->runs[i];
        put_u64(at + 16 + 9 * i, run->first);
        /* what is accepted is durable with this batch */
        at[24 + 9 * i] = (char)(run->level == LANE_ACCEPTED ? LANE_STORED : run->level);
    }
}
