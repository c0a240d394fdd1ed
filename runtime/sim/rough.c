/* A rough route: data and receipts on it get lost, come twice, or late and behind others. What
 * holds a link together (hello, credits, pings) is left alone: these are faults above the session.
 */
#include "core/buffer.h"
#include "core/frame.h"
#include "sim/parts.h"

enum { LATE_MS_MAX = 3000 };

static bool draw(struct world *world, double rate)
{
    return rate > 0 && (double)(world_random(world) >> 11) * 0x1p-53 < rate;
}

static bool may_suffer(struct span frame)
{
    uint8_t type = get_u8(frame.bytes + FRAME_LENGTH_BYTES);
    return type == FRAME_DATA || type == FRAME_RECEIPT;
}

/* Of what has no number nobody could tell a copy; links make none. */
static bool has_number(struct span whole)
{
    struct frame frame;
    if (frame_decode(whole, &frame) != STATUS_OK) return false;
    return frame.type != FRAME_DATA || frame.message.seq > 0;
}

static void send_late(struct world *world, struct pipe *pipe, int end, struct span frame)
{
    int64_t delay_ms = 1 + (int64_t)(world_random(world) % LATE_MS_MAX);
    struct happening *late = happen(world, HAPPEN_BYTES, delay_ms);
    late->pipe = pipe;
    late->end = end;
    late->block = block_copy(frame);
    late->told = true;
}

static void pass_on(struct world *world, const struct roughness *rough, struct pipe *pipe, int end,
                    struct span frame, struct buffer *out)
{
    if (!may_suffer(frame)) {
        buffer_put(out, frame);
        return;
    }
    if (draw(world, rough->lose)) return;
    if (draw(world, rough->reorder))
        send_late(world, pipe, end, frame);
    else
        buffer_put(out, frame);
    if (draw(world, rough->duplicate) && has_number(frame)) send_late(world, pipe, end, frame);
}

struct block *rough_pass(struct world *world, struct pipe *pipe, int end, struct block *block)
{
    const struct roughness *rough = &route_between(world, pipe->ends[0], pipe->ends[1])->rough;
    struct buffer out = {.used = 0};
    struct span rest = block_span(block), frame;
    while (frame_split(rest, SIZE_MAX, &frame) == STATUS_OK) {
        pass_on(world, rough, pipe, end, frame, &out);
        rest = span_of(rest.bytes + frame.size, rest.size - frame.size);
    }
    buffer_put(&out, rest);
    block_release(block);
    return buffer_take(&out);
}
