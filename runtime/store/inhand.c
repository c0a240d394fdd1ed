/* A few pages: who wrote it, then what is in hand.
 *
 * Its blocks are allocated at once, because a store to a page that finds no room on the disk is a
 * signal, not an error. Nothing is ever flushed: the page cache outlives the process, and nothing
 * else is asked of it. */
#include "store/inhand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "core/ensure.h"
#include "core/limits.h"

enum { PAGE_BYTES = 16384, PATH_BYTES_MAX = 4096, BOOT_ID_BYTES = 40 };

static const char magic[16] = "moonpost inhand";

struct page {
    char magic[sizeof magic];
    char boot_id[BOOT_ID_BYTES];
    char store_id[STORE_ID_BYTES];
    uint64_t epoch; /* the start of the store that wrote it */
    struct inhand inhand;
};

_Static_assert(sizeof(struct page) <= PAGE_BYTES, "what is in hand fits");

struct inhand_file {
    struct page *page;
    struct page own; /* as this process will write it */
};

/* Empty when there is none: then nothing is believed. */
static void read_boot_id(char *boot_id)
{
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size = file >= 0 ? read(file, boot_id, BOOT_ID_BYTES - 1) : 0;
    if (size <= 0) boot_id[0] = 0;
    if (file >= 0) close(file);
}

static bool is_believed(const struct page *page, const struct page *own)
{
    return memcmp(page->magic, own->magic, sizeof page->magic) == 0 && own->boot_id[0] &&
           memcmp(page->boot_id, own->boot_id, BOOT_ID_BYTES) == 0 &&
           memcmp(page->store_id, own->store_id, STORE_ID_BYTES) == 0 && page->epoch < own->epoch;
}

static struct page *map_page(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return NULL;
    errno = posix_fallocate(file, 0, PAGE_BYTES);
    void *page = errno == 0 ? mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
                            : MAP_FAILED;
    int number = errno;
    close(file);
    errno = number;
    return page == MAP_FAILED ? NULL : page;
}

static struct page page_of(const char *store_id, uint64_t epoch)
{
    struct page page = {.epoch = epoch};
    memcpy(page.magic, magic, sizeof magic);
    memcpy(page.store_id, store_id, STORE_ID_BYTES);
    read_boot_id(page.boot_id);
    return page;
}

struct inhand_file *inhand_open(const char *folder, const char *store_id, uint64_t epoch,
                                struct inhand *found, char *error, size_t size)
{
    char path[PATH_BYTES_MAX];
    *found = (struct inhand){.running = 0};
    snprintf(path, sizeof path, "%s/inhand", folder);
    struct page *page = map_page(path);
    if (!page) {
        snprintf(error, size, "%.400s: %s", path, strerror(errno));
        return NULL;
    }
    struct inhand_file *file = calloc(1, sizeof *file);
    ensure(file != NULL);
    file->page = page;
    file->own = page_of(store_id, epoch);
    if (is_believed(file->page, &file->own)) *found = file->page->inhand;
    return file;
}

struct inhand *inhand_begin(struct inhand_file *file)
{
    *file->page = file->own;
    return &file->page->inhand;
}

void inhand_close(struct inhand_file *file)
{
    if (!file) return;
    munmap(file->page, PAGE_BYTES);
    free(file);
}
