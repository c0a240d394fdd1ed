/* Reading big-endian numbers and counted strings: a cursor that fails once and stays failed, so
 * that only the end needs a look. What it reads then is zero and empty. */
#ifndef MOONPOST_READER_H
#define MOONPOST_READER_H

#include "core/buffer.h"

struct reader {
    const char *at, *end;
    bool failed;
};

static inline const char *read_bytes(struct reader *reader, size_t size)
{
    static const char zeros[8];
    if (reader->failed || (size_t)(reader->end - reader->at) < size) {
        reader->failed = true;
        return zeros;
    }
    const char *at = reader->at;
    reader->at += size;
    return at;
}

static inline uint8_t read_u8(struct reader *reader)
{
    return get_u8(read_bytes(reader, 1));
}

static inline uint16_t read_u16(struct reader *reader)
{
    return get_u16(read_bytes(reader, 2));
}

static inline uint32_t read_u32(struct reader *reader)
{
    return get_u32(read_bytes(reader, 4));
}

static inline uint64_t read_u64(struct reader *reader)
{
    return get_u64(read_bytes(reader, 8));
}

static inline struct span read_span(struct reader *reader, size_t size)
{
    const char *at = read_bytes(reader, size);
    return reader->failed ? span_of(NULL, 0) : span_of(at, size);
}

static inline struct span read_span8(struct reader *reader)
{
    return read_span(reader, read_u8(reader));
}

static inline struct span read_span16(struct reader *reader)
{
    return read_span(reader, read_u16(reader));
}

static inline struct reader reader_of(struct span bytes)
{
    return (struct reader){bytes.bytes, bytes.bytes + bytes.size, false};
}

/* What has not been read yet; empty after a failure. */
static inline struct span reader_rest(const struct reader *reader)
{
    return reader->failed ? span_of(NULL, 0)
                          : span_of(reader->at, (size_t)(reader->end - reader->at));
}

#endif
