/* The page of core/inhand.h in a file of the store's folder, mapped and shared: what is written to
 * it is there after the process was killed or aborted, and is not believed after another boot. */
#ifndef MOONPOST_INHAND_FILE_H
#define MOONPOST_INHAND_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include "core/inhand.h"

struct inhand_file;

/* Open or make the file "inhand" of the folder. `*found` is what the process before left in it, of
 * this boot and of an earlier start (`epoch`) of this store (STORE_ID_BYTES); else nothing. The
 * file keeps saying that until inhand_begin. NULL and a sentence when it cannot be used. */
struct inhand_file *inhand_open(const char *folder, const char *store_id, uint64_t epoch,
                                struct inhand *found, char *error, size_t size);

/* From here on the page is this process's: empty, and written by whoever runs handlers. Valid until
 * inhand_close. */
struct inhand *inhand_begin(struct inhand_file *file);

/* NULL is allowed. */
void inhand_close(struct inhand_file *file);

#endif
