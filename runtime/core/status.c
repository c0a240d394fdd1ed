/* Statuses and their words. */
#include "core/status.h"

const char *status_text(enum status status)
{
    switch (status) {
#define X(name, text)                                                                              \
    case STATUS_##name: return text;
        STATUS_MAP(X)
#undef X
    }
    return "unknown status";
}
