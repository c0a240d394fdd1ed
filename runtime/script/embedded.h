/* The Lua library that travels inside the executable, as text. */
#ifndef MOONPOST_EMBEDDED_H
#define MOONPOST_EMBEDDED_H

#include "core/span.h"

/* The text of a module such as "moonpost.agent" (zero-terminated behind its end); size 0: none. */
struct span embedded_module(const char *name);

#endif
