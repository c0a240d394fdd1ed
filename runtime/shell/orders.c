/* A signal's handler finds what it needs in globals; the process has one node that takes orders. */
#include "shell/orders.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static struct inhand *volatile page;
static volatile sig_atomic_t orders;
static struct sigaction interrupt_before, terminate_before;

static void on_order(int number)
{
    if (++orders > 1) {
        if (page) page->running = 0;
        _exit(128 + number);
    }
    const struct sigaction *before = number == SIGINT ? &interrupt_before : &terminate_before;
    before->sa_handler(number);
}

/* Before the handler that libuv has for it. */
static void stand_before(int number, struct sigaction *before)
{
    if (sigaction(number, NULL, before) != 0 || (before->sa_flags & SA_SIGINFO) ||
        before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN ||
        before->sa_handler == on_order)
        return;
    struct sigaction action = *before;
    action.sa_handler = on_order;
    sigaction(number, &action, NULL);
}

void orders_watch(struct inhand *inhand)
{
    page = inhand;
    stand_before(SIGINT, &interrupt_before);
    stand_before(SIGTERM, &terminate_before);
}

void orders_forget(void)
{
    page = NULL;
}
