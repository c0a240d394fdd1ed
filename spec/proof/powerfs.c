/* A file system that forgets at a power cut what was not flushed: FUSE, over a folder.
 *
 *   powerfs BELOW MOUNT MODE SEED CUT     CUT: the call at which the power goes; 0: none
 *
 * Writes go to the files below at once, and the image that a page has on the disk is kept until it
 * is flushed: by fsync or fdatasync of its file, or because it was written through a descriptor
 * with O_DSYNC. The power goes before the CUT-th write or flush of a store takes effect, or when
 * somebody looks for MOUNT/.cut: whoever wrote last is killed, images are put back, and nothing
 * works any more. Which, says MODE:
 *
 *   all     every page that was not flushed is as it was
 *   random  every second one, by chance; pages behind the old end are lost by chance too
 *   torn    the same with sectors of 512 bytes
 *   one     all pages of one file; the others have all
 *
 * Kinder than a disk in one way: names (create, rename, unlink) are durable at once. */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PAGE = 4096, SECTOR = 512, FILES = 64, PATH_BYTES = 4096 };

struct file {
    char path[PATH_BYTES];
    off_t durable_size;
    char **images; /* of pages not flushed, by number; NULL: flushed */
    size_t pages, unflushed;
};

struct handle {
    int fd;
    bool dsync;
    struct file *file;
};

static struct {
    const char *below, *mode;
    uint64_t random, calls, cut_at;
    struct file files[FILES];
    size_t file_count, pages, lost;
    pid_t writer;
    bool cut;
} power;

static uint64_t chance(void)
{
    power.random ^= power.random << 13;
    power.random ^= power.random >> 7;
    power.random ^= power.random << 17;
    return power.random * 0x2545f4914f6cdd1dull >> 32;
}

static const char *below(const char *path, char *buffer)
{
    snprintf(buffer, PATH_BYTES, "%s%s", power.below, path);
    return buffer;
}

static int answer(int result)
{
    return result < 0 ? -errno : 0;
}

/* ---- what is not on the disk yet ---- */

static struct file *file_at(const char *path)
{
    struct stat there;
    char buffer[PATH_BYTES];
    for (size_t i = 0; i < power.file_count; i++)
        if (strcmp(power.files[i].path, path) == 0) return &power.files[i];
    if (power.file_count == FILES) abort();
    struct file *file = &power.files[power.file_count++];
    snprintf(file->path, sizeof file->path, "%s", path);
    if (stat(below(path, buffer), &there) == 0) file->durable_size = there.st_size;
    return file;
}

static void make_room(struct file *file, size_t pages)
{
    if (pages <= file->pages) return;
    pages += pages / 2;
    file->images = realloc(file->images, pages * sizeof *file->images);
    if (!file->images) abort();
    memset(file->images + file->pages, 0, (pages - file->pages) * sizeof *file->images);
    file->pages = pages;
}

static void keep_image(struct file *file, int fd, size_t page)
{
    make_room(file, page + 1);
    if (file->images[page]) return;
    char *image = calloc(1, PAGE);
    if (!image || pread(fd, image, PAGE, (off_t)page * PAGE) < 0) abort();
    file->images[page] = image;
    file->unflushed++;
}

static void drop_image(struct file *file, size_t page)
{
    if (page >= file->pages || !file->images[page]) return;
    free(file->images[page]);
    file->images[page] = NULL;
    file->unflushed--;
}

static void flush_pages(struct file *file, size_t first, size_t end, off_t size)
{
    for (size_t page = first; page < end && file->unflushed > 0; page++) drop_image(file, page);
    if (size > file->durable_size) file->durable_size = size;
}

/* ---- the cut ---- */

static bool is_lost(const char *chosen, const struct file *file)
{
    if (strcmp(power.mode, "all") == 0) return true;
    if (strcmp(power.mode, "one") == 0) return strcmp(chosen, file->path) == 0;
    return chance() % 2;
}

static void put_back(const struct file *file, int fd, size_t page, const char *chosen)
{
    size_t step = strcmp(power.mode, "torn") == 0 ? SECTOR : PAGE;
    power.pages++;
    for (size_t at = 0; at < PAGE; at += step) {
        if (!is_lost(chosen, file)) continue;
        if (at == 0) power.lost++;
        if (pwrite(fd, file->images[page] + at, step, (off_t)(page * PAGE + at)) < 0) abort();
    }
}

static void cut_file(const struct file *file, const char *chosen)
{
    struct stat there;
    char buffer[PATH_BYTES];
    int fd = open(below(file->path, buffer), O_RDWR);
    if (fd < 0 || fstat(fd, &there) != 0 || !S_ISREG(there.st_mode)) return;
    for (size_t page = 0; page < file->pages; page++)
        if (file->images[page]) put_back(file, fd, page, chosen);
    off_t size = is_lost(chosen, file) ? file->durable_size : there.st_size;
    if (ftruncate(fd, size) != 0) abort();
    close(fd);
}

static const char *choose_file(void)
{
    const char *chosen = "";
    size_t count = 0;
    for (size_t i = 0; i < power.file_count; i++)
        if (power.files[i].unflushed > 0 && chance() % ++count == 0) chosen = power.files[i].path;
    return chosen;
}

static int cut(const char *when)
{
    if (power.cut) return -EIO;
    power.cut = true;
    if (power.writer > 1) kill(power.writer, SIGKILL);
    const char *chosen = choose_file();
    for (size_t i = 0; i < power.file_count; i++) cut_file(&power.files[i], chosen);
    printf("cut %s at %s of call %llu: %zu of %zu pages lost\n", power.mode, when,
           (unsigned long long)power.calls, power.lost, power.pages);
    fflush(stdout);
    fuse_exit(fuse_get_context()->fuse);
    return -EIO;
}

/* Is this the moment? */
static bool is_moment(const struct file *file)
{
    pid_t caller = fuse_get_context()->pid;
    const char *name = strrchr(file->path, '/');
    if (strcmp(name, "/data.mdb") != 0 && strcmp(name, "/new.mdb") != 0) return false;
    if (caller > 1) power.writer = caller;
    return ++power.calls == power.cut_at;
}

/* ---- calls that change files ---- */

static struct handle *handle_of(const struct fuse_file_info *info)
{
    return (struct handle *)(uintptr_t)info->fh;
}

static int do_write(const char *path, const char *bytes, size_t size, off_t at,
                    struct fuse_file_info *info)
{
    (void)path;
    struct handle *handle = handle_of(info);
    size_t first = (size_t)at / PAGE, end = ((size_t)at + size + PAGE - 1) / PAGE;
    if (power.cut) return -EIO;
    for (size_t page = first; page < end; page++) keep_image(handle->file, handle->fd, page);
    ssize_t written = pwrite(handle->fd, bytes, size, at);
    if (written < 0) return -errno;
    if (is_moment(handle->file)) return cut("write");
    if (handle->dsync) flush_pages(handle->file, first, end, at + written);
    return (int)written;
}

/* The system calls it after each write through O_DSYNC too, whose pages are flushed already. */
static int do_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)path, (void)data_only;
    struct stat there;
    struct handle *handle = handle_of(info);
    if (power.cut) return -EIO;
    if (handle->dsync) return 0;
    if (is_moment(handle->file)) return cut("flush");
    if (fstat(handle->fd, &there) != 0) return -errno;
    flush_pages(handle->file, 0, handle->file->pages, there.st_size);
    return 0;
}

static int do_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    (void)info;
    char buffer[PATH_BYTES];
    if (power.cut) return -EIO;
    struct file *file = file_at(path);
    flush_pages(file, ((size_t)size + PAGE - 1) / PAGE, file->pages, 0);
    file->durable_size = size;
    return answer(truncate(below(path, buffer), size));
}

/* ---- calls about names ---- */

static int open_file(const char *path, int flags, mode_t mode, struct fuse_file_info *info)
{
    char buffer[PATH_BYTES];
    if (power.cut) return -EIO;
    struct handle *handle = calloc(1, sizeof *handle);
    if (!handle) abort();
    handle->file = file_at(path);
    handle->fd = open(below(path, buffer), flags & ~(O_SYNC | O_DSYNC | O_NOFOLLOW), mode);
    handle->dsync = flags & O_DSYNC;
    info->fh = (uintptr_t)handle;
    info->keep_cache = 1;
    if (handle->fd >= 0) return 0;
    free(handle);
    return -errno;
}

static int do_open(const char *path, struct fuse_file_info *info)
{
    int access = (info->flags & O_ACCMODE) == O_RDONLY ? O_RDONLY : O_RDWR;
    return open_file(path, (info->flags & ~O_ACCMODE) | access, 0, info);
}

static int do_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    return open_file(path, (info->flags & ~O_ACCMODE) | O_RDWR | O_CREAT, mode, info);
}

static int do_release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    struct handle *handle = handle_of(info);
    close(handle->fd);
    free(handle);
    return 0;
}

static int do_read(const char *path, char *bytes, size_t size, off_t at,
                   struct fuse_file_info *info)
{
    (void)path;
    if (power.cut) return -EIO;
    ssize_t count = pread(handle_of(info)->fd, bytes, size, at);
    return count < 0 ? -errno : (int)count;
}

static int do_getattr(const char *path, struct stat *there, struct fuse_file_info *info)
{
    (void)info;
    char buffer[PATH_BYTES];
    if (power.cut) return -EIO;
    if (strcmp(path, "/.cut") == 0) return cut("order");
    return answer(lstat(below(path, buffer), there));
}

static void forget_file(const char *path)
{
    for (size_t i = 0; i < power.file_count; i++) {
        struct file *file = &power.files[i];
        if (strcmp(file->path, path) != 0) continue;
        flush_pages(file, 0, file->pages, 0);
        snprintf(file->path, sizeof file->path, "/gone");
    }
}

static int do_unlink(const char *path)
{
    char buffer[PATH_BYTES];
    if (power.cut) return -EIO;
    forget_file(path);
    return answer(unlink(below(path, buffer)));
}

static int do_rename(const char *from, const char *to, unsigned flags)
{
    char old[PATH_BYTES], new[PATH_BYTES];
    if (power.cut || flags) return power.cut ? -EIO : -EINVAL;
    forget_file(to);
    snprintf(file_at(from)->path, PATH_BYTES, "%s", to);
    return answer(rename(below(from, old), below(to, new)));
}

static int do_mkdir(const char *path, mode_t mode)
{
    char buffer[PATH_BYTES];
    return power.cut ? -EIO : answer(mkdir(below(path, buffer), mode));
}

static int do_mknod(const char *path, mode_t mode, dev_t device)
{
    char buffer[PATH_BYTES];
    return power.cut ? -EIO : answer(mknod(below(path, buffer), mode, device));
}

static int do_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    (void)info;
    char buffer[PATH_BYTES];
    return power.cut ? -EIO : answer(chmod(below(path, buffer), mode));
}

static int do_access(const char *path, int mode)
{
    char buffer[PATH_BYTES];
    return power.cut ? -EIO : answer(access(below(path, buffer), mode));
}

static int do_statfs(const char *path, struct statvfs *there)
{
    char buffer[PATH_BYTES];
    return power.cut ? -EIO : answer(statvfs(below(path, buffer), there));
}

static int do_fsyncdir(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)path, (void)data_only, (void)info;
    return power.cut ? -EIO : 0;
}

static void *do_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->use_ino = config->nullpath_ok = 0;
    config->hard_remove = 1;
    puts("ready");
    fflush(stdout);
    return NULL;
}

static const struct fuse_operations operations = {
    .init = do_init,
    .getattr = do_getattr,
    .open = do_open,
    .create = do_create,
    .release = do_release,
    .read = do_read,
    .write = do_write,
    .fsync = do_fsync,
    .truncate = do_truncate,
    .unlink = do_unlink,
    .rename = do_rename,
    .mkdir = do_mkdir,
    .mknod = do_mknod,
    .chmod = do_chmod,
    .access = do_access,
    .statfs = do_statfs,
    .fsyncdir = do_fsyncdir,
};

int main(int argc, char **argv)
{
    char *words[] = {argv[0], "-f", "-s", "-o", "fsname=powerfs", argv[2], NULL};
    if (argc != 6) {
        fprintf(stderr, "powerfs BELOW MOUNT all|random|torn|one SEED CUT\n");
        return 2;
    }
    power.below = realpath(argv[1], NULL);
    power.mode = argv[3];
    power.random = strtoull(argv[4], NULL, 10) * 0x9e3779b97f4a7c15ull | 1;
    power.cut_at = strtoull(argv[5], NULL, 10);
    umask(0);
    for (int i = 0; i < 8; i++) chance();
    return fuse_main(6, words, &operations, NULL);
}
