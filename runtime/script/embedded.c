/* Finds embedded modules in the table that the build makes from lua/. */
#include "script/embedded.h"

struct embedded_entry {
    const char *name, *first, *end;
};

extern const struct embedded_entry embedded_table[];

struct span embedded_module(const char *name)
{
    for (const struct embedded_entry *entry = embedded_table; entry->name; entry++)
        if (strcmp(entry->name, name) == 0)
            return span_of(entry->first, (size_t)(entry->end - entry->first));
    return span_of(NULL, 0);
}
