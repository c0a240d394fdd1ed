/* When again, and when to give up: a retry policy as plain data. Pure. */
#ifndef MOONPOST_RETRY_H
#define MOONPOST_RETRY_H

#include <stdbool.h>
#include <stdint.h>
#include "core/limits.h"

#define ATTEMPTS_FOREVER UINT32_MAX
#define DURATION_FOREVER INT64_MAX

struct retry_policy {
    uint32_t attempts;    /* in all, the first included; ATTEMPTS_FOREVER */
    int64_t first_ms;     /* the wait after the first failure */
    double factor;        /* its growth ... */
    int64_t step_ms;      /* ... or, when above 0, linear growth instead */
    int64_t cap_ms;       /* no wait is longer */
    double jitter;        /* share, 0..1, spread both ways before the cap */
    int64_t deadline_ms;  /* in all, from the first attempt; DURATION_FOREVER */
    uint32_t delay_count; /* when above 0: a list instead; its last entry repeats */
    int64_t delays_ms[DELAYS_MAX];
    uint32_t script; /* not 0: ask this function of a script through policy.h first ... */
    bool whole;      /* ... which decides all; the rest applies only when it fails */
};

/* The policies of API.md section 7: what applies when nobody said anything else. */
struct retry_policy retry_default_send(void);
struct retry_policy retry_default_handle(void);
struct retry_policy retry_default_link(void);

/* The wait after failure `n` (1 is the first), in milliseconds. `spread` is in [-1, 1) and is the
 * share of the jitter to apply; the cap comes after it. */
int64_t retry_delay(const struct retry_policy *policy, uint32_t n, double spread);

#endif
