/* Notices: see notice.h.
 *
 * A body is when the letter was accepted, when it is worthless, its attempts, why it died and its
 * notes as records have them, each with its size, and then the data frame of the message. */
#include "core/notice.h"

#include <stdio.h>
#include "core/parts.h"
#include "core/reader.h"

/* ---- written ---- */

static void put_moment(struct engine *engine, int64_t at_ms, struct buffer *out)
{
    put_u64(buffer_extend(out, 8),
            (uint64_t)(at_ms == INT64_MAX ? INT64_MAX : wall_moment(at_ms, engine->wall_ms)));
}

static void put_sized(struct engine *engine, const struct entry *letter,
                      void (*write)(const struct entry *, int64_t, struct buffer *),
                      struct buffer *out)
{
    size_t at = out->used;
    buffer_extend(out, 4);
    write(letter, engine->wall_ms, out);
    put_u32(out->block->bytes + at, (uint32_t)(out->used - at - 4));
}

static void write_body(struct engine *engine, const struct entry *letter, struct buffer *out)
{
    put_moment(engine, letter->first_ms, out);
    put_moment(engine, letter->expires_ms, out);
    put_u32(buffer_extend(out, 4), letter->attempt);
    put_sized(engine, letter, record_dead, out);
    put_sized(engine, letter, record_notes, out);
    buffer_put(out, block_span(letter->block));
}

/* Another one for each time that it dies. */
static struct span id_of(struct engine *engine, const struct entry *letter)
{
    struct span id = message_id(letter->block);
    unsigned requeues = message_requeues(letter->block);
    char mark[48], end[24] = "/dead";
    if (requeues > 0) snprintf(end, sizeof end, "/dead-%u", requeues + 1);
    if (id.size + strlen(end) <= ID_BYTES_MAX)
        return engine_format(engine, "%.*s%s", SPAN_ARGS(id), end);
    int size = snprintf(mark, sizeof mark, "~%llu%s", (unsigned long long)letter->sequence, end);
    id.size = ID_BYTES_MAX - (size_t)size;
    return engine_format(engine, "%.*s%s", SPAN_ARGS(id), mark);
}

static struct block *compose(struct engine *engine, const struct entry *letter, struct span key,
                             struct span body)
{
    struct message message = {
        .id = id_of(engine, letter),
        .origin = engine->origin,
        .to = letter->queue->name,
        .from = letter->queue->name,
        .method = span_text("on.dead"),
        .key = key,
        .body = body,
        .profile = AT_LEAST_ONCE,
        .transmission = 1,
        .remaining_ms = REMAINING_FOREVER,
        .sent_at_ms = (uint64_t)(engine->now_ms + engine->wall_ms),
    };
    return message_encode(&message);
}

void notice_post(struct engine *engine, const struct entry *letter, struct span key)
{
    struct queue *mailbox = letter->queue;
    struct buffer body = {0};
    write_body(engine, letter, &body);
    struct entry *notice = engine_entry(engine, compose(engine, letter, key, buffer_span(&body)));
    buffer_deinit(&body);
    notice->notice = true;
    notice->profile = AT_LEAST_ONCE;
    notice->give_up_ms = INT64_MAX;
    notice->transmission = 1;
    owner_place(engine, mailbox, notice);
}

void notice_drop(struct engine *engine, struct entry *notice, uint8_t code, struct span word,
                 struct span reason)
{
    struct fact *fact = engine_fact(engine, FACT_DROPPED, notice);
    if (fact) {
        fact->code = code;
        fact->word = arena_copy(&engine->effects->arena, word);
        fact->reason = engine_format(engine, "on.dead failed for good after %u attempt%s: %.*s",
                                     (unsigned)notice->attempt, notice->attempt == 1 ? "" : "s",
                                     SPAN_ARGS(reason));
    }
    engine_delete(engine, notice);
    engine_drop(engine, notice);
}

/* ---- read ---- */

static struct span read_sized(struct reader *reader)
{
    return read_span(reader, read_u32(reader));
}

static void read_failures(struct span notes, struct arena *arena, struct dead_letter *letter)
{
    struct dead_failure *failures = arena_take(arena, FAILURES_KEPT * sizeof *failures);
    struct failure_note note;
    size_t count = 0;
    while (count < FAILURES_KEPT && record_note_next(&notes, &note)) {
        if (note.attempt == 0) continue; /* why it died, which is no attempt */
        failures[count++] = (struct dead_failure){note.attempt, note.at_ms,  note.code,
                                                  note.word,    note.reason, note.traceback};
    }
    letter->failures = failures;
    letter->failure_count = count;
}

enum status notice_read(struct span body, struct arena *arena, struct dead_letter *letter)
{
    struct reader reader = reader_of(body);
    struct message message;
    struct failure_note why;
    *letter = (struct dead_letter){.first_ms = (int64_t)read_u64(&reader)};
    letter->expires_ms = (int64_t)read_u64(&reader);
    letter->attempts = read_u32(&reader);
    struct span dead = read_sized(&reader), notes = read_sized(&reader);
    struct span frame = reader_rest(&reader);
    if (reader.failed || record_dead_read(dead, &why) != STATUS_OK ||
        message_decode_kept(frame, &message) != STATUS_OK)
        return STATUS_DAMAGED;
    letter->code = why.code;
    letter->word = why.word;
    letter->reason = why.reason;
    letter->last_ms = why.at_ms;
    letter->block = block_copy(frame);
    read_failures(notes, arena, letter);
    return STATUS_OK;
}
