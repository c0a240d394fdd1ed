/* Looking at a project's files without a node: they are loaded as a node loads them, in fresh
 * states with the same guard, and nothing is started. In Lua, `moonpost.inspect`:
 *
 *   inspect.settings(path or nil, flags)   -> { text =, values =, origins = }
 *   inspect.is_settings(path)              -> boolean
 *   inspect.load("agent" or "policy", path) -> text
 *   inspect.hook(path)                     -> true
 *
 * `settings` are those in force: of the file (nil: the defaults), under the environment and the
 * flags ({ { NAME, value } ... }); later calls load by them. `text` is what moonpost.describe says
 * of a file. Each answers nil, reason, code on failure: the reason names file and line, the code is
 * "USAGE" when the environment or a flag is wrong. */
#ifndef MOONPOST_INSPECT_H
#define MOONPOST_INSPECT_H

#include "script/script.h"

struct inspect;

/* Never NULL. */
struct inspect *inspect_new(void);
void inspect_free(struct inspect *inspect);

/* Make require "moonpost.inspect" work in this script; `inspect` is borrowed for its life. */
void inspect_preload(struct inspect *inspect, struct script *script);

#endif
