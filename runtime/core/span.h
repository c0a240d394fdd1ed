/* Bytes with a length. A span is always borrowed: whoever made it says how long it lives. */
#ifndef MOONPOST_SPAN_H
#define MOONPOST_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *bytes;
    size_t size;
};

static inline struct span span_of(const char *bytes, size_t size)
{
    return (struct span){bytes, size};
}

/* The characters of a C string, without its final zero. NULL is the empty span. */
static inline struct span span_text(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

/* For printf("%.*s"): SPAN_ARGS(span). */
#define SPAN_ARGS(s) (int)(s).size, (s).bytes ? (s).bytes : ""

#endif
