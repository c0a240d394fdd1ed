/* Records, written big-endian with sizes before strings. */
#include "core/record.h"

#include <math.h>
#include <stdlib.h>
#include "core/ensure.h"
#include "core/failure.h"
#include "core/reader.h"

/* ---- keys ---- */

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

struct span record_outbox_key(char *buffer, struct span address)
{
    return record_long_key(buffer, RECORD_OUTBOX, address);
}

struct span record_hold_key(char *buffer, struct span address)
{
    return record_long_key(buffer, RECORD_HOLD, address);
}

struct span record_epoch_key(char *buffer, struct span store_id)
{
    return record_long_key(buffer, RECORD_EPOCH, store_id);
}

struct span record_result_key(char *buffer, const struct lane *lane, uint64_t number)
{
    struct span key = record_long_key(buffer, RECORD_RESULT, lane_key_of(lane));
    put_u64(buffer + key.size, number);
    return span_of(buffer, key.size + 8);
}

struct span record_result_lane(struct span key, uint64_t *number)
{
    if (key.size < 1 + 8) return span_of(NULL, 0);
    *number = get_u64(key.bytes + key.size - 8);
    return span_of(key.bytes + 1, key.size - 1 - 8);
}

struct span record_state_key(char *buffer, struct span address, uint8_t scope, struct span key)
{
    char *at = buffer;
    *at++ = RECORD_STATE;
    *at++ = (char)address.size;
    memcpy(at, address.bytes, address.size);
    at += address.size;
    *at++ = (char)scope;
    if (key.size > 0) memcpy(at, key.bytes, key.size);
    return span_of(buffer, (size_t)(at - buffer) + key.size);
}

struct span record_due_key(char *buffer, int64_t expires_wall_ms, struct span state_key)
{
    buffer[0] = RECORD_DUE;
    put_u64(buffer + 1, (uint64_t)expires_wall_ms);
    memcpy(buffer + 9, state_key.bytes, state_key.size);
    return span_of(buffer, 9 + state_key.size);
}

struct span record_due_state(struct span key, int64_t *expires_wall_ms)
{
    bool good = key.size > 10 && key.size <= RECORD_KEY_MAX && key.bytes[9] == RECORD_STATE;
    if (!good) return span_of(NULL, 0);
    *expires_wall_ms = (int64_t)get_u64(key.bytes + 1);
    return span_of(key.bytes + 9, key.size - 9);
}

uint64_t record_sequence(struct span key)
{
    uint64_t sequence = key.size == 9 ? get_u64(key.bytes + 1) : 0;
    return sequence < INT64_MAX ? sequence : 0;
}

static void put_text(struct buffer *out, struct span text)
{
    put_u16(buffer_extend(out, 2), (uint16_t)text.size);
    buffer_put(out, text);
}

/* ---- messages ---- */

enum {
    HEAD_FAIL_FAST = 1,
    HEAD_POLICY = 2, /* a policy follows */
    HEAD_NAME = 4,   /* the queue's name follows: it is not the message's `to` */
    HEAD_NOTICE = 8,
};

static void put_i64(struct buffer *out, int64_t value)
{
    put_u64(buffer_extend(out, 8), (uint64_t)value);
}

static void put_double(struct buffer *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u64(buffer_extend(out, 8), bits);
}

static void put_policy(struct buffer *out, const struct retry_policy *policy)
{
    put_u32(buffer_extend(out, 4), policy->attempts);
    put_i64(out, policy->first_ms);
    put_double(out, policy->factor);
    put_i64(out, policy->step_ms);
    put_i64(out, policy->cap_ms);
    put_double(out, policy->jitter);
    put_i64(out, policy->deadline_ms);
    buffer_extend(out, 1)[0] = (char)policy->delay_count;
    for (uint32_t i = 0; i < policy->delay_count; i++) put_i64(out, policy->delays_ms[i]);
}

void record_message_head(const struct entry *entry, const struct retry_policy *policy,
                         int64_t wall_ms, struct buffer *out)
{
    bool named = !span_equal(message_to(entry->block), entry->queue->name);
    char *at = buffer_extend(out, 10);
    at[0] = (char)entry->queue->kind;
    at[1] = (char)((entry->fail_fast ? HEAD_FAIL_FAST : 0) | (policy ? HEAD_POLICY : 0) |
                   (named ? HEAD_NAME : 0) | (entry->notice ? HEAD_NOTICE : 0));
    put_u64(at + 2, (uint64_t)(entry->first_ms + wall_ms));
    if (policy) put_policy(out, policy);
    if (named) put_text(out, entry->queue->name);
}

/* By the wall clock. */
static int64_t read_moment(struct reader *reader)
{
    int64_t at_ms = (int64_t)read_u64(reader);
    if (at_ms < -MOMENT_MS_MAX || at_ms > MOMENT_MS_MAX) reader->failed = true;
    return at_ms;
}

static int64_t read_duration(struct reader *reader)
{
    int64_t ms = (int64_t)read_u64(reader);
    if (ms < 0) reader->failed = true;
    return ms;
}

static double read_double(struct reader *reader)
{
    uint64_t bits = read_u64(reader);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void read_policy(struct reader *reader, struct retry_policy *policy)
{
    policy->attempts = read_u32(reader);
    policy->first_ms = read_duration(reader);
    policy->factor = read_double(reader);
    policy->step_ms = read_duration(reader);
    policy->cap_ms = read_duration(reader);
    policy->jitter = read_double(reader);
    policy->deadline_ms = read_duration(reader);
    policy->delay_count = read_u8(reader);
    bool fits = policy->attempts > 0 && isfinite(policy->factor) && policy->factor >= 0 &&
                policy->jitter >= 0 && policy->jitter <= 1 && policy->delay_count <= DELAYS_MAX;
    if (!fits) reader->failed = true;
    for (uint32_t i = 0; !reader->failed && i < policy->delay_count; i++)
        policy->delays_ms[i] = read_duration(reader);
}

/* What an outbox has in the store has a number, and a queue a name that is an address. */
static bool record_fits(const struct record_message *record, const struct message *message)
{
    bool numbered = message->profile != AT_MOST_ONCE && message->seq > 0 &&
                    message->seq < INT64_MAX && message->origin.size > STORE_ID_BYTES;
    return record->queue_kind <= QUEUE_OUTBOX && record->name.size > 0 &&
           record->name.size <= ADDRESS_BYTES_MAX &&
           (record->queue_kind == QUEUE_MAILBOX || numbered);
}

enum status record_message_read(struct span value, struct record_message *record)
{
    struct message message;
    struct reader reader = reader_of(value);
    *record = (struct record_message){.queue_kind = read_u8(&reader)};
    uint8_t flags = read_u8(&reader);
    record->fail_fast = flags & HEAD_FAIL_FAST;
    record->has_policy = flags & HEAD_POLICY;
    record->notice = flags & HEAD_NOTICE;
    record->first_wall_ms = read_moment(&reader);
    if (record->has_policy) read_policy(&reader, &record->policy);
    if (flags & HEAD_NAME) record->name = read_span16(&reader);
    record->frame = reader_rest(&reader);
    if (reader.failed || message_decode_kept(record->frame, &message) != STATUS_OK)
        return STATUS_DAMAGED;
    if (!(flags & HEAD_NAME)) record->name = message.to;
    return record_fits(record, &message) ? STATUS_OK : STATUS_DAMAGED;
}

/* ---- facts and notes ---- */

static void put_note(struct buffer *out, const struct failure_note *note, int64_t wall_ms)
{
    char *at = buffer_extend(out, 13);
    put_u32(at, note->attempt);
    put_u64(at + 4, (uint64_t)(note->at_ms + wall_ms));
    at[12] = (char)note->code;
    put_text(out, note->word);
    put_text(out, note->reason);
    put_text(out, note->traceback);
}

static void read_note(struct reader *reader, struct failure_note *note)
{
    *note = (struct failure_note){.attempt = read_u32(reader)};
    note->at_ms = read_moment(reader);
    note->code = read_u8(reader);
    note->word = read_span16(reader);
    note->reason = read_span16(reader);
    note->traceback = read_span16(reader);
}

static void put_notes(struct buffer *out, const struct failure_note *newest, int64_t wall_ms)
{
    if (!newest) return;
    put_notes(out, newest->older, wall_ms); /* FAILURES_KEPT deep at most */
    put_note(out, newest, wall_ms);
}

void record_facts(const struct entry *entry, int64_t now_ms, int64_t wall_ms, struct buffer *out)
{
    bool due = entry->deadline.position != 0;
    int64_t wait_ms = due && entry->deadline.at_ms > now_ms ? entry->deadline.at_ms - now_ms : 0;
    char *at = buffer_extend(out, 29);
    put_u32(at, entry->attempt);
    put_u32(at + 4, entry->spent);
    put_u16(at + 8, entry->transmissions);
    at[10] = (char)entry->state;
    at[11] = (char)entry->unanswered;
    at[12] = (char)entry->last_code;
    put_u64(at + 13, (uint64_t)(due ? wall_moment(entry->deadline.at_ms, wall_ms) : 0));
    put_u64(at + 21, (uint64_t)wait_ms);
    put_notes(out, entry->failures, wall_ms);
}

enum status record_facts_read(struct span value, struct record_facts *record)
{
    struct reader reader = reader_of(value);
    *record = (struct record_facts){.attempt = read_u32(&reader)};
    record->spent = read_u32(&reader);
    record->transmissions = read_u16(&reader);
    record->state = read_u8(&reader);
    record->unanswered = read_u8(&reader);
    record->last_code = read_u8(&reader);
    record->due_wall_ms = read_moment(&reader);
    record->wait_ms = read_duration(&reader);
    record->notes = reader_rest(&reader);
    bool fits = !reader.failed && record->state < ENTRY_STATE_COUNT &&
                record->attempt < INT32_MAX && record->spent < INT32_MAX;
    return fits ? STATUS_OK : STATUS_DAMAGED;
}

bool record_note_next(struct span *notes, struct failure_note *note)
{
    struct reader reader = reader_of(*notes);
    if (notes->size == 0) return false;
    read_note(&reader, note);
    *notes = reader_rest(&reader);
    return !reader.failed;
}

void record_notes(const struct entry *entry, int64_t wall_ms, struct buffer *out)
{
    put_notes(out, entry->failures, wall_ms);
}

void record_dead(const struct entry *entry, int64_t wall_ms, struct buffer *out)
{
    put_note(out, entry->failures, wall_ms);
}

enum status record_dead_read(struct span value, struct failure_note *why)
{
    struct reader reader = reader_of(value);
    read_note(&reader, why);
    return reader.failed ? STATUS_DAMAGED : STATUS_OK;
}

/* ---- lanes ---- */

/* A bit beside the size of the origin. */
enum { LANE_HEAD_BYTES = 18, LANE_ONCE = 0x80 };

void record_lane(const struct lane *lane, struct buffer *out)
{
    char *at = buffer_extend(out, LANE_HEAD_BYTES + 9 * lane->run_count);
    put_u64(at, lane->base);
    put_u64(at + 8, lane->end);
    at[16] = (char)(lane->origin_size | (lane->once ? LANE_ONCE : 0));
    at[17] = (char)lane->destination_size;
    for (size_t i = 0; i < lane->run_count; i++) {
        const struct lane_run *run = &lane->runs[i];
        put_u64(at + LANE_HEAD_BYTES + 9 * i, run->first);
        /* what is accepted is durable with this batch */
        at[LANE_HEAD_BYTES + 8 + 9 * i] =
            (char)(run->level == LANE_ACCEPTED ? LANE_STORED : run->level);
    }
}

static bool read_runs(struct reader *reader, struct lane *lane, uint64_t end)
{
    uint64_t first = lane->base;
    enum lane_level level = LANE_UNKNOWN;
    while (!reader->failed && reader->at < reader->end) {
        uint64_t next = read_u64(reader);
        if (next < first || next >= end) return false;
        if (next > first) lane_fill(lane, first, next, level);
        first = next;
        level = (enum lane_level)read_u8(reader);
        if (level > LANE_PURGED || level == LANE_ACCEPTED) return false;
    }
    if (end > first) lane_fill(lane, first, end, level);
    return !reader->failed;
}

struct lane *record_lane_read(struct span key, struct span value)
{
    struct reader reader = reader_of(value);
    uint64_t base = read_u64(&reader), end = read_u64(&reader);
    uint8_t origin_byte = read_u8(&reader);
    size_t origin_size = origin_byte & (LANE_ONCE - 1), destination_size = read_u8(&reader);
    if (reader.failed || base == 0 || end < base || origin_size > ORIGIN_BYTES_MAX ||
        key.size != 1 + origin_size + 8 + destination_size)
        return NULL;
    const char *origin = key.bytes + 1, *destination = origin + origin_size + 8;
    struct lane *lane = lane_new(span_of(origin, origin_size), get_u64(origin + origin_size),
                                 span_of(destination, destination_size), base);
    lane->once = origin_byte & LANE_ONCE;
    if (read_runs(&reader, lane, end)) return lane;
    lane_free(lane);
    return NULL;
}

/* ---- outboxes ---- */

enum { OUTBOX_OPENED = 1, OUTBOX_ASKED = 2, OUTBOX_LEFT_MORE = 4 };

void record_outbox(const struct queue *outbox, struct buffer *out)
{
    char *at = buffer_extend(out, 18 + 8 * (size_t)outbox->left_count);
    put_u64(at, outbox->lane_epoch);
    put_u64(at + 8, outbox->ceiling);
    at[16] = (char)((outbox->opened ? OUTBOX_OPENED : 0) | (outbox->asked ? OUTBOX_ASKED : 0) |
                    (outbox->left_more ? OUTBOX_LEFT_MORE : 0));
    at[17] = (char)outbox->left_count;
    for (size_t i = 0; i < outbox->left_count; i++) put_u64(at + 18 + 8 * i, outbox->left[i]);
}

enum status record_outbox_read(struct span value, struct record_outbox *record)
{
    struct reader reader = reader_of(value);
    record->lane_epoch = read_u64(&reader);
    record->ceiling = read_u64(&reader);
    uint8_t flags = reader.at < reader.end ? read_u8(&reader) : 0;
    record->opened = flags & OUTBOX_OPENED;
    record->asked = flags & OUTBOX_ASKED;
    record->left_more = flags & OUTBOX_LEFT_MORE;
    record->left_count = reader.at < reader.end ? read_u8(&reader) : 0;
    bool fits = !reader.failed && record->ceiling > 0 && record->ceiling < INT64_MAX &&
                record->left_count <= LANES_LEFT_MAX;
    for (size_t i = 0; fits && i < record->left_count; i++) record->left[i] = read_u64(&reader);
    return fits && !reader.failed ? STATUS_OK : STATUS_DAMAGED;
}

/* ---- what dedup policies remember ---- */

enum { SEEN_FORGOT = 1, SEEN_VERSION = 2 };

void record_seen(const struct seen *seen, struct span mailbox, int64_t wall_ms, struct buffer *out)
{
    uint64_t version;
    memcpy(&version, &seen->version, sizeof version);
    put_i64(out, seen->forget_ms == INT64_MAX ? INT64_MAX : wall_moment(seen->forget_ms, wall_ms));
    char *at = buffer_extend(out, 10);
    at[0] = (char)((seen->forgot ? SEEN_FORGOT : 0) | (seen->has_version ? SEEN_VERSION : 0));
    at[1] = (char)seen->result_encoding;
    put_u64(at + 2, version);
    put_text(out, mailbox);
    put_text(out, seen->key);
}

enum status record_seen_read(struct span value, struct record_seen *record)
{
    struct reader reader = reader_of(value);
    record->forget_wall_ms = (int64_t)read_u64(&reader);
    uint8_t flags = read_u8(&reader);
    record->forgot = flags & SEEN_FORGOT;
    record->has_version = flags & SEEN_VERSION;
    record->result_encoding = read_u8(&reader);
    uint64_t version = read_u64(&reader);
    memcpy(&record->version, &version, sizeof version);
    record->mailbox = read_span16(&reader);
    record->key = read_span16(&reader);
    record->result = reader_rest(&reader);
    bool fits = record->mailbox.size > 0 && record->mailbox.size <= ADDRESS_BYTES_MAX &&
                record->result_encoding <= ENCODING_JSON;
    return reader.failed || !fits ? STATUS_DAMAGED : STATUS_OK;
}

/* ---- state ---- */

void record_state_head(const struct record_state *state, struct buffer *out)
{
    put_u64(buffer_extend(out, 8), state->version);
    put_u32(buffer_extend(out, 4), state->writer);
    put_i64(out, state->expires_wall_ms);
}

enum status record_state_read(struct span value, struct record_state *state)
{
    struct reader reader = reader_of(value);
    state->version = read_u64(&reader);
    state->writer = read_u32(&reader);
    state->expires_wall_ms = (int64_t)read_u64(&reader);
    state->value = reader_rest(&reader);
    return reader.failed ? STATUS_DAMAGED : STATUS_OK;
}

/* ---- held mailboxes ---- */

/* A paused one has no more than the moment. */
void record_hold(const struct queue *mailbox, int64_t wall_ms, struct buffer *out)
{
    put_i64(out, mailbox->held_ms + wall_ms);
    if (mailbox->hold != HOLD_PAUSED) buffer_extend(out, 1)[0] = (char)mailbox->hold;
}

enum status record_hold_read(struct span value, enum hold *hold, int64_t *since_wall_ms)
{
    struct reader reader = reader_of(value);
    *since_wall_ms = read_moment(&reader);
    *hold = reader.at < reader.end ? (enum hold)read_u8(&reader) : HOLD_PAUSED;
    return reader.failed || *hold > HOLD_DRAINING ? STATUS_DAMAGED : STATUS_OK;
}
