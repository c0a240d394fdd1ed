/* Frames: bytes to structs and back. Layouts are told in PROTOCOL.md. */
#include "core/frame.h"

#include "core/ensure.h"
#include "core/reader.h"

enum { TYPE_AT = 4, FRAME_BODY = 5 };

const char *frame_type_name(unsigned type)
{
    switch (type) {
#define X(name, number, text)                                                                      \
    case number: return text;
        FRAME_MAP(X)
#undef X
    }
    return "unknown";
}

enum status frame_split(struct span bytes, size_t size_max, struct span *frame)
{
    if (bytes.size < FRAME_LENGTH_BYTES) return STATUS_MORE;
    size_t length = get_u32(bytes.bytes);
    if (length == 0) return STATUS_BAD_FRAME;
    if (length > size_max) return STATUS_TOO_LARGE;
    if (bytes.size - FRAME_LENGTH_BYTES < length) return STATUS_MORE;
    *frame = span_of(bytes.bytes, FRAME_LENGTH_BYTES + length);
    return STATUS_OK;
}

/* ---- reading ---- */

static void read_hello(struct reader *reader, struct hello *hello)
{
    hello->version = read_u16(reader);
    hello->role = read_u8(reader);
    hello->features = read_u64(reader);
    hello->epoch = read_u64(reader);
    hello->credit = read_u64(reader);
    hello->heartbeat_ms = read_u32(reader);
    hello->name = read_span8(reader);
    hello->store_id = read_span8(reader);
    if (hello->name.size == 0 || hello->store_id.size != STORE_ID_BYTES) reader->failed = true;
}

static void read_attach(struct reader *reader, struct attach *attach)
{
    attach->flags = read_u8(reader);
    attach->code = read_u8(reader);
    attach->address = read_span8(reader);
    attach->reason = read_span16(reader);
    if (attach->address.size == 0) reader->failed = true;
}

static void read_receipt(struct reader *reader, struct receipt *receipt)
{
    receipt->flags = read_u8(reader);
    receipt->code = read_u8(reader);
    receipt->level = read_u8(reader);
    receipt->result_encoding = read_u8(reader);
    receipt->transmission = read_u16(reader);
    receipt->facts = read_u32(reader);
    receipt->lane_epoch = read_u64(reader);
    receipt->first = read_u64(reader);
    receipt->last = read_u64(reader);
    receipt->retry_after_ms = read_u64(reader);
    receipt->origin = read_span8(reader);
    receipt->destination = read_span8(reader);
    receipt->ref = read_span8(reader);
    receipt->owner = read_span8(reader);
    receipt->word = read_span8(reader);
    receipt->reason = read_span16(reader);
    receipt->result = read_span(reader, read_u32(reader));
    /* Some loops are as long as the range. */
    bool too_long = receipt->last - receipt->first >= RECEIPT_RANGE_MAX;
    if (receipt->first > receipt->last || too_long || receipt->level > LEVEL_UNKNOWN ||
        receipt->result_encoding > ENCODING_JSON)
        reader->failed = true;
}

static void read_bye(struct reader *reader, struct bye *bye)
{
    bye->code = read_u8(reader);
    bye->reason = read_span16(reader);
}

static void read_cancel(struct reader *reader, struct part *part)
{
    part->lane_epoch = read_u64(reader);
    part->number = read_u64(reader);
    part->origin = read_span8(reader);
    part->destination = read_span8(reader);
}

static void read_part(struct reader *reader, struct part *part)
{
    part->encoding = read_u8(reader);
    part->left_out = read_u32(reader);
    read_cancel(reader, part);
    part->body = read_span(reader, read_u32(reader));
    if (part->encoding > ENCODING_JSON) reader->failed = true;
}

static enum status frame_read(struct reader *reader, struct frame *frame)
{
    switch (frame->type) {
    case FRAME_HELLO:
    case FRAME_WELCOME: read_hello(reader, &frame->hello); return STATUS_OK;
    case FRAME_ATTACH:
    case FRAME_DETACH: read_attach(reader, &frame->attach); return STATUS_OK;
    case FRAME_RECEIPT: read_receipt(reader, &frame->receipt); return STATUS_OK;
    case FRAME_CREDIT:
    case FRAME_PING:
    case FRAME_PONG: frame->number = read_u64(reader); return STATUS_OK;
    case FRAME_BYE: read_bye(reader, &frame->bye); return STATUS_OK;
    case FRAME_PART: read_part(reader, &frame->part); return STATUS_OK;
    case FRAME_CANCEL:
        frame->part = (struct part){.encoding = ENCODING_RAW};
        read_cancel(reader, &frame->part);
        return STATUS_OK;
    case FRAME_DATA:
    case FRAME_PROGRESS: break;
    }
    return STATUS_UNKNOWN_TYPE;
}

enum status frame_decode(struct span bytes, struct frame *frame)
{
    ensure(bytes.size > TYPE_AT);
    frame->type = get_u8(bytes.bytes + TYPE_AT);
    if (frame->type == FRAME_DATA) return message_decode(bytes, &frame->message);

    struct reader reader = {bytes.bytes + FRAME_BODY, bytes.bytes + bytes.size, false};
    enum status status = frame_read(&reader, frame);
    if (status != STATUS_OK) return status;
    return reader.failed || reader.at != reader.end ? STATUS_BAD_FRAME : STATUS_OK;
}

/* ---- writing ---- */

static void write_u8(struct buffer *out, unsigned value)
{
    *buffer_extend(out, 1) = (char)value;
}

static void write_u16(struct buffer *out, uint16_t value)
{
    put_u16(buffer_extend(out, 2), value);
}

static void write_u32(struct buffer *out, uint32_t value)
{
    put_u32(buffer_extend(out, 4), value);
}

static void write_u64(struct buffer *out, uint64_t value)
{
    put_u64(buffer_extend(out, 8), value);
}

static void write_span8(struct buffer *out, struct span span)
{
    ensure(span.size <= UINT8_MAX);
    write_u8(out, (unsigned)span.size);
    buffer_put(out, span);
}

static void write_span16(struct buffer *out, struct span span)
{
    ensure(span.size <= UINT16_MAX);
    write_u16(out, (uint16_t)span.size);
    buffer_put(out, span);
}

/* Opens a frame; answers where it begins, for frame_end. */
static size_t frame_begin(struct buffer *out, enum frame_type type)
{
    size_t start = out->used;
    write_u32(out, 0);
    write_u8(out, type);
    return start;
}

static void frame_end(struct buffer *out, size_t start)
{
    put_u32(out->block->bytes + start, (uint32_t)(out->used - start - FRAME_LENGTH_BYTES));
}

void frame_write_hello(struct buffer *out, enum frame_type type, const struct hello *hello)
{
    size_t start = frame_begin(out, type);
    write_u16(out, hello->version);
    write_u8(out, hello->role);
    write_u64(out, hello->features);
    write_u64(out, hello->epoch);
    write_u64(out, hello->credit);
    write_u32(out, hello->heartbeat_ms);
    write_span8(out, hello->name);
    write_span8(out, hello->store_id);
    frame_end(out, start);
}

void frame_write_attach(struct buffer *out, enum frame_type type, const struct attach *attach)
{
    size_t start = frame_begin(out, type);
    write_u8(out, attach->flags);
    write_u8(out, attach->code);
    write_span8(out, attach->address);
    write_span16(out, attach->reason);
    frame_end(out, start);
}

void frame_write_receipt(struct buffer *out, const struct receipt *receipt)
{
    size_t start = frame_begin(out, FRAME_RECEIPT);
    write_u8(out, receipt->flags);
    write_u8(out, receipt->code);
    write_u8(out, receipt->level);
    write_u8(out, receipt->result_encoding);
    write_u16(out, receipt->transmission);
    write_u32(out, receipt->facts);
    write_u64(out, receipt->lane_epoch);
    write_u64(out, receipt->first);
    write_u64(out, receipt->last);
    write_u64(out, receipt->retry_after_ms);
    write_span8(out, receipt->origin);
    write_span8(out, receipt->destination);
    write_span8(out, receipt->ref);
    write_span8(out, receipt->owner);
    write_span8(out, receipt->word);
    write_span16(out, receipt->reason);
    write_u32(out, (uint32_t)receipt->result.size);
    buffer_put(out, receipt->result);
    frame_end(out, start);
}

static void write_stream(struct buffer *out, const struct part *part)
{
    write_u64(out, part->lane_epoch);
    write_u64(out, part->number);
    write_span8(out, part->origin);
    write_span8(out, part->destination);
}

void frame_write_part(struct buffer *out, const struct part *part)
{
    size_t start = frame_begin(out, FRAME_PART);
    write_u8(out, part->encoding);
    write_u32(out, part->left_out);
    write_stream(out, part);
    write_u32(out, (uint32_t)part->body.size);
    buffer_put(out, part->body);
    frame_end(out, start);
}

void frame_write_cancel(struct buffer *out, const struct part *part)
{
    size_t start = frame_begin(out, FRAME_CANCEL);
    write_stream(out, part);
    frame_end(out, start);
}

void frame_write_number(struct buffer *out, enum frame_type type, uint64_t number)
{
    size_t start = frame_begin(out, type);
    write_u64(out, number);
    frame_end(out, start);
}

void frame_write_bye(struct buffer *out, const struct bye *bye)
{
    size_t start = frame_begin(out, FRAME_BYE);
    write_u8(out, bye->code);
    write_span16(out, bye->reason);
    frame_end(out, start);
}
