/* One segment after the other. */
#include "node/pattern.h"

static size_t segment_of(struct span text)
{
    size_t size = 0;
    while (size < text.size && text.bytes[size] != '.' && text.bytes[size] != '@') size++;
    return size;
}

static bool is_segment(struct span pattern, size_t size, struct span text, size_t text_size)
{
    if (size == 1 && pattern.bytes[0] == '*') return text_size > 0;
    return size == text_size && memcmp(pattern.bytes, text.bytes, size) == 0;
}

/* Behind a segment and the separator, which must be the same; false: there is none. */
static bool step(struct span *pattern, size_t size, struct span *text, size_t text_size)
{
    if (pattern->bytes[size] != text->bytes[text_size]) return false;
    *pattern = span_of(pattern->bytes + size + 1, pattern->size - size - 1);
    *text = span_of(text->bytes + text_size + 1, text->size - text_size - 1);
    return true;
}

bool pattern_matches(const char *pattern, struct span address)
{
    struct span left = span_text(pattern), text = address;
    while (text.size > 0) {
        if (left.size == 1 && left.bytes[0] == '>') return true;
        size_t size = segment_of(left), text_size = segment_of(text);
        if (!is_segment(left, size, text, text_size)) return false;
        if (size == left.size || text_size == text.size)
            return size == left.size && text_size == text.size;
        if (!step(&left, size, &text, text_size)) return false;
    }
    return false;
}
