/* The store on LMDB 0.9.24, the only file that names it.
 *
 * A commit is one write transaction, made and ended within one call: what it needs is measured from
 * inside, so that the map grows before it is full and the file before it is written to. Reads are
 * one transaction a call, aborted at its end: a forgotten one makes the file grow for good.
 *
 *   commit --MDB_MAP_FULL--> the map is doubled, up to max, and the batch begins anew
 *   commit --anything else--> nobody knows what is on disk: `commit` fails, the process must end
 *
 * Never used, because they lose or corrupt: MDB_NOSYNC, MDB_WRITEMAP, MDB_MAPASYNC; because later
 * fixes of LMDB are just there: MDB_DUPSORT, MDB_CURRENT, nested transactions. */
#include "store/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include "core/buffer.h"
#include "core/ensure.h"
#include "store/crc32c.h"
#include "store/folder.h"

#define MAX_DEFAULT (8ull << 30)
#define MAP_LEAST   (64ull << 20)
#define AHEAD_LEAST (1ull << 20)
#define AHEAD_MOST  (16ull << 20)

enum {
    CRC_BYTES = 4,
    OPS_MAX = 65536,         /* dirty pages of a transaction stay far below LMDB's 128 Ki */
    TOUCHED_MOST = 16 << 20, /* mapped bytes used before they are given back */
    LOW_DISK = 1 << 20,      /* so little left means that the file system is full */
    READER_CHECK_S = 60,
    STEP_BYTES = 1 << 18, /* the file is extended in writes of this size */
    PATH_BYTES_MAX = 4096,
};

struct lmdb {
    struct store store;
    struct store_engine engine; /* its own copy: relaxed differs */
    MDB_env *env;
    MDB_dbi dbi;
    char *folder;
    uint64_t max, map, page;
    uint64_t end;  /* of the pages that were ever used, bytes */
    uint64_t file; /* bytes the file has on disk */
    uint64_t used; /* pages in use */
    uint64_t records, commits;
    uint64_t touched;         /* bytes read or written through the map since it was given back */
    char *base;               /* of the map; NULL: not known */
    pthread_mutex_t mapping;  /* held while the map moves, and by those who read beside */
    char *base_beside;        /* the same as base, for them */
    char last[STORE_KEY_MAX]; /* no key is behind this one */
    size_t last_size;
    bool read_only, disk_full;
    time_t readers_checked;
    char error[STORE_ERROR_BYTES];
};

static const char format_key[] = "\0moonpost";

static struct lmdb *lmdb_of(struct store *store)
{
    return (struct lmdb *)store;
}

static MDB_val val_of(struct span span)
{
    return (MDB_val){span.size, (void *)(uintptr_t)span.bytes};
}

static struct span span_of_val(MDB_val val)
{
    return span_of(val.mv_data, val.mv_size);
}

/* ---- what went wrong ---- */

static void say(struct lmdb *lmdb, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct lmdb *lmdb, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(lmdb->error, sizeof lmdb->error, format, arguments);
    va_end(arguments);
}

/* LMDB says EIO for a write that came out short, so the file system is asked. */
static bool is_no_room(const struct lmdb *lmdb, int code)
{
    struct statvfs there;
    if (code == ENOSPC || code == EDQUOT || code == EFBIG) return true;
    if (code != EIO) return false;
    return lmdb->disk_full ||
           (statvfs(lmdb->folder, &there) == 0 && there.f_bavail * there.f_frsize < LOW_DISK);
}

static void say_failure(struct lmdb *lmdb, const char *what, int code)
{
    const char *folder = lmdb->folder;
    if (code == EACCES || code == EPERM || code == EROFS)
        say(lmdb,
            "cannot %s the store %s: %s; let this user write in that folder, or name another one "
            "with --store",
            what, folder, mdb_strerror(code));
    else if (code == MDB_INVALID || code == MDB_VERSION_MISMATCH)
        say(lmdb,
            "%s/data.mdb is no store of Moonpost, or badly damaged; move it away, or restore a "
            "backup",
            folder);
    else if (code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_PANIC)
        say(lmdb, "cannot %s the store %s: %s; look with: moonpost store check --store %s", what,
            folder, mdb_strerror(code), folder);
    else
        say(lmdb, "cannot %s the store %s: %s", what, folder, mdb_strerror(code));
}

static enum status fail_full(struct lmdb *lmdb, bool map)
{
    if (map)
        say(lmdb,
            "the store %s is full: it has all %llu MiB of store.max; raise max, or remove dead "
            "letters",
            lmdb->folder, (unsigned long long)(lmdb->max >> 20));
    else
        say(lmdb, "no room left on the file system of %s; make room there and start again",
            lmdb->folder);
    return STATUS_FULL;
}

static enum status fail(struct lmdb *lmdb, const char *what, int code)
{
    if (code == MDB_MAP_FULL || is_no_room(lmdb, code))
        return fail_full(lmdb, code == MDB_MAP_FULL);
    say_failure(lmdb, what, code);
    return STATUS_IO;
}

/* ---- the map ---- */

/* Where the map is, which LMDB does not tell: the mapping that has this byte of it. */
static void find_map(char **base, const char *byte)
{
    char line[512];
    unsigned long first, last;
    FILE *maps = *base ? NULL : fopen("/proc/self/maps", "re");
    if (!maps) return;
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx", &first, &last) != 2) continue;
        if (first <= (uintptr_t)byte && (uintptr_t)byte < last) *base = (char *)first;
    }
    fclose(maps);
}

/* Nobody reads beside meanwhile. */
static int move_map(struct lmdb *lmdb, uint64_t bytes)
{
    pthread_mutex_lock(&lmdb->mapping);
    int code = mdb_env_set_mapsize(lmdb->env, bytes);
    lmdb->base = lmdb->base_beside = NULL;
    pthread_mutex_unlock(&lmdb->mapping);
    return code;
}

static uint64_t whole_pages(const struct lmdb *lmdb, uint64_t bytes)
{
    return (bytes + lmdb->page - 1) / lmdb->page * lmdb->page;
}

/* No transaction may be open, and none is: all begin and end within a call. */
static int set_map(struct lmdb *lmdb, uint64_t bytes)
{
    if (bytes > lmdb->max) bytes = lmdb->max;
    bytes = whole_pages(lmdb, bytes > lmdb->end ? bytes : lmdb->end);
    int code = move_map(lmdb, bytes);
    if (code == 0) lmdb->map = bytes;
    return code;
}

static bool grow_map(struct lmdb *lmdb)
{
    uint64_t before = lmdb->map;
    return before < lmdb->max && set_map(lmdb, before * 2) == 0 && lmdb->map > before;
}

/* Writing into a file that is long enough is faster, and a full file system is seen here. */
static void extend_file(struct lmdb *lmdb)
{
    static const char zeros[STEP_BYTES];
    uint64_t ahead = lmdb->end < AHEAD_LEAST  ? AHEAD_LEAST
                     : lmdb->end > AHEAD_MOST ? AHEAD_MOST
                                              : lmdb->end;
    uint64_t wanted = lmdb->end + ahead < lmdb->max ? lmdb->end + ahead : lmdb->max;
    int file;
    if (mdb_env_get_fd(lmdb->env, &file) != 0) return;
    lmdb->disk_full = false;
    while (lmdb->file < wanted && !lmdb->disk_full) {
        uint64_t left = wanted - lmdb->file;
        ssize_t size =
            pwrite(file, zeros, left < STEP_BYTES ? left : STEP_BYTES, (off_t)lmdb->file);
        if (size > 0) lmdb->file += (uint64_t)size;
        if (size <= 0 && errno != EINTR) lmdb->disk_full = true;
    }
}

/* ---- transactions ---- */

/* What the store takes, as the next commit will leave it. */
static void note_use(struct lmdb *lmdb, MDB_txn *txn)
{
    MDB_stat data, spare;
    if (mdb_stat(txn, lmdb->dbi, &data) != 0 || mdb_stat(txn, 0, &spare) != 0) return;
    lmdb->used = 2 + data.ms_branch_pages + data.ms_leaf_pages + data.ms_overflow_pages +
                 spare.ms_branch_pages + spare.ms_leaf_pages + spare.ms_overflow_pages;
    lmdb->records = data.ms_entries ? data.ms_entries - 1 : 0; /* without the format's */
}

static void note_end(struct lmdb *lmdb)
{
    MDB_envinfo info;
    struct stat there;
    int file;
    if (mdb_env_info(lmdb->env, &info) == 0) {
        lmdb->end = (info.me_last_pgno + 1) * lmdb->page;
        lmdb->map = info.me_mapsize;
    }
    if (lmdb->file == 0 && mdb_env_get_fd(lmdb->env, &file) == 0 && fstat(file, &there) == 0)
        lmdb->file = (uint64_t)there.st_size;
    if (lmdb->file < lmdb->end) lmdb->file = lmdb->end;
}

/* Another process may have made the map larger since. */
static int begin(struct lmdb *lmdb, unsigned flags, MDB_txn **txn)
{
    int code = mdb_txn_begin(lmdb->env, NULL, flags, txn);
    if (code != MDB_MAP_RESIZED) return code;
    code = move_map(lmdb, 0);
    return code ? code : mdb_txn_begin(lmdb->env, NULL, flags, txn);
}

static uint32_t checksum(struct span key, struct span head, struct span value)
{
    uint32_t crc = crc32c(0, key.bytes, key.size);
    if (head.size > 0) crc = crc32c(crc, head.bytes, head.size);
    return value.size > 0 ? crc32c(crc, value.bytes, value.size) : crc;
}

static int order(struct span a, struct span b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int bytes = shorter > 0 ? memcmp(a.bytes, b.bytes, shorter) : 0;
    return bytes != 0 ? bytes : (a.size > b.size) - (a.size < b.size);
}

/* A key behind all others is appended: pages are filled up then instead of halved. */
static unsigned how_to_put(struct lmdb *lmdb, struct span key)
{
    if (order(key, span_of(lmdb->last, lmdb->last_size)) <= 0) return MDB_RESERVE;
    memcpy(lmdb->last, key.bytes, key.size);
    lmdb->last_size = key.size;
    return MDB_RESERVE | MDB_APPEND;
}

static int put(struct lmdb *lmdb, MDB_txn *txn, struct span key, struct span head,
               struct span value)
{
    MDB_val name = val_of(key), room = {CRC_BYTES + head.size + value.size, NULL};
    int code = mdb_put(txn, lmdb->dbi, &name, &room, how_to_put(lmdb, key));
    if (code != 0) return code;
    char *at = room.mv_data;
    put_u32(at, checksum(key, head, value));
    if (head.size > 0) memcpy(at + CRC_BYTES, head.bytes, head.size);
    if (value.size > 0) memcpy(at + CRC_BYTES + head.size, value.bytes, value.size);
    return 0;
}

static int change(struct lmdb *lmdb, MDB_txn *txn, const struct op *op)
{
    if (op->kind == OP_NOTHING) return 0;
    ensure(op->key.size > 0 && op->key.size <= STORE_KEY_MAX);
    if (op->kind == OP_PUT) return put(lmdb, txn, op->key, op->head, block_span(op->value));
    MDB_val key = val_of(op->key);
    int code = mdb_del(txn, lmdb->dbi, &key, NULL);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int write_batch(struct lmdb *lmdb, const struct op *ops, size_t count)
{
    MDB_txn *txn;
    int code = begin(lmdb, 0, &txn);
    if (code != 0) return code;
    for (size_t i = 0; i < count && code == 0; i++) code = change(lmdb, txn, &ops[i]);
    if (code != 0) return mdb_txn_abort(txn), code;
    note_use(lmdb, txn);
    return mdb_txn_commit(txn);
}

static enum status lmdb_commit(struct store *store, const struct op *ops, size_t count)
{
    struct lmdb *lmdb = lmdb_of(store);
    ensure(count <= OPS_MAX && !lmdb->read_only);
    int code;
    do {
        code = write_batch(lmdb, ops, count);
    } while (code == MDB_MAP_FULL && grow_map(lmdb));
    if (code != 0) return fail(lmdb, "write to", code);
    if (lmdb->commits++ == 0 && lmdb->engine.relaxed)
        mdb_env_set_flags(lmdb->env, MDB_NOMETASYNC, 1);
    lmdb->touched += count * lmdb->page;
    note_end(lmdb);
    return STATUS_OK;
}

/* Slots of readers that were killed would keep their pages for ever. */
static void check_readers(struct lmdb *lmdb)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (lmdb->readers_checked && now.tv_sec - lmdb->readers_checked < READER_CHECK_S) return;
    lmdb->readers_checked = now.tv_sec;
    mdb_reader_check(lmdb->env, NULL);
}

/* A node that only fills its store never sees an address in the map: ask for one. */
static void locate_map(struct lmdb *lmdb)
{
    MDB_txn *txn;
    MDB_val key = {sizeof format_key - 1, (void *)(uintptr_t)format_key}, val;
    if (begin(lmdb, MDB_RDONLY, &txn) != 0) return;
    if (mdb_get(txn, lmdb->dbi, &key, &val) == 0) find_map(&lmdb->base, val.mv_data);
    mdb_txn_abort(txn);
}

/* The pages stay in the system's cache; they only do not count as ours any more. */
static void give_back(struct lmdb *lmdb)
{
    if (lmdb->touched <= TOUCHED_MOST) return;
    lmdb->touched = 0;
    if (!lmdb->base) locate_map(lmdb);
    if (lmdb->base) madvise(lmdb->base, lmdb->map, MADV_DONTNEED);
}

static void lmdb_tend(struct store *store)
{
    struct lmdb *lmdb = lmdb_of(store);
    if (lmdb->read_only) return;
    if (lmdb->end > lmdb->map / 2) grow_map(lmdb);
    extend_file(lmdb);
    check_readers(lmdb);
    give_back(lmdb);
}

/* ---- reading ---- */

/* A flipped bit may have made the size of a value anything. */
static bool is_in_map(const char *base, uint64_t map, MDB_val val)
{
    const char *bytes = val.mv_data;
    if (!base) return true;
    return bytes >= base && bytes <= base + map && val.mv_size <= (size_t)(base + map - bytes);
}

/* Copies the value, and behind it the key, whose copy becomes the record's. */
static void copy_record(MDB_val key, MDB_val val, bool whole, struct store_record *record)
{
    whole = whole && val.mv_size >= CRC_BYTES;
    const char *bytes = val.mv_data;
    struct span value =
        whole ? span_of(bytes + CRC_BYTES, val.mv_size - CRC_BYTES) : span_of(NULL, 0);
    struct block *block = block_new(value.size + key.mv_size);
    if (value.size > 0) memcpy(block->bytes, value.bytes, value.size);
    memcpy(block->bytes + value.size, key.mv_data, key.mv_size);
    record->key = span_of(block->bytes + value.size, key.mv_size);
    record->value = block;
    record->damaged =
        !whole || checksum(span_of_val(key), value, span_of(NULL, 0)) != get_u32(bytes);
    block->size = (uint32_t)value.size;
}

static void take_record(struct lmdb *lmdb, MDB_val key, MDB_val val, struct store_record *record)
{
    find_map(&lmdb->base, val.mv_data);
    copy_record(key, val, is_in_map(lmdb->base, lmdb->map, val), record);
    lmdb->touched += lmdb->page + record->value->size;
}

static int read_many(struct lmdb *lmdb, MDB_txn *txn, struct store_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct span wanted = records[i].key;
        MDB_val key = val_of(wanted), val;
        int code = mdb_get(txn, lmdb->dbi, &key, &val);
        if (code == MDB_NOTFOUND) continue;
        if (code != 0) return code;
        take_record(lmdb, key, val, &records[i]);
        records[i].key = wanted;
    }
    return 0;
}

static enum status lmdb_get_many(struct store *store, struct store_record *records, size_t count)
{
    struct lmdb *lmdb = lmdb_of(store);
    MDB_txn *txn;
    for (size_t i = 0; i < count; i++) {
        records[i].value = NULL;
        records[i].damaged = false;
    }
    int code = begin(lmdb, MDB_RDONLY, &txn);
    if (code != 0) return fail(lmdb, "read", code);
    code = read_many(lmdb, txn, records, count);
    mdb_txn_abort(txn);
    give_back(lmdb);
    if (code == 0) return STATUS_OK;
    for (size_t i = 0; i < count; i++) block_release(records[i].value);
    return fail(lmdb, "read", code);
}

static enum status lmdb_get(struct store *store, struct span key, struct block **value)
{
    struct store_record record = {.key = key};
    enum status status = lmdb_get_many(store, &record, 1);
    if (status != STATUS_OK) return status;
    if (!record.value) return STATUS_NOT_FOUND;
    *value = record.value;
    return record.damaged ? STATUS_DAMAGED : STATUS_OK;
}

static bool begins_with(struct span key, struct span prefix)
{
    return key.size >= prefix.size &&
           (prefix.size == 0 || memcmp(key.bytes, prefix.bytes, prefix.size) == 0);
}

static bool is_format(struct span key)
{
    return span_equal(key, span_of(format_key, sizeof format_key - 1));
}

/* How a record of a page is taken: by the thread that uses the store, or beside it. */
typedef void take_function(struct lmdb *lmdb, MDB_val key, MDB_val val, struct store_record *);

static int fill_page(struct lmdb *lmdb, MDB_cursor *cursor, struct span prefix, struct span start,
                     take_function *take, struct store_page *page)
{
    MDB_val key = val_of(start), val;
    size_t bytes = 0;
    int code = mdb_cursor_get(cursor, &key, &val, start.size > 0 ? MDB_SET_RANGE : MDB_FIRST);
    for (; code == 0; code = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) {
        if (!begins_with(span_of_val(key), prefix)) return 0;
        if (is_format(span_of_val(key))) continue;
        page->more = page->count == STORE_PAGE_MAX || bytes >= STORE_PAGE_BYTES;
        if (page->more) return 0;
        take(lmdb, key, val, &page->records[page->count++]);
        bytes += key.mv_size + val.mv_size;
    }
    return code == MDB_NOTFOUND ? 0 : code;
}

static int read_page(struct lmdb *lmdb, MDB_txn *txn, struct span prefix, struct span from,
                     take_function *take, struct store_page *page)
{
    MDB_cursor *cursor;
    page->count = 0;
    page->more = false;
    int code = mdb_cursor_open(txn, lmdb->dbi, &cursor);
    if (code != 0) return code;
    code = fill_page(lmdb, cursor, prefix, order(from, prefix) > 0 ? from : prefix, take, page);
    mdb_cursor_close(cursor);
    return code;
}

static enum status lmdb_scan(struct store *store, struct span prefix, struct span from,
                             struct store_page *page)
{
    struct lmdb *lmdb = lmdb_of(store);
    MDB_txn *txn;
    page->count = 0;
    page->more = false;
    int code = begin(lmdb, MDB_RDONLY, &txn);
    if (code != 0) return fail(lmdb, "read", code);
    code = read_page(lmdb, txn, prefix, from, take_record, page);
    mdb_txn_abort(txn);
    give_back(lmdb);
    if (code == 0) return STATUS_OK;
    store_page_release(page);
    return fail(lmdb, "read", code);
}

/* ---- beside the thread that uses the store ---- */

static void take_beside(struct lmdb *lmdb, MDB_val key, MDB_val val, struct store_record *record)
{
    MDB_envinfo info;
    find_map(&lmdb->base_beside, val.mv_data);
    mdb_env_info(lmdb->env, &info);
    copy_record(key, val, is_in_map(lmdb->base_beside, info.me_mapsize, val), record);
}

static int peek_record(struct lmdb *lmdb, struct span wanted, struct store_record *record)
{
    MDB_txn *txn;
    MDB_val key = val_of(wanted), val;
    int code = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);
    if (code != 0) return code;
    code = mdb_get(txn, lmdb->dbi, &key, &val);
    if (code == 0) take_beside(lmdb, key, val, record);
    mdb_txn_abort(txn);
    return code;
}

static enum status lmdb_peek(struct store *store, struct span key, struct block **value)
{
    struct lmdb *lmdb = lmdb_of(store);
    struct store_record record;
    pthread_mutex_lock(&lmdb->mapping);
    int code = peek_record(lmdb, key, &record);
    pthread_mutex_unlock(&lmdb->mapping);
    if (code != 0) return code == MDB_NOTFOUND ? STATUS_NOT_FOUND : STATUS_IO;
    *value = record.value;
    return record.damaged ? STATUS_DAMAGED : STATUS_OK;
}

static enum status lmdb_peek_page(struct store *store, struct span prefix, struct span from,
                                  struct store_page *page)
{
    struct lmdb *lmdb = lmdb_of(store);
    MDB_txn *txn;
    page->count = 0;
    page->more = false;
    pthread_mutex_lock(&lmdb->mapping);
    int code = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);
    if (code == 0) {
        code = read_page(lmdb, txn, prefix, from, take_beside, page);
        mdb_txn_abort(txn);
    }
    pthread_mutex_unlock(&lmdb->mapping);
    return code == 0 ? STATUS_OK : STATUS_IO;
}

/* ---- what it is ---- */

static void look(struct lmdb *lmdb)
{
    MDB_txn *txn;
    if (begin(lmdb, MDB_RDONLY, &txn) != 0) return;
    note_use(lmdb, txn);
    mdb_txn_abort(txn);
    note_end(lmdb);
}

static void lmdb_stat(struct store *store, struct store_stat *stat)
{
    struct lmdb *lmdb = lmdb_of(store);
    look(lmdb);
    *stat = (struct store_stat){
        .records = lmdb->records,
        .bytes = lmdb->used * lmdb->page,
        .commits = lmdb->commits,
        .map_bytes = lmdb->map,
        .file_bytes = lmdb->file,
        .max_bytes = lmdb->max,
        .used_pages = lmdb->used,
        .free_pages = lmdb->end / lmdb->page > lmdb->used ? lmdb->end / lmdb->page - lmdb->used : 0,
        .page_bytes = lmdb->page,
        .format = STORE_FORMAT,
    };
}

/* On a full file system what the file has is all there is. */
static struct store_room lmdb_room(struct store *store)
{
    const struct lmdb *lmdb = lmdb_of(store);
    struct store_room room = {.used_bytes = lmdb->used * lmdb->page, .max_bytes = lmdb->max};
    if (lmdb->disk_full && lmdb->file < room.max_bytes) room.max_bytes = lmdb->file;
    room.full = room.used_bytes >= room.max_bytes / 5 * 4;
    return room;
}

static const char *lmdb_error(struct store *store)
{
    return lmdb_of(store)->error;
}

enum status store_lmdb_copy(struct store *store, int file)
{
    struct lmdb *lmdb = lmdb_of(store);
    int code = mdb_env_copyfd2(lmdb->env, file, MDB_CP_COMPACT);
    if (code == 0 && fsync(file) != 0) code = errno;
    return code == 0 ? STATUS_OK : fail(lmdb, "copy", code);
}

const char *store_lmdb_version(void)
{
    return mdb_version(NULL, NULL, NULL);
}

/* ---- life ---- */

/* The last commits of a relaxed store are not flushed yet: whoever stops it may do so at once. */
static void lmdb_close(struct store *store)
{
    struct lmdb *lmdb = lmdb_of(store);
    if (lmdb->commits > 0 && lmdb->engine.relaxed) mdb_env_sync(lmdb->env, 1);
    if (lmdb->env) mdb_env_close(lmdb->env);
    pthread_mutex_destroy(&lmdb->mapping);
    free(lmdb->folder);
    free(lmdb);
}

static const struct store_engine lmdb_engine = {
    .name = "lmdb",
    .durable = true,
    .commit = lmdb_commit,
    .tend = lmdb_tend,
    .get = lmdb_get,
    .get_many = lmdb_get_many,
    .scan = lmdb_scan,
    .peek = lmdb_peek,
    .peek_page = lmdb_peek_page,
    .stat = lmdb_stat,
    .room = lmdb_room,
    .error = lmdb_error,
    .close = lmdb_close,
};

static struct lmdb *lmdb_new(const struct store_lmdb_options *options)
{
    struct lmdb *lmdb = calloc(1, sizeof *lmdb);
    ensure(lmdb != NULL);
    lmdb->engine = lmdb_engine;
    pthread_mutex_init(&lmdb->mapping, NULL);
    lmdb->engine.relaxed = options->relaxed;
    lmdb->store.engine = &lmdb->engine;
    lmdb->folder = strdup(options->folder);
    lmdb->read_only = options->read_only;
    lmdb->page = (uint64_t)sysconf(_SC_PAGESIZE);
    lmdb->max = whole_pages(lmdb, options->max_bytes ? options->max_bytes : MAX_DEFAULT);
    return lmdb;
}

/* Where a file of the folder is, in `path` (PATH_BYTES_MAX). */
static const char *path_to(const struct lmdb *lmdb, const char *name, char *path)
{
    snprintf(path, PATH_BYTES_MAX, "%s/%s", lmdb->folder, name);
    return path;
}

/* Bytes of data.mdb; 0: there is none. */
static uint64_t size_of_file(const struct lmdb *lmdb)
{
    char path[PATH_BYTES_MAX];
    struct stat there;
    return stat(path_to(lmdb, "data.mdb", path), &there) == 0 ? (uint64_t)there.st_size : 0;
}

static int write_format(struct lmdb *lmdb)
{
    char number[4];
    MDB_txn *txn;
    int code = begin(lmdb, 0, &txn);
    if (code != 0) return code;
    put_u32(number, STORE_FORMAT);
    code = mdb_dbi_open(txn, NULL, 0, &lmdb->dbi);
    if (code == 0)
        code = put(lmdb, txn, span_of(format_key, sizeof format_key - 1), span_of(number, 4),
                   span_of(NULL, 0));
    if (code == 0) return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return code;
}

/* A store with nothing but its format. */
static int write_store(struct lmdb *lmdb, const char *path)
{
    int code = mdb_env_create(&lmdb->env);
    if (code != 0) return code;
    code = mdb_env_open(lmdb->env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS, 0600);
    if (code == 0) code = write_format(lmdb);
    mdb_env_close(lmdb->env);
    lmdb->env = NULL;
    return code;
}

/* A new store gets its name when all of it is flushed: LMDB writes its first pages into a file that
 * a power cut would leave half there, and then nobody knows whether it ever was a store. */
static int create_file(struct lmdb *lmdb)
{
    char fresh[PATH_BYTES_MAX], path[PATH_BYTES_MAX];
    path_to(lmdb, "new.mdb", fresh);
    path_to(lmdb, "data.mdb", path);
    unlink(fresh);
    int code = write_store(lmdb, fresh);
    if (code == 0 && rename(fresh, path) != 0) code = errno;
    return code == 0 ? folder_sync(lmdb->folder) : code;
}

static int open_env(struct lmdb *lmdb)
{
    uint64_t file = size_of_file(lmdb), map = file * 2 > MAP_LEAST ? file * 2 : MAP_LEAST;
    if (lmdb->read_only && file == 0) return ENOENT;
    int code = lmdb->read_only || file > 0 ? 0 : create_file(lmdb);
    if (code == 0) code = mdb_env_create(&lmdb->env);
    if (code == 0 && !lmdb->read_only)
        code = mdb_env_set_mapsize(lmdb->env, map < lmdb->max ? map : lmdb->max);
    if (code != 0) return code;
    return mdb_env_open(lmdb->env, lmdb->folder, MDB_NOTLS | (lmdb->read_only ? MDB_RDONLY : 0),
                        0600);
}

static int find_last(struct lmdb *lmdb, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, val;
    int code = mdb_cursor_open(txn, lmdb->dbi, &cursor);
    if (code != 0) return code;
    code = mdb_cursor_get(cursor, &key, &val, MDB_LAST);
    if (code == 0 && key.mv_size <= sizeof lmdb->last) {
        memcpy(lmdb->last, key.mv_data, key.mv_size);
        lmdb->last_size = key.mv_size;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int open_records(struct lmdb *lmdb)
{
    MDB_txn *txn;
    int code = begin(lmdb, MDB_RDONLY, &txn);
    if (code != 0) return code;
    code = mdb_dbi_open(txn, NULL, 0, &lmdb->dbi);
    if (code == 0) code = find_last(lmdb, txn);
    if (code == 0) return mdb_txn_commit(txn); /* of a reader: keeps the handle */
    mdb_txn_abort(txn);
    return code;
}

static enum status judge_format(struct lmdb *lmdb, const struct store_record *record)
{
    const char *folder = lmdb->folder;
    if (record->damaged || record->value->size < 4) {
        say(lmdb, "the format record of the store %s is damaged; restore a backup", folder);
        return STATUS_DAMAGED;
    }
    uint32_t format = get_u32(record->value->bytes);
    if (format <= STORE_FORMAT) return STATUS_OK;
    say(lmdb,
        "the store %s has format %u and this version knows formats up to %d; run the newer "
        "moonpost "
        "that wrote it, or name another folder with --store",
        folder, format, STORE_FORMAT);
    return STATUS_IO;
}

static enum status check_format(struct lmdb *lmdb)
{
    struct store_record record = {.key = span_of(format_key, sizeof format_key - 1)};
    enum status status = lmdb_get_many(&lmdb->store, &record, 1);
    if (status != STATUS_OK) return status;
    if (record.value) {
        status = judge_format(lmdb, &record);
        block_release(record.value);
        return status;
    }
    return fail(lmdb, "open", MDB_INVALID);
}

static enum status open_all(struct lmdb *lmdb)
{
    int code = open_env(lmdb);
    if (code == ENOENT) {
        say(lmdb, "there is no store in %s; name its folder with --store", lmdb->folder);
        return STATUS_NOT_FOUND;
    }
    if (code == 0) code = open_records(lmdb);
    if (code != 0) return fail(lmdb, "open", code);
    note_end(lmdb);
    return check_format(lmdb);
}

struct store *store_lmdb_open(const struct store_lmdb_options *options, char *error)
{
    struct lmdb *lmdb = lmdb_new(options);
    if (open_all(lmdb) == STATUS_OK) {
        look(lmdb);
        lmdb_tend(&lmdb->store);
        return &lmdb->store;
    }
    memcpy(error, lmdb->error, sizeof lmdb->error);
    lmdb_close(&lmdb->store);
    return NULL;
}
