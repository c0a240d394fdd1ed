/* A store on disk: an LMDB environment in a folder (data.mdb, lock.mdb). Each value carries a
 * CRC32C of key and value. */
#ifndef MOONPOST_STORE_LMDB_H
#define MOONPOST_STORE_LMDB_H

#include "store/store.h"

enum { STORE_FORMAT = 1 /* written by this version, and the newest it can read */ };

struct store_lmdb_options {
    const char *folder; /* there already; the caller holds its lock (folder.h) if it writes */
    uint64_t max_bytes; /* what the store may grow to; 0: 8 GiB */
    bool relaxed;       /* a power cut may undo the last commits, and never corrupts */
    bool read_only;     /* only look; also beside a process that writes. A store must be there */
};

/* NULL and a sentence of at most STORE_ERROR_BYTES that names path and fix. Everything is copied. A
 * first commit is flushed fully, also of a relaxed store. */
struct store *store_lmdb_open(const struct store_lmdb_options *options, char *error);

/* Write what is in the store now to a file, without free pages, and flush it. IO: see `error`. */
enum status store_lmdb_copy(struct store *store, int file);

/* The version of LMDB. */
const char *store_lmdb_version(void);

#endif
