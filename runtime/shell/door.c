/* Doors: sockets that listen. */
#include "shell/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/ensure.h"
#include "shell/connection.h"

enum { BACKLOG = 1024, PATH_BYTES_MAX = 4096 };

struct door {
    union stream_handle listener; /* first: a handle is its door */
    struct seat *seat;
    struct door *next;
    enum address_kind kind;
    bool folder; /* in the node's own data folder */
};

/* ---- life ---- */

static void on_door_closed(uv_handle_t *handle)
{
    struct door *door = (struct door *)handle;
    struct seat *seat = door->seat;
    free(door);
    seat_handle_closed(seat);
}

static struct door *door_new(struct seat *seat, enum address_kind kind)
{
    struct door *door = calloc(1, sizeof *door);
    ensure(door != NULL);
    door->seat = seat;
    door->kind = kind;
    seat->handles++;
    int status = kind == ADDRESS_TCP ? uv_tcp_init(&seat->shell->loop, &door->listener.tcp)
                                     : uv_pipe_init(&seat->shell->loop, &door->listener.pipe, 0);
    ensure(status == 0);
    return door;
}

/* libuv removes the file of a Unix socket here. */
static void door_free(struct door *door)
{
    uv_close(&door->listener.handle, on_door_closed);
}

void doors_close(struct seat *seat)
{
    while (seat->doors) {
        struct door *door = seat->doors;
        seat->doors = door->next;
        door_free(door);
    }
}

/* ---- somebody knocks ---- */

/* A program of the user that this node runs as, at the door of the node's own folder. */
static bool is_own(const struct door *door, struct connection *connection)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    uv_os_fd_t fd;
    if (!door->folder || uv_fileno(&connection_stream(connection)->handle, &fd) != 0) return false;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

static void on_knock(uv_stream_t *listener, int status)
{
    struct door *door = (struct door *)listener;
    struct seat *seat = door->seat;
    if (status < 0)
        return log_say(&seat->shell->log, LOG_WARN, node_name(seat->node),
                       "cannot accept a connection: %s", uv_strerror(status));
    struct connection *connection = connection_new(seat, door->kind);
    if (uv_accept(listener, &connection_stream(connection)->stream) != 0)
        return connection_discard(connection);
    uint32_t number = connection_begin(connection);
    node_post(seat->node, &(struct event){.kind = EVENT_ACCEPTED,
                                          .connection = number,
                                          .own = is_own(door, connection)});
    seat_wake(seat);
}

/* Keep a bound door, listening. */
static int door_begin(struct door *door)
{
    int status = uv_listen(&door->listener.stream, BACKLOG, on_knock);
    if (status != 0) return status;
    door->next = door->seat->doors;
    door->seat->doors = door;
    return 0;
}

/* ---- TCP ---- */

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24) == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static void read_port(const struct door *door, struct address *real)
{
    struct sockaddr_storage name;
    int size = sizeof name;
    if (uv_tcp_getsockname(&door->listener.tcp, (struct sockaddr *)&name, &size) != 0) return;
    in_port_t port = name.ss_family == AF_INET ? ((struct sockaddr_in *)&name)->sin_port
                                               : ((struct sockaddr_in6 *)&name)->sin6_port;
    snprintf(real->port, sizeof real->port, "%u", ntohs(port));
}

static bool complain_bind(struct complaint *complaint, const struct address *address, int status)
{
    if (status == UV_EADDRINUSE)
        return complain(complaint,
                        "tcp://%s:%s is in use by another process; stop that one, or listen "
                        "elsewhere, such as tcp://%s:%ld",
                        address->host, address->port, address->host,
                        strtol(address->port, NULL, 10) % 65535 + 1);
    if (status == UV_EACCES)
        return complain(complaint, "tcp://%s:%s: permission denied; use a port above 1023",
                        address->host, address->port);
    return complain(complaint, "cannot listen on tcp://%s:%s: %s", address->host, address->port,
                    uv_strerror(status));
}

static bool open_tcp_at(struct seat *seat, const struct sockaddr *at, struct address *real,
                        struct complaint *complaint)
{
    struct door *door = door_new(seat, ADDRESS_TCP);
    int status = uv_tcp_bind(&door->listener.tcp, at, 0);
    if (status == 0) status = door_begin(door);
    if (status == 0) return read_port(door, real), true;
    door_free(door);
    return complain_bind(complaint, real, status);
}

static bool open_tcp(struct seat *seat, bool insecure, struct address *real,
                     struct complaint *complaint)
{
    uv_getaddrinfo_t request;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int status = uv_getaddrinfo(&seat->shell->loop, &request, NULL, real->host, real->port, &hints);
    if (status != 0)
        return complain(complaint, "cannot listen on tcp://%s:%s: no such host (%s)", real->host,
                        real->port, uv_strerror(status));
    bool allowed = insecure || is_loopback(request.addrinfo->ai_addr);
    bool opened = allowed && open_tcp_at(seat, request.addrinfo->ai_addr, real, complaint);
    uv_freeaddrinfo(request.addrinfo);
    if (allowed) return opened;
    return complain(complaint,
                    "tcp://%s:%s can be reached from other machines and there is no encryption "
                    "yet; set insecure = true in the settings, or listen on 127.0.0.1",
                    real->host, real->port);
}

/* ---- Unix sockets ---- */

/* Whether somebody answers there; a file that nobody serves is removed. */
static bool is_served(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat there;
    if (lstat(path, &there) != 0 || !S_ISSOCK(there.st_mode)) return false;
    strcpy(at.sun_path, path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = connect(probe, (struct sockaddr *)&at, sizeof at);
    int number = errno;
    close(probe);
    if (status != 0 && number == ECONNREFUSED) unlink(path);
    return status == 0 || number == EAGAIN;
}

/* Between bind and listen nobody can connect yet, so the mode is right from the start. */
static int bind_unix(struct door *door, const char *path)
{
    int status = uv_pipe_bind(&door->listener.pipe, path);
    if (status != 0) return status;
    if (chmod(path, 0600) != 0) return uv_translate_sys_error(errno);
    return door_begin(door);
}

static bool open_unix(struct seat *seat, const struct address *address, bool folder,
                      struct complaint *complaint)
{
    if (is_served(address->path))
        return complain(complaint, "another node serves %s; stop it first, or use another folder",
                        address->path);
    struct door *door = door_new(seat, ADDRESS_UNIX);
    door->folder = folder;
    int status = bind_unix(door, address->path);
    if (status == 0) return true;
    door_free(door);
    return complain(complaint, "cannot listen on unix:%s: %s", address->path,
                    status == UV_EADDRINUSE ? "there is a file of that name" : uv_strerror(status));
}

bool door_open(struct seat *seat, struct span address, bool insecure, struct address *real,
               struct complaint *complaint)
{
    if (!address_parse(address, seat->root, real, complaint)) return false;
    if (real->kind == ADDRESS_UNIX) return open_unix(seat, real, false, complaint);
    return open_tcp(seat, insecure, real, complaint);
}

/* ---- the data folder ---- */

bool door_open_folder(struct seat *seat, const char *folder, struct address *real,
                      struct complaint *complaint)
{
    char path[PATH_BYTES_MAX];
    snprintf(path, sizeof path, "%s/moonpost.sock", folder);
    return address_of_path(path, real, complaint) && open_unix(seat, real, true, complaint);
}
