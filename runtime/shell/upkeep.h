/* What the command line does with a store beside a node. In Lua, `moonpost.store`:
 *
 *   store.stat(folder)        -> { records =, used =, free =, file =, map =, page =, format =, lmdb
 * =, holder = process number or 0 }; bytes store.check(folder, most) -> { records =, messages =,
 * dead =, facts =, lanes =, outboxes =, epochs =, found =, findings = the first `most`: { key =,
 * what = } } store.compact(folder)     -> { before =, after = }; nobody else may have the folder
 *   store.backup(folder, to)  -> { bytes = }; `to` is made, or has no store
 *
 * All but compact only look, also beside a running node. Each answers nil, reason on failure. */
#ifndef MOONPOST_UPKEEP_H
#define MOONPOST_UPKEEP_H

#include "script/script.h"

/* Make require "moonpost.store" work in this script. */
void upkeep_preload(struct script *script);

#endif
