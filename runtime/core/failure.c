/* Notes of failed attempts. */
#include "core/failure.h"

#include <stdlib.h>
#include "core/ensure.h"

enum { TRACEBACK_BYTES_MAX = 4096 };

static struct span cut(struct span text, size_t limit)
{
    return span_of(text.bytes, text.size < limit ? text.size : limit);
}

static struct span place(char **at, struct span text)
{
    struct span copy = span_of(*at, text.size);
    if (text.size > 0) memcpy(*at, text.bytes, text.size);
    *at += text.size;
    return copy;
}

void failure_add(struct entry *entry, uint32_t attempt, int64_t now_ms, uint8_t code,
                 struct span word, struct span reason, struct span traceback)
{
    word = cut(word, UINT8_MAX);
    reason = cut(reason, REASON_BYTES_MAX);
    traceback = cut(traceback, TRACEBACK_BYTES_MAX);
    struct failure_note *note = malloc(sizeof *note + word.size + reason.size + traceback.size);
    ensure(note != NULL);
    char *at = (char *)(note + 1);
    *note = (struct failure_note){
        .older = entry->failures, .attempt = attempt, .at_ms = now_ms, .code = code};
    note->word = place(&at, word);
    note->reason = place(&at, reason);
    note->traceback = place(&at, traceback);
    entry->failures = note;
}

void failure_clear(struct entry *entry)
{
    while (entry->failures) {
        struct failure_note *older = entry->failures->older;
        free(entry->failures);
        entry->failures = older;
    }
}
