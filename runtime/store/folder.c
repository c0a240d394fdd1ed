/* The lock is the system's (flock), so it goes with the process that holds it; the number in the
 * file is only for people. */
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096, WAIT_TRIES = 300, WAIT_MICROSECONDS = 10000 };

static long read_holder(int file)
{
    char text[32];
    ssize_t size = pread(file, text, sizeof text - 1, 0);
    if (size <= 0) return 0;
    text[size] = 0;
    return strtol(text, NULL, 10);
}

static bool write_holder(int file, long holder)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", holder);
    return ftruncate(file, 0) == 0 && pwrite(file, text, (size_t)size, 0) == size;
}

static bool is_dead(long process)
{
    return process > 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

/* A supervisor that was killed takes its node along a moment later. */
static bool take_lock(int file)
{
    for (int tries = 0; flock(file, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK || tries == WAIT_TRIES || !is_dead(read_holder(file)))
            return false;
        usleep(WAIT_MICROSECONDS);
    }
    return true;
}

static int give_up(int file, char *error, size_t size, const char *folder, int number)
{
    if (number == EWOULDBLOCK)
        snprintf(
            error, size,
            "another process (pid %ld) uses the folder %s; stop it first, or use another folder",
            read_holder(file), folder);
    else if (number == EACCES || number == EPERM || number == EROFS)
        snprintf(error, size,
                 "cannot write in the folder %s: %s; let this user write there, or name another "
                 "folder with --store",
                 folder, strerror(number));
    else if (number == ENOSPC || number == EDQUOT)
        snprintf(error, size, "no room left on the file system of %s; make room there", folder);
    else
        snprintf(error, size, "cannot use the folder %s: %s", folder, strerror(number));
    if (file >= 0) close(file);
    return -1;
}

static void path_of(const char *folder, char *path)
{
    snprintf(path, PATH_BYTES_MAX, "%s/moonpost.pid", folder);
}

int folder_sync(const char *folder)
{
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return errno;
    int number = fsync(file) == 0 || errno == EINVAL ? 0 : errno;
    close(file);
    return number;
}

/* The name of a folder that is made is in its parent, which may be one that only others read. */
static int make_folder(const char *folder)
{
    char parent[PATH_BYTES_MAX];
    if (mkdir(folder, 0700) != 0) return errno == EEXIST ? 0 : errno;
    snprintf(parent, sizeof parent, "%s/..", folder);
    int number = folder_sync(parent);
    return number == EACCES ? 0 : number;
}

int folder_lock(const char *folder, long holder, char *error, size_t size)
{
    char path[PATH_BYTES_MAX];
    path_of(folder, path);
    int number = make_folder(folder);
    if (number != 0) return give_up(-1, error, size, folder, number);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || !take_lock(file) || !write_holder(file, holder))
        return give_up(file, error, size, folder, errno);
    return file;
}

long folder_holder(const char *folder)
{
    char path[PATH_BYTES_MAX];
    path_of(folder, path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    long holder = flock(file, LOCK_SH | LOCK_NB) == 0 ? 0 : read_holder(file);
    close(file);
    return holder;
}
