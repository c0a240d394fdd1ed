/* A node's settings as plain data (API.md section 10), as far as they can be set. */
#ifndef MOONPOST_SETTINGS_H
#define MOONPOST_SETTINGS_H

#include "core/engine.h"

enum { SETTINGS_LIST_MAX = 64, SETTINGS_AGENTS_MAX = 4096 };

struct settings {
    struct span file; /* "" without one */
    struct span root; /* its folder, or "." */
    struct span name; /* "" when not set */
    struct span listen[SETTINGS_LIST_MAX];
    size_t listen_count;
    bool insecure;
    struct link_settings links[SETTINGS_LIST_MAX]; /* defaults filled in */
    size_t link_count;
    uint32_t link_window; /* the smallest `window` of the links, or WINDOW_DEFAULT */
    /* Agents and hooks are files or globs (relative to root) or values: a value's span is empty and
     * its place in the list is kept in the host (script_settings_agent). */
    struct span agents[SETTINGS_AGENTS_MAX];
    size_t agent_count;
    bool agents_given; /* false: the default glob, which may match nothing */
    struct span hooks[SETTINGS_LIST_MAX];
    size_t hook_count;
    bool hooks_given;
    struct retry_policy send, handle;
    uint8_t send_profile; /* enum profile */
    uint8_t send_level;   /* enum level; LEVEL_NONE: by profile */
    size_t outbox_count_max, outbox_bytes_max, mailbox_count_max, mailbox_bytes_max, body_max;
    size_t state_max;
    bool store_on_disk;     /* false: in memory */
    bool store_relaxed;     /* sync = "relaxed" */
    struct span store_path; /* its folder, relative to root; of a store in memory: "data" */
    uint64_t store_max;     /* bytes */
    int64_t grace_ms;       /* how long a stop waits for handlers at work */
    int64_t watchdog_ms;    /* DURATION_FOREVER: there is none */
    uint8_t log_level;      /* enum log_level of script.h */
    bool log_json;
    bool production, strict;
    struct span faults[SETTINGS_LIST_MAX]; /* of the command line, in the words of fault.parse */
    size_t fault_count;
};

#endif
