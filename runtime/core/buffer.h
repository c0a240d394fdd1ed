/* Bytes that grow at their end. Numbers are written big-endian. */
#ifndef MOONPOST_BUFFER_H
#define MOONPOST_BUFFER_H

#include "core/block.h"

struct buffer {
    struct block *block; /* owned; its size is the capacity */
    size_t used;
};

static inline struct span buffer_span(const struct buffer *buffer)
{
    return span_of(buffer->block ? buffer->block->bytes : NULL, buffer->used);
}

/* Room for `size` more bytes, counted as used; valid until the next call. */
char *buffer_extend(struct buffer *buffer, size_t size);
void buffer_put(struct buffer *buffer, struct span bytes);

/* Take what was written; the buffer is empty afterwards. The block is given, its size is set to
 * what was used. NULL when nothing was written. */
struct block *buffer_take(struct buffer *buffer);
void buffer_deinit(struct buffer *buffer);

static inline void put_u16(char *at, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(at, &value, sizeof value);
}

static inline void put_u32(char *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof value);
}

static inline void put_u64(char *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(at, &value, sizeof value);
}

static inline uint8_t get_u8(const char *at)
{
    return (uint8_t)*at;
}

static inline uint16_t get_u16(const char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap16(value);
}

static inline uint32_t get_u32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t get_u64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap64(value);
}

#endif
