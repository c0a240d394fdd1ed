/* A program that runs in this shell, with its clients. */
#ifndef MOONPOST_GUEST_H
#define MOONPOST_GUEST_H

#include "node/program.h"
#include "shell/shell.h"

struct guest;

struct guest_options {
    enum script_kind kind;
    const char *name; /* in its log lines */
    bool show_envelopes;
    /* Kinds of waiting of its own, as in program.h; NULL: none. */
    bool (*wait)(void *user, uint64_t waiter, const char *kind, lua_State *L, int first);
    /* It has ended; called once, outside of its code. */
    void (*done)(void *user, struct guest *guest);
    void *user; /* of both */
};

struct guest {
    struct shell *shell;
    struct program *program;
    struct program_io io;
    struct guest_options options;
    bool over;
    int exit_code;
    char *error; /* owned; what it died of, NULL: it ended by itself */
};

/* A program, not started; its project is the current folder. `guest` must stay where it is. */
void guest_open(struct guest *guest, struct shell *shell, const struct guest_options *options);

/* Forget it, once its nodes are gone (shell_close_nodes): they wake its coroutines until then. */
void guest_free(struct guest *guest);

#endif
