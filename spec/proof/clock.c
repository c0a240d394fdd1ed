/* Loaded before libc's: moves clocks. PROOF_CLOCK names a file of two numbers of 8 bytes, seconds:
 * what is added to the wall clock, at any moment, and to the time since the system was started. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WALL, BOOT, OFFSETS };

static int64_t offset(int which)
{
    static _Atomic int64_t none[OFFSETS], *offsets;
    if (offsets) return offsets[which];
    const char *path = getenv("PROOF_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    offsets = page == MAP_FAILED ? none : page;
    if (file >= 0) close(file);
    return offsets[which];
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, at);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) at->tv_sec += offset(WALL);
    if (clock == CLOCK_BOOTTIME) at->tv_sec += offset(BOOT);
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *at = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
