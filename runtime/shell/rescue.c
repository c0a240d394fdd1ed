/* Copying what would otherwise end with the process. */
#include "shell/rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "store/folder.h"
#include "store/store_lmdb.h"

enum { PATH_BYTES_MAX = 4096, STAMP_BYTES = 32 };

static void stamp(char *out)
{
    struct tm at;
    time_t now = time(NULL);
    localtime_r(&now, &at);
    strftime(out, STAMP_BYTES, "%Y%m%d-%H%M%S", &at);
}

/* 0, or the number of the error; LMDB has said its own. */
static int copy_to(struct store *store, const char *beside)
{
    char path[PATH_BYTES_MAX];
    snprintf(path, sizeof path, "%s/data.mdb", beside);
    if (mkdir(beside, 0700) != 0) return errno;
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return errno;
    bool copied = store_lmdb_copy(store, file) == STATUS_OK;
    close(file);
    return copied ? folder_sync(beside) : EIO;
}

void rescue_store(struct store *store, const char *folder, char *text)
{
    char when[STAMP_BYTES], beside[PATH_BYTES_MAX - STAMP_BYTES];
    stamp(when);
    snprintf(beside, sizeof beside, "%.3900s.rescued-%s", folder, when);
    int number = copy_to(store, beside);
    if (number == 0)
        snprintf(text, STORE_ERROR_BYTES,
                 "what it held is in %.100s; to go on with that: stop the node, rm -r %.70s, mv "
                 "%.100s %.70s",
                 beside, folder, beside, folder);
    else
        snprintf(text, STORE_ERROR_BYTES,
                 "what it held is lost, for it could not be copied to %.140s: %s", beside,
                 strerror(number));
}
