/* The files that a generation was made of, as they were when it read them. A file that was looked
 * for and not there is one of them: when it appears, it may be read instead of another. */
#ifndef MOONPOST_TRACKED_H
#define MOONPOST_TRACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tracked_file {
    char *path;    /* owned */
    bool present;  /* else it was not there, or could not be read */
    uint64_t hash; /* of what is in it */
};

struct tracked {
    struct tracked_file *files;
    size_t count, capacity;
};

/* Remember how this file is now; before it is read, so that a later change is never missed. A path
 * that is there already stays as it was. */
void tracked_add(struct tracked *tracked, const char *path);

/* Is one of them not as it was? */
bool tracked_changed(const struct tracked *tracked);

/* Have both a file that is not as it was? */
bool tracked_share_change(const struct tracked *one, const struct tracked *other);

/* Was one of them written within so many milliseconds before `wall_ms`? Perhaps it still is. */
bool tracked_young(const struct tracked *tracked, int64_t wall_ms, int64_t age_ms);

/* All that was read, in one number. */
uint64_t tracked_hash(const struct tracked *tracked);

void tracked_clear(struct tracked *tracked);

/* Take what `from` holds; it is empty then. */
void tracked_move(struct tracked *to, struct tracked *from);
void tracked_copy(struct tracked *to, const struct tracked *from);

/* The path of one that is not as it was, which is forgiven; NULL: none. */
const char *tracked_take_change(struct tracked *tracked);

#endif
