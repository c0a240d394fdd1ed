/* A program waits for what a producer has to say: at ticks, and at its end. */
#include "shell/producer_wait.h"

#include <lauxlib.h>
#include <stdlib.h>
#include "core/ensure.h"
#include "shell/bind.h"
#include "shell/producer.h"

enum { TICK_MS = 100 };

struct producer_wait {
    struct shell *shell;
    struct script_host *host;
    struct producer *producer; /* NULL: nobody has asked for one */
    uv_timer_t tick;
    uint64_t waiter; /* 0: nobody waits */
    bool done;
};

/* ---- out ---- */

static void set(lua_State *L, const char *name, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

static int push_report(lua_State *L, void *user)
{
    const struct producer_wait *wait = user;
    struct producer_report report;
    producer_look(wait->producer, &report);
    lua_createtable(L, 0, 10);
    lua_pushboolean(L, wait->done);
    lua_setfield(L, -2, "done");
    lua_pushstring(L, report.reason[0] ? report.reason : NULL);
    lua_setfield(L, -2, "reason");
    set(L, "sent", (double)report.sent);
    set(L, "answered", (double)report.answered);
    set(L, "refused", (double)report.refused);
    set(L, "seconds", report.seconds);
    set(L, "p50_ms", report.p50_ms);
    set(L, "p90_ms", report.p90_ms);
    set(L, "p99_ms", report.p99_ms);
    set(L, "max_ms", report.max_ms);
    return 1;
}

static void tell(struct producer_wait *wait)
{
    uint64_t waiter = wait->waiter;
    wait->waiter = 0;
    if (waiter) script_wake(wait->host, waiter, true, push_report, wait);
}

static void on_tick(uv_timer_t *tick)
{
    tell(tick->data);
}

static void on_done(void *user)
{
    struct producer_wait *wait = user;
    wait->done = true;
    uv_timer_stop(&wait->tick);
    tell(wait);
}

/* ---- in ---- */

static uint32_t number_at(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    uint32_t number = (uint32_t)luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return number;
}

static uint8_t choice_at(lua_State *L, int table, const char *name, const char *const *words)
{
    const char *word = bind_field(L, table, name);
    for (uint8_t i = 0; words[i]; i++)
        if (word && strcmp(words[i], word) == 0) return i;
    return (uint8_t)luaL_error(L, "%s is none of the words for it", name);
}

static void start(struct producer_wait *wait, lua_State *L, int table)
{
    static const char *const profiles[] = {"at-most-once", "at-least-once", "exactly-once", NULL};
    static const char *const levels[] = {"none", "sent", "stored", "handled", NULL};
    struct producer_options options = {
        .link = span_text(bind_field(L, table, "link")),
        .to = span_text(bind_field(L, table, "to")),
        .count = number_at(L, table, "count"),
        .window = number_at(L, table, "window"),
        .size = number_at(L, table, "size"),
        .keys = number_at(L, table, "keys"),
        .profile = choice_at(L, table, "profile", profiles),
        .level = choice_at(L, table, "await", levels),
        .done = on_done,
        .user = wait,
    };
    wait->producer = producer_start(wait->shell, &options);
}

void producer_wait_begin(struct producer_wait *wait, uint64_t waiter, lua_State *L, int first)
{
    if (!wait->producer) start(wait, L, first);
    wait->waiter = waiter;
    uv_timer_start(&wait->tick, on_tick, wait->done ? 0 : TICK_MS, 0);
}

/* ---- life ---- */

struct producer_wait *producer_wait_new(struct shell *shell, struct script_host *host)
{
    struct producer_wait *wait = calloc(1, sizeof *wait);
    ensure(wait != NULL);
    wait->shell = shell;
    wait->host = host;
    uv_timer_init(&shell->loop, &wait->tick);
    wait->tick.data = wait;
    return wait;
}

static void on_closed(uv_handle_t *tick)
{
    free(tick->data);
}

void producer_wait_free(struct producer_wait *wait)
{
    producer_free(wait->producer);
    uv_close((uv_handle_t *)&wait->tick, on_closed);
}
