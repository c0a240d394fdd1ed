/* A Lua state with the library, made once for all inputs of a process, whose lines count as
 * coverage: what libFuzzer cannot see of Lua by itself. */
#ifndef MOONPOST_FUZZ_STATE_H
#define MOONPOST_FUZZ_STATE_H

#include "script/host.h"

struct script *fuzz_state(void);

#endif
