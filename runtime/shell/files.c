/* Files and folders for Lua. */
#include "shell/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "shell/bind.h"

enum { OPEN_FOLDERS_MAX = 16, PATH_BYTES_MAX = 4096 };

static int push_done(lua_State *L)
{
    lua_pushboolean(L, true);
    return 1;
}

int files_read(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    FILE *file = fopen(path, "re");
    if (!file) return bind_fail_errno(L, path, errno);
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    size_t size;
    do {
        size = fread(luaL_prepbuffer(&text), 1, LUAL_BUFFERSIZE, file);
        luaL_addsize(&text, size);
    } while (size);
    int number = ferror(file) ? errno : 0;
    fclose(file);
    if (number) return bind_fail_errno(L, path, number);
    luaL_pushresult(&text);
    return 1;
}

int files_list(lua_State *L)
{
    const char *pattern = luaL_checkstring(L, 1);
    glob_t found = {0};
    lua_newtable(L);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            lua_pushstring(L, found.gl_pathv[i]);
            lua_rawseti(L, -2, (int)i + 1);
        }
    globfree(&found);
    return 1;
}

int files_kind(lua_State *L)
{
    struct stat at;
    if (stat(luaL_checkstring(L, 1), &at) != 0) return 0;
    lua_pushstring(L, S_ISDIR(at.st_mode) ? "folder" : "file");
    return 1;
}

/* ---- trees ---- */

static int remove_one(const char *path, const struct stat *at, int type, struct FTW *where)
{
    (void)at;
    (void)type;
    (void)where;
    return remove(path) == 0 ? 0 : errno;
}

int files_remove(const char *path)
{
    int status = nftw(path, remove_one, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS);
    return status == -1 ? errno : status;
}

int files_remove_tree(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int number = files_remove(path);
    return number ? bind_fail_errno(L, path, number) : push_done(L);
}

static int copy_bytes(int from, int to, off_t size)
{
    while (size > 0) {
        ssize_t copied = sendfile(to, from, NULL, (size_t)size);
        if (copied < 0) return errno;
        if (copied == 0) return EIO;
        size -= copied;
    }
    return 0;
}

static int copy_file(const char *from, const char *to, const struct stat *at)
{
    int source = open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0) return errno;
    int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, at->st_mode & 0777);
    int status = target < 0 ? errno : copy_bytes(source, target, at->st_size);
    close(source);
    if (target >= 0 && close(target) != 0 && status == 0) status = errno;
    return status;
}

static int copy_one(const char *from, const char *to);

static int copy_entries(DIR *folder, const char *from, const char *to)
{
    char source[PATH_BYTES_MAX], target[PATH_BYTES_MAX];
    const struct dirent *entry;
    int status = 0;
    while (status == 0 && (entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
        snprintf(target, sizeof target, "%s/%s", to, entry->d_name);
        status = copy_one(source, target);
    }
    return status;
}

static int copy_folder(const char *from, const char *to)
{
    if (mkdir(to, 0777) != 0) return errno;
    DIR *folder = opendir(from);
    if (!folder) return errno;
    int status = copy_entries(folder, from, to);
    closedir(folder);
    return status;
}

static int copy_one(const char *from, const char *to)
{
    struct stat at;
    if (stat(from, &at) != 0) return errno;
    if (S_ISDIR(at.st_mode)) return copy_folder(from, to);
    return S_ISREG(at.st_mode) ? copy_file(from, to, &at) : 0;
}

int files_make_folder(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    return mkdir(path, 0777) == 0 ? push_done(L) : bind_fail_errno(L, path, errno);
}

int files_copy_tree(lua_State *L)
{
    const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
    int number = copy_one(from, to);
    return number ? bind_fail_errno(L, to, number) : push_done(L);
}

/* ---- where we are ---- */

int files_cwd(lua_State *L)
{
    char path[PATH_BYTES_MAX];
    if (!getcwd(path, sizeof path)) return bind_fail_errno(L, "getcwd", errno);
    lua_pushstring(L, path);
    return 1;
}

int files_exe(lua_State *L)
{
    char path[PATH_BYTES_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    if (size < 0) return bind_fail_errno(L, "/proc/self/exe", errno);
    lua_pushlstring(L, path, (size_t)size);
    return 1;
}

int files_isatty(lua_State *L)
{
    static const char *const names[] = {"stdin", "stdout", "stderr", NULL};
    lua_pushboolean(L, isatty(luaL_checkoption(L, 1, NULL, names)));
    return 1;
}

int files_columns(lua_State *L)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    if (size.ws_col == 0) return 0;
    lua_pushinteger(L, size.ws_col);
    return 1;
}
