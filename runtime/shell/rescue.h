/* A store whose file has lost its name: what it holds is copied to a folder beside, while its
 * process still has it. */
#ifndef MOONPOST_RESCUE_H
#define MOONPOST_RESCUE_H

#include "store/store.h"

/* Copy a store on disk, which was at `folder`, to a new folder beside that; on the store's thread.
 * Writes a sentence of at most STORE_ERROR_BYTES: where it is, or why there is no copy. */
void rescue_store(struct store *store, const char *folder, char *text);

#endif
