/* Frames as a peer may send them: whatever the bytes, each frame is read or refused, and one that
 * is read says the same when it is written and read again. */
#include "core/frame.h"

#include "tape.h"

enum { FRAME_MAX = 1 << 20 };

static struct block *written(const struct frame *frame)
{
    struct buffer out = {0};
    switch (frame->type) {
    case FRAME_HELLO:
    case FRAME_WELCOME: frame_write_hello(&out, frame->type, &frame->hello); break;
    case FRAME_ATTACH:
    case FRAME_DETACH: frame_write_attach(&out, frame->type, &frame->attach); break;
    case FRAME_RECEIPT: frame_write_receipt(&out, &frame->receipt); break;
    case FRAME_CREDIT:
    case FRAME_PING:
    case FRAME_PONG: frame_write_number(&out, frame->type, frame->number); break;
    case FRAME_BYE: frame_write_bye(&out, &frame->bye); break;
    case FRAME_DATA: message_write(&frame->message, &out); break;
    case FRAME_PART: frame_write_part(&out, &frame->part); break;
    case FRAME_CANCEL: frame_write_cancel(&out, &frame->part); break;
    case FRAME_PROGRESS: ensure(frame->type <= FRAME_PART); /* is not read */
    }
    return buffer_take(&out);
}

static void read_headers(struct span headers)
{
    struct span name, value;
    size_t size = 0;
    while (headers_next(&headers, &name, &value)) size += name.size + value.size;
    ensure(headers.size == 0 && size <= HEADERS_WIRE_MAX);
}

static void read_again(const struct frame *frame)
{
    struct frame same;
    struct block *once = written(frame);
    ensure(frame_decode(block_span(once), &same) == STATUS_OK && same.type == frame->type);
    struct block *twice = written(&same);
    ensure(span_equal(block_span(once), block_span(twice)));
    block_release(once);
    block_release(twice);
}

/* An owner keeps the message as it came, and sends it on with other times. */
static void keep(struct span bytes)
{
    struct block *block = block_copy(bytes);
    struct message message = message_of(block), kept;
    struct transmission ask = {.flags = MESSAGE_ASK, .number = 2, .base = message.base};
    struct buffer out = {0};
    ensure(message_decode_kept(bytes, &kept) == STATUS_OK);
    ensure(span_equal(message_id(block), message.id) && span_equal(message_to(block), message.to));
    ensure(span_equal(message_key(block), message.key));
    message_transmit(block, &ask, &out);
    ensure(message_decode_kept(buffer_span(&out), &kept) == STATUS_OK && kept.body.size == 0);
    buffer_deinit(&out);
    block_release(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct span rest = span_of((const char *)bytes, size), whole;
    while (frame_split(rest, FRAME_MAX, &whole) == STATUS_OK) {
        struct frame frame;
        if (frame_decode(whole, &frame) == STATUS_OK) {
            if (frame.type == FRAME_DATA) {
                read_headers(frame.message.headers);
                keep(whole);
            }
            read_again(&frame);
        }
        rest = span_of(rest.bytes + whole.size, rest.size - whole.size);
    }
    return 0;
}
