/* What is stronger than the settings file: the environment (MOONPOST_NAME ...), and stronger still
 * the flags of the command line. The only place that knows their names. */
#ifndef MOONPOST_OVERRIDE_H
#define MOONPOST_OVERRIDE_H

#include "core/arena.h"
#include "script/settings.h"
#include "shell/complaint.h"
#include "shell/log.h"

struct override {
    struct settings settings; /* a copy, changed */
    struct log *log;          /* borrowed; its level and format are changed */
    bool show_envelopes;
    struct arena memory; /* of changed spans */

    /* Called for each that was applied: its name ("SEND_FIRST") and how the user knows it
     * ("MOONPOST_SEND_FIRST", "--store"). NULL: nobody asks. */
    void (*applied)(void *user, const char *name, const char *origin);
    void *user;
};

/* Start from these settings (borrowed: spans are not copied). */
void override_init(struct override *override, const struct settings *settings, struct log *log);
void override_deinit(struct override *override);

/* Apply all variables that are set. MOONPOST_X_FILE names a file with the value of MOONPOST_X.
 * False and a complaint that names the variable and what it can be. */
bool override_by_environment(struct override *override, struct complaint *complaint);

/* Apply a flag: "--name" is NAME. The complaint names the flag. */
bool override_by_flag(struct override *override, const char *name, struct span value,
                      struct complaint *complaint);

/* Name by name, without MOONPOST_, what the environment can say; NULL: there are no more. */
const char *override_name(size_t index);

/* The variable MOONPOST_NAME, or what the file has that MOONPOST_NAME_FILE names; false: neither is
 * set (or, with a complaint, the file cannot be read). Empty is not set. Copied. */
bool override_variable(const char *name, char *value, size_t size, struct complaint *complaint);

/* What the environment says of a client: its retry policy is changed where it is the default one,
 * that of its link always. What is no valid value is ignored. */
void override_client(struct settings *settings);

/* The node that commands and clients speak to: `given`, or MOONPOST_NODE, or data/moonpost.sock. A
 * path without a scheme is a Unix socket's; of a folder, that of the node whose data or whose
 * project is in it. Written to `address`, which has `size` bytes. */
void override_node(struct span given, char *address, size_t size);

#endif
