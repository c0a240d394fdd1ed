/* Looking after stores. */
#include "shell/upkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "shell/bind.h"
#include "store/check.h"
#include "store/folder.h"
#include "store/store_lmdb.h"

enum { PATH_BYTES_MAX = 4096 };

static int fail(lua_State *L, const char *error)
{
    return bind_fail(L, "IO", error);
}

static int fail_at(lua_State *L, const char *path, int number)
{
    return bind_fail_errno(L, path, number);
}

static void set_number(lua_State *L, const char *name, uint64_t value)
{
    lua_pushnumber(L, (lua_Number)value);
    lua_setfield(L, -2, name);
}

static struct store *open_to_look(const char *folder, char *error)
{
    struct store_lmdb_options options = {.folder = folder, .read_only = true};
    return store_lmdb_open(&options, error);
}

/* ---- stat ---- */

static int upkeep_stat(lua_State *L)
{
    char error[STORE_ERROR_BYTES];
    struct store_stat stat;
    const char *folder = luaL_checkstring(L, 1);
    struct store *store = open_to_look(folder, error);
    if (!store) return fail(L, error);
    store->engine->stat(store, &stat);
    store->engine->close(store);
    lua_createtable(L, 0, 9);
    set_number(L, "records", stat.records);
    set_number(L, "used", stat.used_pages * stat.page_bytes);
    set_number(L, "free", stat.free_pages * stat.page_bytes);
    set_number(L, "file", stat.file_bytes);
    set_number(L, "map", stat.map_bytes);
    set_number(L, "page", stat.page_bytes);
    set_number(L, "format", stat.format);
    set_number(L, "holder", (uint64_t)folder_holder(folder));
    lua_pushstring(L, store_lmdb_version());
    lua_setfield(L, -2, "lmdb");
    return 1;
}

/* ---- check ---- */

struct findings {
    lua_State *L;
    int table; /* of the findings */
    size_t count, most;
};

static void add_finding(void *user, struct span key, const char *what)
{
    struct findings *findings = user;
    lua_State *L = findings->L;
    if (findings->count++ >= findings->most) return;
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, key.bytes, key.size);
    lua_setfield(L, -2, "key");
    lua_pushstring(L, what);
    lua_setfield(L, -2, "what");
    lua_rawseti(L, findings->table, (int)findings->count);
}

static int push_counts(lua_State *L, const struct check_counts *counts)
{
    lua_createtable(L, 0, 9);
    set_number(L, "records", counts->records);
    set_number(L, "messages", counts->messages);
    set_number(L, "dead", counts->dead);
    set_number(L, "facts", counts->facts);
    set_number(L, "lanes", counts->lanes);
    set_number(L, "outboxes", counts->outboxes);
    set_number(L, "epochs", counts->epochs);
    set_number(L, "found", counts->findings);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "findings");
    return 1;
}

static int upkeep_check(lua_State *L)
{
    char error[STORE_ERROR_BYTES];
    struct check_counts counts;
    struct store *store = open_to_look(luaL_checkstring(L, 1), error);
    if (!store) return fail(L, error);
    lua_newtable(L);
    struct findings findings = {
        .L = L, .table = lua_gettop(L), .most = (size_t)luaL_optinteger(L, 2, 20)};
    enum status status = store_check(store, &(struct check_calls){&findings, add_finding}, &counts);
    if (status != STATUS_OK) snprintf(error, sizeof error, "%s", store->engine->error(store));
    store->engine->close(store);
    return status == STATUS_OK ? push_counts(L, &counts) : fail(L, error);
}

/* ---- copies ---- */

/* Copy the store to a new file beside `path`, then give it that name: it is there whole or not at
 * all. The store is closed. */
static bool copy_to(struct store *store, const char *folder, const char *path, char *error)
{
    char fresh[PATH_BYTES_MAX + 8];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool copied = file >= 0 && store_lmdb_copy(store, file) == STATUS_OK;
    if (file < 0)
        snprintf(error, STORE_ERROR_BYTES, "%.400s: %s", fresh, strerror(errno));
    else if (!copied)
        snprintf(error, STORE_ERROR_BYTES, "%s", store->engine->error(store));
    store->engine->close(store);
    if (file >= 0) close(file);
    if (copied && rename(fresh, path) != 0) {
        snprintf(error, STORE_ERROR_BYTES, "%.400s: %s", path, strerror(errno));
        copied = false;
    }
    if (!copied) unlink(fresh);
    if (copied) folder_sync(folder);
    return copied;
}

static uint64_t bytes_of(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 ? (uint64_t)there.st_size : 0;
}

static bool compact(const char *folder, const char *path, char *error)
{
    struct store *store = open_to_look(folder, error);
    return store && copy_to(store, folder, path, error);
}

static int upkeep_compact(lua_State *L)
{
    char error[STORE_ERROR_BYTES], path[PATH_BYTES_MAX];
    const char *folder = luaL_checkstring(L, 1);
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    uint64_t before = bytes_of(path);
    if (before == 0) return fail_at(L, path, ENOENT);
    int lock = folder_lock(folder, (long)getpid(), error, sizeof error);
    if (lock < 0) return fail(L, error);
    bool done = compact(folder, path, error);
    close(lock);
    if (!done) return fail(L, error);
    lua_createtable(L, 0, 2);
    set_number(L, "before", before);
    set_number(L, "after", bytes_of(path));
    return 1;
}

static int upkeep_backup(lua_State *L)
{
    char error[STORE_ERROR_BYTES], path[PATH_BYTES_MAX];
    const char *folder = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
    snprintf(path, sizeof path, "%s/data.mdb", to);
    struct store *store = open_to_look(folder, error);
    if (!store) return fail(L, error);
    int number = mkdir(to, 0700) != 0 && errno != EEXIST ? errno : 0;
    if (number == 0 && access(path, F_OK) == 0) number = EEXIST;
    if (number != 0) {
        store->engine->close(store);
        return fail_at(L, number == EEXIST ? path : to, number);
    }
    if (!copy_to(store, to, path, error)) return fail(L, error);
    lua_createtable(L, 0, 1);
    set_number(L, "bytes", bytes_of(path));
    return 1;
}

void upkeep_preload(struct script *script)
{
    static const luaL_Reg functions[] = {{"stat", upkeep_stat},
                                         {"check", upkeep_check},
                                         {"compact", upkeep_compact},
                                         {"backup", upkeep_backup},
                                         {NULL, NULL}};
    static const char *const waits[] = {NULL};
    static const struct bind_module module = {"moonpost.store", functions, waits};
    bind_preload(script, &module, NULL);
}
