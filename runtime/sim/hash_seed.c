/* Where LuaJIT has the seeds of its string hashes from.
 *
 * Each Lua state draws one, by the system call getrandom through libc's `syscall`. The order of
 * `pairs` over strings follows from it, so in a process of worlds it must be the same in each run.
 * An executable that defines `syscall` itself is asked first; every other call is passed on. */
#include "sim/hash_seed.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "core/random.h"

static bool process_fixed;
static int worlds;
static uint64_t state;

void hash_seed_fix(void)
{
    process_fixed = true;
}

void hash_seed_world_begins(uint64_t seed)
{
    worlds++;
    state = seed;
}

void hash_seed_world_ends(void)
{
    worlds--;
}

static long draw(char *buffer, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof state) {
        uint64_t word = random_next(&state);
        memcpy(buffer + at, &word, size - at < sizeof word ? size - at : sizeof word);
    }
    return (long)size;
}

static long pass_on(long number, const long *arguments)
{
    static long (*real)(long, ...);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    if (!real) {
        errno = ENOSYS;
        return -1;
    }
    return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                arguments[5]);
}

long syscall(long number, ...)
{
    long arguments[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) arguments[i] = va_arg(list, long);
    va_end(list);
    bool ours = process_fixed || worlds > 0;
    if (ours && number == SYS_getrandom) return draw((char *)arguments[0], (size_t)arguments[1]);
    return pass_on(number, arguments);
}

/* Tables keyed by tables or functions follow addresses: without randomisation they are the same in
 * each run. Where that is not allowed, the process goes on as it is. */
void addresses_fix(char **argv)
{
    int now = personality(0xffffffff);
    if (now < 0 || now & ADDR_NO_RANDOMIZE || getenv("MOONPOST_RANDOM_ADDRESSES")) return;
    if (personality((unsigned long)now | ADDR_NO_RANDOMIZE) < 0) return;
    execv("/proc/self/exe", argv);
}
