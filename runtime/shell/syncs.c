/* How often this process asks the disk to be safe, for `moonpost bench`: the calls themselves are
 * counted, in a file that MOONPOST_BENCH_SYNCS names, so that no store has to be believed.
 *
 * An executable's own functions come before those of libc, also for the libraries it uses. */
#include "shell/syncs.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic uint64_t uncounted;
static _Atomic uint64_t *counted = &uncounted;

void syncs_count(void)
{
    const char *path = getenv("MOONPOST_BENCH_SYNCS");
    if (!path || !path[0]) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *at = mmap(NULL, sizeof *counted, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (at != MAP_FAILED) counted = at;
}

static int counted_call(long number, long a, long b, long c)
{
    atomic_fetch_add_explicit(counted, 1, memory_order_relaxed);
    return (int)syscall(number, a, b, c);
}

int fsync(int file)
{
    return counted_call(SYS_fsync, file, 0, 0);
}

int fdatasync(int file)
{
    return counted_call(SYS_fdatasync, file, 0, 0);
}

int msync(void *at, size_t size, int flags)
{
    return counted_call(SYS_msync, (long)at, (long)size, flags);
}
