/* The clocks and the chance of the real world. */
#include "shell/clock.h"

#include <sys/random.h>
#include <time.h>
#include "core/ensure.h"

static int64_t clock_read_us(clockid_t clock)
{
    struct timespec at;
    ensure(clock_gettime(clock, &at) == 0);
    return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

int64_t clock_now_ms(void)
{
    return clock_read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

int64_t clock_wall_us(void)
{
    return clock_read_us(CLOCK_REALTIME);
}

uint64_t clock_random(void)
{
    uint64_t value;
    ensure(getrandom(&value, sizeof value, 0) == (ssize_t)sizeof value);
    return value;
}
