/* What `moonpost doctor` asks of the machine. In Lua, `moonpost.machine`:
 *
 *   machine.file_system(path) -> { kind = "tmpfs", memory =, network =, free =, size = }; bytes
 *   machine.open_files()      -> how many files a process may have open
 *   machine.can_write(path)   -> true
 *   machine.modified(path)    -> epoch seconds
 *   machine.is_socket(path)   -> boolean
 *   machine.is_address(text)  -> true: it can be a door or a link
 *   machine.probe(address)    -> true: somebody accepts connections there
 *   machine.holder(folder)    -> the process that has a data folder, 0: none
 *   machine.orphan(folder)    -> the process that works in the deleted folder of this path, or nil
 *   machine.variables()       -> the names of the environment that begin with MOONPOST_, and those
 *                                that mean something; each an array
 *
 * Each answers nil, reason, code on failure; the codes of probe, which waits for a second at most,
 * are "BAD_ADDRESS", "REFUSED", "MISSING" (no such host or socket), "SILENT" and "IO". */
#ifndef MOONPOST_MACHINE_H
#define MOONPOST_MACHINE_H

#include "script/script.h"

/* Make require "moonpost.machine" work in this script. */
void machine_preload(struct script *script);

#endif
