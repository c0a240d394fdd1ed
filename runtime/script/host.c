/* The host: made for a node or a program, and what it tells the log. */
#include "script/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void script_host_state_max(struct script_host *host, size_t bytes)
{
    host->state_max = bytes;
}

struct script_host *script_host_new(const struct script_env *env)
{
    struct script_host *host = calloc(1, sizeof *host);
    ensure(host != NULL);
    host->env = *env;
    host->inhand = &host->own_inhand;
    host->state_max = STATE_BYTES_MAX;
    host->name = strdup("");
    ensure(host->name != NULL);
    return host;
}

void script_host_inhand(struct script_host *host, struct inhand *inhand)
{
    *inhand = *host->inhand;
    host->inhand = inhand;
}

void script_host_name(struct script_host *host, struct span name)
{
    free(host->name);
    host->name = strndup(name.bytes ? name.bytes : "", name.size);
    ensure(host->name != NULL);
}

static void spare_tasks_free(struct script_host *host)
{
    while (host->spare_tasks) {
        struct task *task = host->spare_tasks;
        host->spare_tasks = task->next;
        arena_deinit(&task->arena);
        free(task->sends);
        free(task->reads);
        free(task->writes);
        free(task->cancels);
        free(task);
    }
}

void script_host_free(struct script_host *host)
{
    host->ending = true;
    while (host->tasks) task_drop(host->tasks);
    sendings_close(host, 0); /* before the scripts that are to be told of them */
    agents_deinit(host);
    tracked_clear(&host->failed_files);
    hooks_deinit(host);
    settings_deinit(host);
    functions_deinit(host);
    while (host->scripts) script_free(host->scripts);
    guard_deinit(&host->guard);
    spare_tasks_free(host);
    streams_deinit(host);
    slots_deinit(&host->waiters);
    buffer_deinit(&host->error);
    buffer_deinit(&host->answer);
    buffer_deinit(&host->headers);
    arena_deinit(&host->scratch);
    free(host->name);
    free(host);
}

void host_log(struct script_host *host, enum log_level level, struct span agent, const char *format,
              ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ensure(size >= 0);
    size_t length = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    struct log_record record = {.level = level, .text = span_of(text, length), .agent = agent};
    host->env.log(host->env.user, &record);
}
