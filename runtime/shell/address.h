/* Where a door is or a link goes: "tcp://host:port", "unix:///path", "unix:relative/path". */
#ifndef MOONPOST_ADDRESS_H
#define MOONPOST_ADDRESS_H

#include <sys/un.h>
#include "shell/complaint.h"

enum address_kind { ADDRESS_TCP, ADDRESS_UNIX };

struct address {
    enum address_kind kind;
    char host[256]; /* name or number; an IPv6 number without its brackets */
    char port[8];   /* "0": any free one */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
};

/* Read an address; a relative path is relative to `root`. False and a complaint that quotes it when
 * it is none, or when the path is longer than the operating system allows. */
bool address_parse(struct span text, const char *root, struct address *address,
                   struct complaint *complaint);

/* The address of a socket file in a folder. Complains when the path is too long. */
bool address_of_path(const char *path, struct address *address, struct complaint *complaint);

#endif
