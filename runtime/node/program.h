/* A program: a Lua script that runs inside the runtime with a node of its own for its timers, and
 * one further node for each `moonpost.client` it opens. The same under libuv and in a world. */
#ifndef MOONPOST_PROGRAM_H
#define MOONPOST_PROGRAM_H

#include "node/node.h"

/* What a program needs of the shell it lives in. Borrowed for the program's life. */
struct program_io {
    void *user;

    /* Make a node that lives in this shell (the shell wires its node_io). Never NULL. */
    struct node *(*node_open)(void *user, const struct node_options *options);

    /* The same with its outbox in the store of this folder (made if it is not there): configured,
     * and with what an earlier life left in it. NULL: it cannot be, which `ready` of the options is
     * told later. The field may be NULL: there are no disks here. */
    struct node *(*node_open_stored)(void *user, const struct node_options *options,
                                     struct span folder);

    /* The node is not needed any more: say bye, close and free it, after the current turn. */
    void (*node_close)(void *user, struct node *node);

    int64_t (*now_ms)(void *user);
    int64_t (*wall_ms)(void *user);
    uint64_t (*random)(void *user);
    bool deterministic;
    bool show_envelopes; /* of its clients, in its log */

    /* A variable of the environment, or NULL; the field may be NULL: the process's own. */
    const char *(*getenv)(void *user, const char *name);
    void (*log)(void *user, struct span node, const struct log_record *record);

    /* Further kinds of waiting (script_env.wait), or NULL. */
    bool (*wait)(void *user, uint64_t waiter, const char *kind, lua_State *L, int first);

    /* The program ended. */
    void (*done)(void *user, int exit_code, struct span error);
};

struct program;

/* `name` (copied) is how its log lines are called; `root` (copied) the folder for require. */
struct program *program_new(const struct program_io *io, enum script_kind kind, struct span name,
                            const char *root);

/* Its state, for preloading modules before program_start. */
struct script *program_script(struct program *program);
struct script_host *program_host(struct program *program);

/* Run the file, or the text under the name `path`. */
void program_start(struct program *program, const char *path, const char *text, int argc,
                   char *const *argv);

/* Closes its clients; asks for no more. */
void program_free(struct program *program);

#endif
