/* Facts of the machine: file systems, limits, who listens, who has a folder. */
#include "shell/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "shell/address.h"
#include "shell/bind.h"
#include "shell/override.h"
#include "store/folder.h"

#define PREFIX "MOONPOST_"

enum { PROBE_MS = 1000, LINK_BYTES_MAX = 4096 };

/* ---- file systems ---- */

struct file_system {
    unsigned long magic; /* statfs(2) */
    const char *name;
    bool memory, network;
};

static const struct file_system file_systems[] = {
    {0x01021994, "tmpfs", true, false},    {0x858458f6, "ramfs", true, false},
    {0x6969, "NFS", false, true},          {0xff534d42, "CIFS", false, true},
    {0xfe534d42, "SMB", false, true},      {0x517b, "SMB", false, true},
    {0x01021997, "9P", false, true},       {0x65735546, "FUSE", false, false},
    {0x5346414f, "AFS", false, true},      {0x00c36400, "Ceph", false, true},
    {0xef53, "ext4", false, false},        {0x58465342, "XFS", false, false},
    {0x9123683e, "Btrfs", false, false},   {0x2fc12fc1, "ZFS", false, false},
    {0x794c7630, "overlay", false, false},
};

static struct file_system kind_of(unsigned long magic)
{
    for (size_t i = 0; i < sizeof file_systems / sizeof *file_systems; i++)
        if (file_systems[i].magic == magic) return file_systems[i];
    return (struct file_system){.name = "another"};
}

static void set_flag(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static int machine_file_system(lua_State *L)
{
    struct statfs facts;
    const char *path = luaL_checkstring(L, 1);
    if (statfs(path, &facts) != 0) return bind_fail_errno(L, path, errno);
    struct file_system kind = kind_of((unsigned long)facts.f_type);
    lua_createtable(L, 0, 5);
    lua_pushstring(L, kind.name);
    lua_setfield(L, -2, "kind");
    set_flag(L, "memory", kind.memory);
    set_flag(L, "network", kind.network);
    lua_pushnumber(L, (double)facts.f_bavail * (double)facts.f_bsize);
    lua_setfield(L, -2, "free");
    lua_pushnumber(L, (double)facts.f_blocks * (double)facts.f_bsize);
    lua_setfield(L, -2, "size");
    return 1;
}

/* ---- files ---- */

static int machine_open_files(lua_State *L)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return bind_fail_errno(L, "getrlimit", errno);
    lua_pushnumber(L, limit.rlim_cur == RLIM_INFINITY ? 1e15 : (double)limit.rlim_cur);
    return 1;
}

static int machine_can_write(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    if (access(path, W_OK) != 0) return bind_fail_errno(L, path, errno);
    lua_pushboolean(L, true);
    return 1;
}

static int machine_modified(lua_State *L)
{
    struct stat facts;
    const char *path = luaL_checkstring(L, 1);
    if (stat(path, &facts) != 0) return bind_fail_errno(L, path, errno);
    lua_pushnumber(L, (double)facts.st_mtim.tv_sec + (double)facts.st_mtim.tv_nsec / 1e9);
    return 1;
}

static int machine_is_socket(lua_State *L)
{
    struct stat facts;
    lua_pushboolean(L, stat(luaL_checkstring(L, 1), &facts) == 0 && S_ISSOCK(facts.st_mode));
    return 1;
}

/* ---- who has a folder ---- */

static int machine_holder(lua_State *L)
{
    lua_pushinteger(L, folder_holder(luaL_checkstring(L, 1)));
    return 1;
}

/* Has the process a file open whose name was `path` and is gone? */
static bool has_deleted(const char *process, const char *path)
{
    char folder[64], link[LINK_BYTES_MAX], wanted[LINK_BYTES_MAX];
    snprintf(folder, sizeof folder, "/proc/%.20s/fd", process);
    snprintf(wanted, sizeof wanted, "%.4000s (deleted)", path);
    DIR *files = opendir(folder); /* of others: denied */
    bool found = false;
    for (struct dirent *entry; files && !found && (entry = readdir(files));) {
        ssize_t size = readlinkat(dirfd(files), entry->d_name, link, sizeof link - 1);
        link[size > 0 ? size : 0] = 0;
        found = strcmp(link, wanted) == 0;
    }
    if (files) closedir(files);
    return found;
}

/* The folder itself may be gone, so its path is made of its parent's. */
static bool whole_path(const char *folder, char *path)
{
    char parent[PATH_MAX], name[PATH_MAX];
    const char *slash = strrchr(folder, '/');
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : folder);
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - folder) + 1 : 1,
             slash ? folder : ".");
    char *whole = realpath(parent, NULL);
    if (whole) snprintf(path, PATH_MAX, "%.2000s/%.1000s/moonpost.pid", whole, name);
    free(whole);
    return whole != NULL;
}

static int machine_orphan(lua_State *L)
{
    char path[PATH_MAX];
    bool known = whole_path(luaL_checkstring(L, 1), path);
    DIR *processes = known ? opendir("/proc") : NULL;
    lua_settop(L, 0);
    for (struct dirent *entry; processes && !lua_gettop(L) && (entry = readdir(processes));) {
        bool process = entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
        if (process && has_deleted(entry->d_name, path))
            lua_pushinteger(L, (lua_Integer)strtol(entry->d_name, NULL, 10));
    }
    if (processes) closedir(processes);
    return lua_gettop(L);
}

/* ---- who listens ---- */

static int answer_of(int file, int number)
{
    struct pollfd ready = {.fd = file, .events = POLLOUT};
    socklen_t size = sizeof number;
    if (number != EINPROGRESS) return number;
    if (poll(&ready, 1, PROBE_MS) != 1) return ETIMEDOUT;
    return getsockopt(file, SOL_SOCKET, SO_ERROR, &number, &size) == 0 ? number : errno;
}

/* 0: connected; else an errno. */
static int connect_to(const struct sockaddr *to, socklen_t size)
{
    int file = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (file < 0) return errno;
    int number = connect(file, to, size) == 0 ? 0 : errno;
    number = answer_of(file, number);
    close(file);
    return number == EAGAIN ? 0 : number; /* a Unix socket whose queue is full is served */
}

static int probe_unix(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    return connect_to((const struct sockaddr *)&to, sizeof to);
}

static int probe_tcp(const struct address *address)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(address->host, address->port, &hints, &found) != 0) return ENOENT;
    int number = ENOENT;
    for (struct addrinfo *each = found; each && number != 0; each = each->ai_next)
        number = connect_to(each->ai_addr, each->ai_addrlen);
    freeaddrinfo(found);
    return number;
}

static const char *code_of(int number)
{
    if (number == ECONNREFUSED) return "REFUSED";
    if (number == ENOENT) return "MISSING";
    return number == ETIMEDOUT ? "SILENT" : "IO";
}

static int machine_probe(lua_State *L)
{
    struct address address;
    struct complaint complaint;
    const char *text = luaL_checkstring(L, 1);
    if (!address_parse(span_text(text), luaL_optstring(L, 2, "."), &address, &complaint))
        return bind_fail(L, "BAD_ADDRESS", complaint.text);
    int number = address.kind == ADDRESS_UNIX ? probe_unix(address.path) : probe_tcp(&address);
    if (number != 0) return bind_fail(L, code_of(number), strerror(number));
    lua_pushboolean(L, true);
    return 1;
}

static int machine_is_address(lua_State *L)
{
    struct address address;
    struct complaint complaint;
    const char *text = luaL_checkstring(L, 1);
    if (!address_parse(span_text(text), ".", &address, &complaint))
        return bind_fail(L, "BAD_ADDRESS", complaint.text);
    lua_pushboolean(L, true);
    return 1;
}

/* ---- the environment ---- */

/* Append the text on top of the stack to the array below it. */
static void append(lua_State *L)
{
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
}

static int machine_variables(lua_State *L)
{
    const char *name;
    lua_newtable(L);
    for (char **at = environ; *at; at++)
        if (strncmp(*at, PREFIX, sizeof PREFIX - 1) == 0) {
            lua_pushlstring(L, *at, strcspn(*at, "="));
            append(L);
        }
    lua_newtable(L);
    for (size_t i = 0; (name = override_name(i)) != NULL; i++) {
        lua_pushfstring(L, PREFIX "%s", name);
        append(L);
        lua_pushfstring(L, PREFIX "%s_FILE", name);
        append(L);
    }
    return 2;
}

void machine_preload(struct script *script)
{
    static const luaL_Reg functions[] = {{"file_system", machine_file_system},
                                         {"open_files", machine_open_files},
                                         {"can_write", machine_can_write},
                                         {"modified", machine_modified},
                                         {"is_socket", machine_is_socket},
                                         {"holder", machine_holder},
                                         {"orphan", machine_orphan},
                                         {"probe", machine_probe},
                                         {"is_address", machine_is_address},
                                         {"variables", machine_variables},
                                         {NULL, NULL}};
    static const char *const waits[] = {NULL};
    static const struct bind_module module = {"moonpost.machine", functions, waits};
    bind_preload(script, &module, NULL);
}
