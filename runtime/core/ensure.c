/* What happens when an invariant is broken. */
#include "core/ensure.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void ensure_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "moonpost: bug: %s (%s:%d)\n", condition, file, line);
    abort();
}
