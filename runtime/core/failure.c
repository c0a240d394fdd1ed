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

static struct failure_note *note_new(struct span word, struct span reason, struct span traceback)
{
    size_t size = sizeof(struct failure_note) + word.size + reason.size + traceback.size;
    struct failure_note *note = malloc(size);
    ensure(note != NULL);
    char *at = (char *)(note + 1);
    *note = (struct failure_note){.size = size};
    note->word = place(&at, word);
    note->reason = place(&at, reason);
    note->traceback = place(&at, traceback);
    return note;
}

static void note_free(struct entry *entry, struct failure_note *note)
{
    queue_weigh(entry, -(ptrdiff_t)note->size);
    entry->failure_count--;
    free(note);
}

/* Too many: the second oldest goes. */
static void drop_one(struct entry *entry)
{
    struct failure_note **at = &entry->failures;
    while ((*at)->older->older) at = &(*at)->older;
    struct failure_note *second = *at;
    *at = second->older;
    note_free(entry, second);
}

void failure_add(struct entry *entry, uint32_t attempt, int64_t now_ms, uint8_t code,
                 struct span word, struct span reason, struct span traceback)
{
    struct failure_note *note = note_new(cut(word, UINT8_MAX), cut(reason, REASON_BYTES_MAX),
                                         cut(traceback, TRACEBACK_BYTES_MAX));
    note->attempt = attempt;
    note->at_ms = now_ms;
    note->code = code;
    note->older = entry->failures;
    entry->failures = note;
    queue_weigh(entry, (ptrdiff_t)note->size);
    if (++entry->failure_count > FAILURES_KEPT) drop_one(entry);
}

void failure_clear(struct entry *entry)
{
    while (entry->failures) {
        struct failure_note *note = entry->failures;
        entry->failures = note->older;
        note_free(entry, note);
    }
}
