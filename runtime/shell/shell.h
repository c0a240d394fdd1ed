/* The shell: the libuv loop and the nodes that live on it. It decides nothing; it brings bytes,
 * time and signals to nodes and carries away what they say.
 *
 * A turn of the loop: timers and sockets wake nodes; after all reads each woken node takes one
 * turn; then what it wrote leaves in one call per connection. */
#ifndef MOONPOST_SHELL_H
#define MOONPOST_SHELL_H

#include <uv.h>
#include "node/node.h"
#include "shell/log.h"

struct seat;

struct shell {
    uv_loop_t loop;
    uv_check_t check; /* after all reads of a turn */
    uv_idle_t idle;   /* active while somebody is awake: the loop does not sleep then */
    uv_signal_t interrupt, terminate;
    struct seat *seats;
    struct shell_call *calls;
    size_t call_count, call_capacity;
    char *read_buffer; /* SHELL_READ_BYTES, shared by all connections */
    struct log log;
    bool over;
    int exit_code;
    int signals; /* how many SIGINT and SIGTERM came */
    /* Told of each SIGINT and SIGTERM; NULL: the shell ends with 128 + number. */
    void (*on_signal)(void *user, int number);
    void *signal_user;
};

enum { SHELL_READ_BYTES = 1 << 18 };

/* Ready to run. SIGPIPE is ignored from now on. `shell` must stay where it is. */
void shell_init(struct shell *shell);

/* Run until shell_exit; answers its code. */
int shell_run(struct shell *shell);

/* End shell_run after this turn. */
void shell_exit(struct shell *shell, int exit_code);

/* Call a function in the next turn, outside of any node's or script's code. */
void shell_later(struct shell *shell, void (*call)(void *user), void *user);

/* Do not sleep before the next turn. */
void shell_wake(struct shell *shell);

/* Say bye on all links, wait for it a little, close and free all nodes. */
void shell_close_nodes(struct shell *shell);

/* Close what is left; all nodes are gone. */
void shell_deinit(struct shell *shell);

#endif
