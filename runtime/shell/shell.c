/* The loop. */
#include "shell/shell.h"

#include <signal.h>
#include <stdlib.h>
#include "core/array.h"
#include "shell/seat.h"

struct shell_call {
    void (*call)(void *user);
    void *user;
};

/* ---- turns ---- */

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active keeps the loop from sleeping */
}

void shell_wake(struct shell *shell)
{
    uv_idle_start(&shell->idle, on_idle);
}

void shell_later(struct shell *shell, void (*call)(void *user), void *user)
{
    array_reserve(shell->calls, shell->call_count, shell->call_capacity);
    shell->calls[shell->call_count++] = (struct shell_call){call, user};
    shell_wake(shell);
}

/* Calls that these make are for the next turn. */
static void make_calls(struct shell *shell)
{
    size_t count = shell->call_count;
    for (size_t i = 0; i < count; i++) {
        struct shell_call call = shell->calls[i];
        call.call(call.user);
    }
    shell->call_count -= count;
    if (shell->call_count)
        memmove(shell->calls, shell->calls + count, shell->call_count * sizeof *shell->calls);
}

static void free_gone(struct shell *shell)
{
    struct seat **at = &shell->seats;
    while (*at) {
        struct seat *seat = *at;
        if (!seat_gone(seat)) {
            at = &seat->next;
            continue;
        }
        *at = seat->next;
        seat_free(seat);
        at = &shell->seats; /* whoever was told may have changed the list */
    }
}

static bool is_awake(const struct shell *shell)
{
    bool awake = shell->call_count > 0;
    for (const struct seat *seat = shell->seats; seat && !awake; seat = seat->next)
        awake = seat->awake;
    return awake;
}

static void on_check(uv_check_t *check)
{
    struct shell *shell = check->data;
    make_calls(shell);
    uv_update_time(&shell->loop);
    for (struct seat *seat = shell->seats; seat; seat = seat->next)
        if (seat->awake) seat_turn(seat);
    for (struct seat *seat = shell->seats; seat; seat = seat->next) seat_flush(seat);
    free_gone(shell);
    if (!is_awake(shell)) uv_idle_stop(&shell->idle);
}

int shell_run(struct shell *shell)
{
    while (!shell->over) uv_run(&shell->loop, UV_RUN_ONCE);
    return shell->exit_code;
}

void shell_exit(struct shell *shell, int exit_code)
{
    if (!shell->over) shell->exit_code = exit_code;
    shell->over = true;
    shell_wake(shell);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *signal, int number)
{
    struct shell *shell = signal->data;
    shell->signals++;
    if (shell->on_signal)
        shell->on_signal(shell->signal_user, number);
    else
        shell_exit(shell, 128 + number);
}

static void watch_signal(struct shell *shell, uv_signal_t *watcher, int number)
{
    uv_signal_init(&shell->loop, watcher);
    watcher->data = shell;
    uv_signal_start(watcher, on_signal, number);
}

/* ---- life ---- */

void shell_init(struct shell *shell)
{
    *shell = (struct shell){.log = log_to_stderr()};
    signal(SIGPIPE, SIG_IGN);
    ensure(uv_loop_init(&shell->loop) == 0);
    uv_check_init(&shell->loop, &shell->check);
    shell->check.data = shell;
    uv_check_start(&shell->check, on_check);
    uv_idle_init(&shell->loop, &shell->idle);
    watch_signal(shell, &shell->interrupt, SIGINT);
    watch_signal(shell, &shell->terminate, SIGTERM);
    shell->read_buffer = malloc(SHELL_READ_BYTES);
    ensure(shell->read_buffer != NULL);
}

static void close_handles(struct shell *shell)
{
    uv_close((uv_handle_t *)&shell->check, NULL);
    uv_close((uv_handle_t *)&shell->idle, NULL);
    uv_close((uv_handle_t *)&shell->interrupt, NULL);
    uv_close((uv_handle_t *)&shell->terminate, NULL);
    uv_run(&shell->loop, UV_RUN_DEFAULT);
}

void shell_close_nodes(struct shell *shell)
{
    for (struct seat *seat = shell->seats; seat; seat = seat->next) seat_close(seat, NULL, NULL);
    while (shell->seats || shell->call_count) uv_run(&shell->loop, UV_RUN_ONCE);
}

void shell_deinit(struct shell *shell)
{
    ensure(!shell->seats);
    close_handles(shell);
    ensure(uv_loop_close(&shell->loop) == 0);
    free(shell->calls);
    free(shell->read_buffer);
}
