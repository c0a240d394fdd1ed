/* Files by what is in them: whichever way an editor saves, equal text is no change. */
#include "script/tracked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "core/array.h"

#define HASH_START 0xcbf29ce484222325u
#define HASH_STEP  0x100000001b3u

/* FNV-1a, 64 bits. */
static uint64_t hash_more(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * HASH_STEP;
    return hash;
}

static bool hash_file(const char *path, uint64_t *hash)
{
    char bytes[4096];
    size_t size;
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    *hash = HASH_START;
    while ((size = fread(bytes, 1, sizeof bytes, file)) > 0) *hash = hash_more(*hash, bytes, size);
    bool whole = !ferror(file);
    fclose(file);
    return whole;
}

static struct tracked_file *find(const struct tracked *tracked, const char *path)
{
    for (size_t i = 0; i < tracked->count; i++)
        if (strcmp(tracked->files[i].path, path) == 0) return &tracked->files[i];
    return NULL;
}

void tracked_add(struct tracked *tracked, const char *path)
{
    if (find(tracked, path)) return;
    struct tracked_file file = {.path = strdup(path)};
    file.present = hash_file(path, &file.hash);
    ensure(file.path != NULL);
    array_reserve(tracked->files, tracked->count, tracked->capacity);
    tracked->files[tracked->count++] = file;
}

/* Sizes and times would not do: two writes of one size can be within a tick of the file system's
 * clock. Symbolic links are followed: what counts is what would be read. */
static bool file_changed(const struct tracked_file *file)
{
    uint64_t hash = 0;
    bool present = hash_file(file->path, &hash);
    return present != file->present || (present && hash != file->hash);
}

bool tracked_changed(const struct tracked *tracked)
{
    for (size_t i = 0; i < tracked->count; i++)
        if (file_changed(&tracked->files[i])) return true;
    return false;
}

bool tracked_share_change(const struct tracked *one, const struct tracked *other)
{
    for (size_t i = 0; i < one->count; i++)
        if (find(other, one->files[i].path) && file_changed(&one->files[i])) return true;
    return false;
}

static bool is_young(const char *path, int64_t wall_ms, int64_t age_ms)
{
    struct stat at;
    if (stat(path, &at) != 0) return false;
    int64_t written_ms = (int64_t)at.st_mtim.tv_sec * 1000 + at.st_mtim.tv_nsec / 1000000;
    return llabs(wall_ms - written_ms) < age_ms; /* it may have been written since then */
}

bool tracked_young(const struct tracked *tracked, int64_t wall_ms, int64_t age_ms)
{
    for (size_t i = 0; i < tracked->count; i++)
        if (is_young(tracked->files[i].path, wall_ms, age_ms)) return true;
    return false;
}

uint64_t tracked_hash(const struct tracked *tracked)
{
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < tracked->count; i++)
        hash = hash_more(hash, &tracked->files[i].hash, sizeof tracked->files[i].hash);
    return hash;
}

void tracked_clear(struct tracked *tracked)
{
    for (size_t i = 0; i < tracked->count; i++) free(tracked->files[i].path);
    free(tracked->files);
    *tracked = (struct tracked){.files = NULL};
}

void tracked_move(struct tracked *to, struct tracked *from)
{
    tracked_clear(to);
    *to = *from;
    *from = (struct tracked){.files = NULL};
}

void tracked_copy(struct tracked *to, const struct tracked *from)
{
    tracked_clear(to);
    for (size_t i = 0; i < from->count; i++) {
        array_reserve(to->files, to->count, to->capacity);
        to->files[to->count] = from->files[i];
        to->files[to->count].path = strdup(from->files[i].path);
        ensure(to->files[to->count++].path != NULL);
    }
}

const char *tracked_take_change(struct tracked *tracked)
{
    for (size_t i = 0; i < tracked->count; i++) {
        struct tracked_file *file = &tracked->files[i];
        if (!file_changed(file)) continue;
        file->present = hash_file(file->path, &file->hash);
        return file->path;
    }
    return NULL;
}
