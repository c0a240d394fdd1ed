/* Addresses of doors and links. */
#include "shell/address.h"

#include <stdio.h>
#include <stdlib.h>

static bool starts(struct span text, const char *with)
{
    return text.size >= strlen(with) && memcmp(text.bytes, with, strlen(with)) == 0;
}

static struct span behind(struct span text, size_t size)
{
    return span_of(text.bytes + size, text.size - size);
}

static bool copy(struct span from, char *to, size_t size)
{
    if (from.size == 0 || from.size >= size || memchr(from.bytes, 0, from.size)) return false;
    memcpy(to, from.bytes, from.size);
    to[from.size] = 0;
    return true;
}

static bool port_valid(const char *port)
{
    char *end;
    long number = strtol(port, &end, 10);
    return *end == 0 && port[0] >= '0' && port[0] <= '9' && number <= 65535;
}

/* The text ends in a colon and digits that are too large for a port. */
static bool port_too_large(struct span text)
{
    size_t at = text.size;
    while (at > 0 && text.bytes[at - 1] >= '0' && text.bytes[at - 1] <= '9') at--;
    if (at == 0 || at == text.size || text.bytes[at - 1] != ':') return false;
    long port = 0;
    for (; at < text.size && port <= 65535; at++) port = port * 10 + (text.bytes[at] - '0');
    return port > 65535;
}

static bool parse_tcp(struct span rest, struct address *address)
{
    const char *colon = memrchr(rest.bytes, ':', rest.size);
    if (!colon) return false;
    struct span host = span_of(rest.bytes, (size_t)(colon - rest.bytes));
    struct span port = behind(rest, host.size + 1);
    bool brackets = host.size > 2 && host.bytes[0] == '[' && host.bytes[host.size - 1] == ']';
    if (brackets) host = span_of(host.bytes + 1, host.size - 2);
    if (!brackets && memchr(host.bytes, ':', host.size)) return false;
    address->kind = ADDRESS_TCP;
    return copy(host, address->host, sizeof address->host) &&
           copy(port, address->port, sizeof address->port) && port_valid(address->port);
}

bool address_of_path(const char *path, struct address *address, struct complaint *complaint)
{
    if (strlen(path) >= sizeof address->path)
        return complain(complaint,
                        "%s: the path of a socket has at most %zu bytes and this one has %zu; "
                        "use a shorter folder",
                        path, sizeof address->path - 1, strlen(path));
    address->kind = ADDRESS_UNIX;
    strcpy(address->path, path);
    return true;
}

static bool parse_unix(struct span rest, const char *root, struct address *address,
                       struct complaint *complaint)
{
    char path[4096];
    bool here = rest.bytes[0] == '/' || strcmp(root, ".") == 0 || root[0] == 0;
    if (here)
        snprintf(path, sizeof path, "%.*s", SPAN_ARGS(rest));
    else
        snprintf(path, sizeof path, "%s/%.*s", root, SPAN_ARGS(rest));
    return address_of_path(path, address, complaint);
}

bool address_parse(struct span text, const char *root, struct address *address,
                   struct complaint *complaint)
{
    *address = (struct address){0};
    if (starts(text, "tcp://") && parse_tcp(behind(text, 6), address)) return true;
    bool local = starts(text, "unix:") && !starts(text, "unix://");
    if (starts(text, "unix:///")) return parse_unix(behind(text, 7), root, address, complaint);
    if (local && text.size > 5) return parse_unix(behind(text, 5), root, address, complaint);
    if (starts(text, "tcp://") && port_too_large(text))
        return complain(complaint, "\"%.*s\": there is no such port; ports end at 65535",
                        SPAN_ARGS(text));
    return complain(complaint,
                    "\"%.*s\" is not an address; write tcp://HOST:PORT, unix:///PATH or "
                    "unix:RELATIVE/PATH",
                    SPAN_ARGS(text));
}
