/* Messages as data frames. The layout is told in PROTOCOL.md, "data". */
#include "core/message.h"

#include "core/ensure.h"
#include "core/frame.h"

enum data_layout {
    DATA_FLAGS = 5,
    DATA_PROFILE = 6,
    DATA_LEVEL = 7,
    DATA_ENCODING = 8,
    DATA_HOPS = 9,
    DATA_TRANSMISSION = 10,
    DATA_REQUEUES = 12,
    DATA_LANE_EPOCH = 16,
    DATA_SEQ = 24,
    DATA_BASE = 32,
    DATA_AFTER = 40,
    DATA_DUE = 48,
    DATA_REMAINING = 56,
    DATA_SENT_AT = 64,
    DATA_SIZES = 72, /* id, origin, to, from, reply_to, key, method, topic: a byte each */
    DATA_HEADERS_SIZE = 80,
    DATA_BODY_SIZE = 84,
    DATA_FIXED = 88,
    DATA_NAMES = 8,
};

/* The short strings in wire order. */
static void message_names(const struct message *m, struct span names[DATA_NAMES])
{
    names[0] = m->id;
    names[1] = m->origin;
    names[2] = m->to;
    names[3] = m->from;
    names[4] = m->reply_to;
    names[5] = m->key;
    names[6] = m->method;
    names[7] = m->topic;
}

static size_t message_size(const struct message *m, const struct span names[DATA_NAMES])
{
    size_t size = DATA_FIXED + m->headers.size + m->body.size;
    for (int i = 0; i < DATA_NAMES; i++) size += names[i].size;
    return size;
}

static void message_put_fixed(const struct message *m, char *at)
{
    at[4] = FRAME_DATA;
    at[DATA_FLAGS] = (char)m->flags;
    at[DATA_PROFILE] = (char)m->profile;
    at[DATA_LEVEL] = (char)m->level;
    at[DATA_ENCODING] = (char)m->encoding;
    at[DATA_HOPS] = (char)m->hops;
    put_u16(at + DATA_TRANSMISSION, m->transmission);
    put_u16(at + DATA_REQUEUES, m->requeues);
    put_u16(at + DATA_REQUEUES + 2, 0);
    put_u64(at + DATA_LANE_EPOCH, m->lane_epoch);
    put_u64(at + DATA_SEQ, m->seq);
    put_u64(at + DATA_BASE, m->base);
    put_u64(at + DATA_AFTER, m->after);
    put_u64(at + DATA_DUE, m->due_ms);
    put_u64(at + DATA_REMAINING, m->remaining_ms);
    put_u64(at + DATA_SENT_AT, m->sent_at_ms);
    put_u32(at + DATA_HEADERS_SIZE, (uint32_t)m->headers.size);
    put_u32(at + DATA_BODY_SIZE, (uint32_t)m->body.size);
}

static char *put_span(char *at, struct span span)
{
    if (span.size > 0) memcpy(at, span.bytes, span.size);
    return at + span.size;
}

static void message_put(const struct message *m, const struct span names[DATA_NAMES], char *at,
                        size_t size)
{
    put_u32(at, (uint32_t)(size - FRAME_LENGTH_BYTES));
    message_put_fixed(m, at);
    char *to = at + DATA_FIXED;
    for (int i = 0; i < DATA_NAMES; i++) {
        ensure(names[i].size <= UINT8_MAX);
        at[DATA_SIZES + i] = (char)names[i].size;
        to = put_span(to, names[i]);
    }
    to = put_span(to, m->headers);
    to = put_span(to, m->body);
    ensure(to == at + size);
}

struct block *message_encode(const struct message *message)
{
    struct span names[DATA_NAMES];
    message_names(message, names);
    size_t size = message_size(message, names);
    struct block *block = block_new(size);
    message_put(message, names, block->bytes, size);
    return block;
}

void message_write(const struct message *message, struct buffer *out)
{
    struct span names[DATA_NAMES];
    message_names(message, names);
    size_t size = message_size(message, names);
    message_put(message, names, buffer_extend(out, size), size);
}

/* A stored message has a number in a lane of somebody's store, an at-most-once one has none. */
static bool numbers_fit(const struct message *m)
{
    if (m->profile == AT_MOST_ONCE) return m->seq == 0;
    return m->base > 0 && m->base <= m->seq && m->origin.size > STORE_ID_BYTES;
}

static bool message_fits(const struct message *m)
{
    return m->profile <= EXACTLY_ONCE && m->level <= LEVEL_HANDLED &&
           m->encoding <= ENCODING_JSON && m->id.size > 0 && m->id.size <= ID_BYTES_MAX &&
           m->origin.size <= ORIGIN_BYTES_MAX && m->to.size > 0 &&
           m->method.size <= METHOD_BYTES_MAX && m->headers.size <= HEADERS_WIRE_MAX &&
           m->transmission > 0 && m->seq < UINT64_MAX && /* there is always a next number */
           (m->flags <= MESSAGE_FAREWELL ||
            (m->flags == MESSAGE_OPEN && m->profile == EXACTLY_ONCE));
}

static struct message message_fixed(const char *at)
{
    return (struct message){
        .flags = get_u8(at + DATA_FLAGS),
        .profile = get_u8(at + DATA_PROFILE),
        .level = get_u8(at + DATA_LEVEL),
        .encoding = get_u8(at + DATA_ENCODING),
        .hops = get_u8(at + DATA_HOPS),
        .transmission = get_u16(at + DATA_TRANSMISSION),
        .requeues = get_u16(at + DATA_REQUEUES),
        .lane_epoch = get_u64(at + DATA_LANE_EPOCH),
        .seq = get_u64(at + DATA_SEQ),
        .base = get_u64(at + DATA_BASE),
        .after = get_u64(at + DATA_AFTER),
        .due_ms = get_u64(at + DATA_DUE),
        .remaining_ms = get_u64(at + DATA_REMAINING),
        .sent_at_ms = get_u64(at + DATA_SENT_AT),
    };
}

static inline struct span take_span(const char **from, size_t size)
{
    struct span span = span_of(*from, size);
    *from += size;
    return span;
}

/* The strings behind the fixed part; the caller has checked that they are there. */
static void message_strings(const char *at, struct message *m)
{
    const char *from = at + DATA_FIXED;
    m->id = take_span(&from, get_u8(at + DATA_SIZES));
    m->origin = take_span(&from, get_u8(at + DATA_SIZES + 1));
    m->to = take_span(&from, get_u8(at + DATA_SIZES + 2));
    m->from = take_span(&from, get_u8(at + DATA_SIZES + 3));
    m->reply_to = take_span(&from, get_u8(at + DATA_SIZES + 4));
    m->key = take_span(&from, get_u8(at + DATA_SIZES + 5));
    m->method = take_span(&from, get_u8(at + DATA_SIZES + 6));
    m->topic = take_span(&from, get_u8(at + DATA_SIZES + 7));
    m->headers = take_span(&from, get_u32(at + DATA_HEADERS_SIZE));
    m->body = take_span(&from, get_u32(at + DATA_BODY_SIZE));
}

/* The short string at this place in wire order. */
static struct span message_name(const struct block *block, int place)
{
    const char *from = block->bytes + DATA_FIXED;
    for (int i = 0; i < place; i++) from += get_u8(block->bytes + DATA_SIZES + i);
    return span_of(from, get_u8(block->bytes + DATA_SIZES + place));
}

struct span message_id(const struct block *block)
{
    return message_name(block, 0);
}

struct span message_to(const struct block *block)
{
    return message_name(block, 2);
}

struct span message_key(const struct block *block)
{
    return message_name(block, 5);
}

struct span message_method(const struct block *block)
{
    return message_name(block, 6);
}

uint64_t message_lane_epoch(const struct block *block)
{
    return get_u64(block->bytes + DATA_LANE_EPOCH);
}

uint64_t message_due_ms(const struct block *block)
{
    return get_u64(block->bytes + DATA_DUE);
}

uint16_t message_requeues(const struct block *block)
{
    return get_u16(block->bytes + DATA_REQUEUES);
}

static bool message_adds_up(struct span frame)
{
    if (frame.size < DATA_FIXED) return false;
    uint64_t size = DATA_FIXED;
    for (int i = 0; i < DATA_NAMES; i++) size += get_u8(frame.bytes + DATA_SIZES + i);
    size += get_u32(frame.bytes + DATA_HEADERS_SIZE);
    size += get_u32(frame.bytes + DATA_BODY_SIZE);
    return size == frame.size;
}

static bool headers_valid(struct span headers)
{
    struct span name, value;
    while (headers_next(&headers, &name, &value)) continue;
    return headers.size == 0;
}

enum status message_decode_kept(struct span frame, struct message *message)
{
    if (!message_adds_up(frame)) return STATUS_BAD_FRAME;
    struct message m = message_fixed(frame.bytes);
    message_strings(frame.bytes, &m);
    if (!message_fits(&m) || !headers_valid(m.headers)) return STATUS_BAD_FRAME;
    *message = m;
    return STATUS_OK;
}

enum status message_decode(struct span frame, struct message *message)
{
    struct message m;
    if (message_decode_kept(frame, &m) != STATUS_OK || !numbers_fit(&m)) return STATUS_BAD_FRAME;
    m.frame = frame;
    *message = m;
    return STATUS_OK;
}

struct message message_of(const struct block *block)
{
    struct message m = message_fixed(block->bytes);
    message_strings(block->bytes, &m);
    return m;
}

static size_t message_body_and_headers(const struct block *block)
{
    return (size_t)get_u32(block->bytes + DATA_HEADERS_SIZE) +
           get_u32(block->bytes + DATA_BODY_SIZE);
}

void message_transmit(const struct block *block, const struct transmission *transmission,
                      struct buffer *out)
{
    bool ask = transmission->flags != 0;
    size_t size = block->size - (ask ? message_body_and_headers(block) : 0);
    char *at = buffer_extend(out, size);
    memcpy(at, block->bytes, size);
    if (ask) put_u64(at + DATA_HEADERS_SIZE, 0);
    put_u32(at, (uint32_t)(size - FRAME_LENGTH_BYTES));
    at[DATA_FLAGS] = (char)transmission->flags;
    at[DATA_HOPS] = (char)transmission->hops;
    put_u16(at + DATA_TRANSMISSION, transmission->number);
    put_u64(at + DATA_BASE, transmission->base);
    put_u64(at + DATA_AFTER, transmission->after);
    put_u64(at + DATA_DUE, transmission->due_ms);
    put_u64(at + DATA_REMAINING, transmission->remaining_ms);
}

/* A header on the wire: u8 size of the name, u16 size of the value, name, value. */
enum { HEADER_FIXED = 3 };

bool headers_next(struct span *rest, struct span *name, struct span *value)
{
    if (rest->size < HEADER_FIXED) return false;
    size_t name_size = get_u8(rest->bytes), value_size = get_u16(rest->bytes + 1);
    size_t size = HEADER_FIXED + name_size + value_size;
    if (size > rest->size) return false;
    *name = span_of(rest->bytes + HEADER_FIXED, name_size);
    *value = span_of(name->bytes + name_size, value_size);
    *rest = span_of(rest->bytes + size, rest->size - size);
    return true;
}

void headers_put(struct buffer *out, struct span name, struct span value)
{
    ensure(name.size <= UINT8_MAX && value.size <= UINT16_MAX);
    char *at = buffer_extend(out, HEADER_FIXED + name.size + value.size);
    at[0] = (char)name.size;
    put_u16(at + 1, (uint16_t)value.size);
    put_span(put_span(at + HEADER_FIXED, name), value);
}
