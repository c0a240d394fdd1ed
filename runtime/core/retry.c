/* Retry policies: the built-in ones, and the arithmetic.
 * Exponential growth with jitter that is applied before the cap, so no wait exceeds it. */
#include "core/retry.h"

#include <math.h>

static struct retry_policy retry_default(uint32_t attempts)
{
    return (struct retry_policy){
        .attempts = attempts,
        .first_ms = 1000,
        .factor = 2,
        .cap_ms = 60000,
        .jitter = 0.1,
        .deadline_ms = DURATION_FOREVER,
    };
}

struct retry_policy retry_default_send(void)
{
    return retry_default(6);
}

struct retry_policy retry_default_handle(void)
{
    return retry_default(5);
}

struct retry_policy retry_default_link(void)
{
    return retry_default(ATTEMPTS_FOREVER);
}

static double retry_base(const struct retry_policy *policy, uint32_t n)
{
    if (policy->delay_count > 0) {
        uint32_t last = policy->delay_count - 1;
        return (double)policy->delays_ms[n - 1 < last ? n - 1 : last];
    }
    if (policy->step_ms > 0) return (double)policy->first_ms + (double)policy->step_ms * (n - 1);
    if (policy->first_ms == 0) return 0; /* however far the factor has grown */
    return (double)policy->first_ms * pow(policy->factor, (double)(n - 1));
}

int64_t retry_delay(const struct retry_policy *policy, uint32_t n, double spread)
{
    if (n == 0) n = 1;
    double delay = retry_base(policy, n) * (1 + policy->jitter * spread);
    if (!(delay < (double)policy->cap_ms)) return policy->cap_ms; /* no number is beyond it, too */
    return delay < 0 ? 0 : (int64_t)(delay + 0.5);
}
