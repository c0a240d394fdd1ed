/* Loaded before libc's: lets one call on a store's files fail.
 *
 *   PROOF_STORE    part of the paths whose files count
 *   PROOF_COUNTER  a file of 8 bytes: how many calls there were, in all processes that have it
 *   PROOF_NTH      the call that fails, from 1; 0: none
 *   PROOF_ERRNO    of what
 *   PROOF_LIE      flushes say that they worked and do nothing */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILES = 1024 };

static _Atomic uint64_t *counter;
static uint64_t nth;
static int number;
static const char *store;
static bool lies;
static bool is_store[FILES];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

__attribute__((constructor)) static void begin(void)
{
    lies = getenv("PROOF_LIE");
    store = setting("PROOF_STORE");
    int file = REAL(open)(setting("PROOF_COUNTER"), O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    nth = strtoull(setting("PROOF_NTH"), NULL, 10);
    number = atoi(setting("PROOF_ERRNO"));
    void *page = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) counter = page;
    close(file);
}

/* Does this call fail? */
static bool fails(void)
{
    if (!counter || atomic_fetch_add(counter, 1) + 1 != nth) return false;
    errno = number;
    return true;
}

static bool is_counted(int file)
{
    return file >= 0 && file < FILES && is_store[file];
}

/* ---- open ---- */

static int note(int file, bool counted)
{
    if (file >= 0 && file < FILES) is_store[file] = counted;
    return file;
}

static bool is_path(const char *path)
{
    return store && strstr(path, store) && (strstr(path, ".mdb") || strstr(path, ".pid"));
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
}

#define WRAP_OPEN(name)                                                                            \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = mode_of(flags, arguments);                                                   \
        va_end(arguments);                                                                         \
        if (!is_path(path)) return note(REAL(name)(path, flags, mode), false);                     \
        return fails() ? -1 : note(REAL(name)(path, flags, mode), true);                           \
    }
WRAP_OPEN(open)
WRAP_OPEN(open64)

/* ---- the rest ---- */

#define WRAP(result, name, parameters, arguments)                                                  \
    result name parameters                                                                         \
    {                                                                                              \
        return is_counted(file) && fails() ? -1 : REAL(name) arguments;                            \
    }
WRAP(ssize_t, write, (int file, const void *bytes, size_t size), (file, bytes, size))
WRAP(ssize_t, writev, (int file, const struct iovec *parts, int count), (file, parts, count))
WRAP(ssize_t, pwrite, (int file, const void *bytes, size_t size, off_t at), (file, bytes, size, at))
WRAP(ssize_t, pwrite64, (int file, const void *bytes, size_t size, off64_t at),
     (file, bytes, size, at))
WRAP(ssize_t, pwritev, (int file, const struct iovec *parts, int count, off_t at),
     (file, parts, count, at))

/* The runtime has flushes of its own (shell/syncs.c), which come before ours and end here. */
long syscall(long call, ...)
{
    long given[6];
    va_list arguments;
    va_start(arguments, call);
    for (int i = 0; i < 6; i++) given[i] = va_arg(arguments, long);
    va_end(arguments);
    bool flushes = (call == SYS_fsync || call == SYS_fdatasync) && is_counted((int)given[0]);
    if (flushes && fails()) return -1;
    if (flushes && lies) return 0;
    return REAL(syscall)(call, given[0], given[1], given[2], given[3], given[4], given[5]);
}

WRAP(int, ftruncate, (int file, off_t size), (file, size))
WRAP(int, ftruncate64, (int file, off64_t size), (file, size))
