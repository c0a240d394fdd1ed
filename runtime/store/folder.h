/* The folder that a node keeps its store in. One process at a time has it. */
#ifndef MOONPOST_FOLDER_H
#define MOONPOST_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* Make the folder (0700) if it is not there, and lock its file moonpost.pid, in which `holder` is
 * then written: the process that others are to stop. Answers the file, which holds the lock until
 * it is closed; -1 and a sentence of at most `size` bytes when another process has the folder or it
 * cannot be written. Waits a little for one whose holder has just died. */
int folder_lock(const char *folder, long holder, char *error, size_t size);

/* Flush the names in a folder. Answers 0 or the number of the error. */
int folder_sync(const char *folder);

/* The process that has the folder, 0: none. */
long folder_holder(const char *folder);

#endif
