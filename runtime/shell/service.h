/* `moonpost run` and `moonpost sentinel`: one node, from its settings to its end. */
#ifndef MOONPOST_SERVICE_H
#define MOONPOST_SERVICE_H

#include "shell/complaint.h"
#include "shell/shell.h"

enum { SERVICE_FILES_MAX = 64, SERVICE_FLAGS_MAX = 32 };

struct service_flag {
    const char *name; /* as override_by_flag knows it */
    struct span value;
};

/* Everything is borrowed until service_start returns. */
struct service_options {
    const char
        *files[SERVICE_FILES_MAX]; /* one settings file at most, agents; none: what is here */
    size_t file_count;
    struct service_flag flags[SERVICE_FLAGS_MAX];
    size_t flag_count;
    bool sentinel;     /* no files: only doors */
    bool watch;        /* load agents again when their files are saved */
    long holder;       /* the process that others are to stop if they want the folder */
    uint64_t *charged; /* is told of each attempt charged for a crash; stays borrowed; or NULL */
    void (*stopped)(void *user);
    void *user;
};

struct service;

/* Load, open the doors, start. NULL and a complaint when any of it fails; nothing is left then.
 * Otherwise `stopped` is called when the node is gone, and the service with it. */
struct service *service_start(struct shell *shell, const struct service_options *options,
                              struct complaint *complaint);

/* Stop it in order. */
void service_stop(struct service *service);

#endif
