/* Child processes: started by fork and exec, because what must happen between the two (a group of
 * its own, death with the parent) libuv's spawn cannot do.
 *
 *   RUNNING --SIGCHLD--> reaped: what is left in its pipes becomes lines, then one exit event
 *
 * Events queue up until the program waits for one. */
#include "shell/process.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/array.h"
#include "core/buffer.h"
#include "shell/bind.h"

enum { LINE_BYTES_MAX = 1 << 16, SPAWN_WORDS_MAX = 256, STREAMS = 2 };

static const char *const stream_names[STREAMS] = {"stdout", "stderr"};

struct stream {
    uv_poll_t poll;
    struct child *child;
    struct buffer line; /* the line that has no end yet */
    int file;           /* -1: at its end */
};

struct child {
    struct processes *processes;
    struct child *next;
    lua_Integer number; /* 1, 2 ... as Lua sees it */
    pid_t pid;          /* 0: it has ended */
    bool told;          /* its exit event was taken */
    struct stream streams[STREAMS];
};

enum process_event_kind { PROCESS_LINE, PROCESS_EXIT, PROCESS_TIMEOUT, PROCESS_INTERRUPT };

struct process_event {
    enum process_event_kind kind;
    struct child *child;
    int stream, status;
    struct block *line; /* given to whoever takes the event */
};

struct processes {
    uv_loop_t *loop;
    struct script_host *host;
    uv_signal_t ended;  /* SIGCHLD */
    uv_signal_t hangup; /* SIGHUP, once there is a child: the terminal is gone */
    uv_timer_t timeout; /* of the waiter */
    uv_async_t ready;   /* an event for a waiter, told in a later round */
    struct child *children;
    lua_Integer count;
    size_t handles; /* of libuv, not closed yet */
    uint64_t waiter;
    struct process_event *events;
    size_t event_count, event_capacity, event_taken;
    bool leaving;
};

/* ---- events ---- */

static void wake_waiter(struct processes *processes)
{
    if (processes->waiter && !processes->leaving) uv_async_send(&processes->ready);
}

static void add_event(struct processes *processes, struct process_event event)
{
    array_reserve(processes->events, processes->event_count, processes->event_capacity);
    processes->events[processes->event_count++] = event;
    wake_waiter(processes);
}

static struct process_event take_event(struct processes *processes)
{
    struct process_event event = processes->events[processes->event_taken++];
    if (processes->event_taken == processes->event_count)
        processes->event_taken = processes->event_count = 0;
    return event;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void push_line(lua_State *L, const struct process_event *event)
{
    struct span line = block_span(event->line);
    set_text(L, "stream", stream_names[event->stream]);
    lua_pushlstring(L, line.bytes ? line.bytes : "", line.size);
    lua_setfield(L, -2, "line");
}

static void push_exit(lua_State *L, const struct process_event *event)
{
    event->child->told = true;
    if (WIFSIGNALED(event->status))
        set_integer(L, "signal", WTERMSIG(event->status));
    else
        set_integer(L, "code", WEXITSTATUS(event->status));
}

static int push_event(lua_State *L, void *user)
{
    static const char *const types[] = {"line", "exit", "timeout", "interrupt"};
    const struct process_event *event = user;
    lua_createtable(L, 0, 4);
    set_text(L, "type", types[event->kind]);
    if (event->child) set_integer(L, "child", event->child->number);
    if (event->kind == PROCESS_LINE) push_line(L, event);
    if (event->kind == PROCESS_EXIT) push_exit(L, event);
    return 1;
}

static void answer(struct processes *processes, struct process_event event)
{
    uint64_t waiter = processes->waiter;
    processes->waiter = 0;
    uv_timer_stop(&processes->timeout);
    script_wake(processes->host, waiter, true, push_event, &event);
    block_release(event.line);
}

static void on_ready(uv_async_t *ready)
{
    struct processes *processes = ready->data;
    if (!processes->waiter || processes->event_taken == processes->event_count) return;
    answer(processes, take_event(processes));
}

static void on_timeout(uv_timer_t *timer)
{
    struct processes *processes = timer->data;
    if (processes->waiter) answer(processes, (struct process_event){.kind = PROCESS_TIMEOUT});
}

void processes_wait(struct processes *processes, uint64_t waiter, lua_State *L, int first)
{
    processes->waiter = waiter;
    if (processes->event_taken < processes->event_count) return wake_waiter(processes);
    if (lua_gettop(L) < first || !lua_isnumber(L, first)) return;
    double milliseconds = lua_tonumber(L, first) * 1000;
    uv_update_time(processes->loop);
    uv_timer_start(&processes->timeout, on_timeout,
                   milliseconds > 0 ? (uint64_t)(milliseconds + 0.5) : 0, 0);
}

bool processes_interrupt(struct processes *processes)
{
    if (!processes->waiter) return false;
    add_event(processes, (struct process_event){.kind = PROCESS_INTERRUPT});
    return true;
}

static void on_hangup(uv_signal_t *hangup, int number)
{
    (void)number;
    processes_interrupt(hangup->data);
}

/* Unless whoever started us said that it is to be ignored. */
static void watch_hangup(struct processes *processes)
{
    struct sigaction now;
    if (uv_is_active((uv_handle_t *)&processes->hangup)) return;
    if (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
        uv_signal_start(&processes->hangup, on_hangup, SIGHUP);
}

/* ---- output ---- */

static void end_line(struct stream *stream)
{
    struct child *child = stream->child;
    struct block *line = buffer_take(&stream->line);
    add_event(child->processes, (struct process_event){.kind = PROCESS_LINE,
                                                       .child = child,
                                                       .stream = (int)(stream - child->streams),
                                                       .line = line});
}

static void split_lines(struct stream *stream, struct span bytes)
{
    while (bytes.size) {
        const char *newline = memchr(bytes.bytes, '\n', bytes.size);
        size_t size = newline ? (size_t)(newline - bytes.bytes) : bytes.size;
        buffer_put(&stream->line, span_of(bytes.bytes, size));
        if (newline || stream->line.used >= LINE_BYTES_MAX) end_line(stream);
        size_t step = newline ? size + 1 : size;
        bytes = span_of(bytes.bytes + step, bytes.size - step);
    }
}

static void on_handle_closed(uv_handle_t *handle);

static void end_stream(struct stream *stream)
{
    if (stream->file < 0) return;
    if (stream->line.used) end_line(stream);
    uv_poll_stop(&stream->poll);
    uv_close((uv_handle_t *)&stream->poll, on_handle_closed);
    close(stream->file);
    stream->file = -1;
}

/* Read what is there; at the end of the stream it is closed. */
static void drain_stream(struct stream *stream)
{
    char bytes[16384];
    ssize_t size;
    while (stream->file >= 0 && (size = read(stream->file, bytes, sizeof bytes)) != -1) {
        if (size == 0) return end_stream(stream);
        split_lines(stream, span_of(bytes, (size_t)size));
    }
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct stream *stream = poll->data;
    if (status < 0)
        end_stream(stream);
    else
        drain_stream(stream);
}

/* ---- the end of a child ---- */

static void reap(struct child *child)
{
    int status;
    if (!child->pid || waitpid(child->pid, &status, WNOHANG) != child->pid) return;
    child->pid = 0;
    for (int i = 0; i < STREAMS; i++) {
        drain_stream(&child->streams[i]);
        end_stream(&child->streams[i]); /* a grandchild may still hold it open */
    }
    add_event(child->processes,
              (struct process_event){.kind = PROCESS_EXIT, .child = child, .status = status});
}

static void on_ended(uv_signal_t *ended, int number)
{
    (void)number;
    struct processes *processes = ended->data;
    for (struct child *child = processes->children; child; child = child->next) reap(child);
}

static struct child *find_child(struct processes *processes, lua_Integer number)
{
    struct child *child = processes->children;
    while (child && child->number != number) child = child->next;
    return child;
}

/* ---- starting one ---- */

struct spawn {
    char *words[SPAWN_WORDS_MAX + 1]; /* borrowed from Lua */
    const char *cwd;
    char **environment; /* owned */
    int pipes[STREAMS][2];
    int failure[2]; /* tells the parent why exec failed; closed by a good one */
    pid_t parent;
};

static void read_words(lua_State *L, struct spawn *spawn)
{
    lua_getfield(L, 1, "args");
    luaL_checktype(L, -1, LUA_TTABLE);
    size_t count = lua_objlen(L, -1);
    luaL_argcheck(L, count > 0 && count <= SPAWN_WORDS_MAX, 1, "args is empty or too long");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        spawn->words[i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static bool same_name(const char *entry, const char *name)
{
    size_t size = strlen(name);
    return strncmp(entry, name, size) == 0 && entry[size] == '=';
}

/* A new environment without `name`; the strings of the rest stay where they are. */
static void drop_name(char **environment, const char *name)
{
    char **to = environment;
    for (char **from = environment; *from; from++)
        if (!same_name(*from, name)) *to++ = *from;
    *to = NULL;
}

static size_t count_entries(char **environment)
{
    size_t count = 0;
    while (environment[count]) count++;
    return count;
}

/* The strings it makes are anchored in the userdata left on the stack. */
static void read_environment(lua_State *L, struct spawn *spawn)
{
    lua_getfield(L, 1, "env");
    size_t more = 0;
    if (lua_istable(L, -1))
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) more++;
    size_t count = count_entries(environ);
    char **entries = lua_newuserdata(L, (count + more + 1) * sizeof *entries);
    memcpy(entries, environ, (count + 1) * sizeof *entries);
    spawn->environment = entries;
    int added = lua_gettop(L) + 1, table = added - 2;
    lua_newtable(L);
    if (!more) return;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "env has a name that is no string");
        drop_name(entries, lua_tostring(L, -2));
        if (!lua_toboolean(L, -1)) continue;
        lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
        size_t end = count_entries(entries);
        entries[end] = (char *)(uintptr_t)lua_tostring(L, -1);
        entries[end + 1] = NULL;
        lua_rawseti(L, added, (int)lua_objlen(L, added) + 1);
    }
}

/* In the child: only calls that are safe between fork and exec. */
static void become(const struct spawn *spawn)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != spawn->parent) _exit(127);
    signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int empty = open("/dev/null", O_RDONLY);
    bool ready = empty >= 0 && dup2(empty, 0) == 0 && dup2(spawn->pipes[0][1], 1) == 1 &&
                 dup2(spawn->pipes[1][1], 2) == 2 && (!spawn->cwd || chdir(spawn->cwd) == 0);
    if (ready) execvpe(spawn->words[0], spawn->words, spawn->environment);
    int number = errno;
    if (write(spawn->failure[1], &number, sizeof number) != sizeof number) _exit(126);
    _exit(127);
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0) close(pair[i]);
    pair[0] = pair[1] = -1;
}

static bool open_pipes(struct spawn *spawn)
{
    for (int i = 0; i < STREAMS; i++) spawn->pipes[i][0] = spawn->pipes[i][1] = -1;
    spawn->failure[0] = spawn->failure[1] = -1;
    return pipe2(spawn->pipes[0], O_CLOEXEC) == 0 && pipe2(spawn->pipes[1], O_CLOEXEC) == 0 &&
           pipe2(spawn->failure, O_CLOEXEC) == 0;
}

static void close_pipes(struct spawn *spawn)
{
    for (int i = 0; i < STREAMS; i++) close_pair(spawn->pipes[i]);
    close_pair(spawn->failure);
}

/* Fork and exec; 0 and errno on failure. */
static pid_t start(struct spawn *spawn)
{
    spawn->parent = getpid();
    pid_t pid = fork();
    if (pid == 0) become(spawn);
    if (pid < 0) return 0;
    setpgid(pid, pid);
    for (int i = 0; i < STREAMS; i++) {
        close(spawn->pipes[i][1]);
        spawn->pipes[i][1] = -1;
    }
    close(spawn->failure[1]);
    spawn->failure[1] = -1;
    int number;
    ssize_t size;
    while ((size = read(spawn->failure[0], &number, sizeof number)) < 0 && errno == EINTR) continue;
    if (size != sizeof number) return pid;
    waitpid(pid, NULL, 0);
    errno = number;
    return 0;
}

static void watch(struct child *child, int index, int file)
{
    struct stream *stream = &child->streams[index];
    *stream = (struct stream){.child = child, .file = file};
    fcntl(file, F_SETFL, O_NONBLOCK);
    ensure(uv_poll_init(child->processes->loop, &stream->poll, file) == 0);
    stream->poll.data = stream;
    child->processes->handles++;
    uv_poll_start(&stream->poll, UV_READABLE | UV_DISCONNECT, on_output);
}

static struct child *adopt(struct processes *processes, pid_t pid, struct spawn *spawn)
{
    struct child *child = calloc(1, sizeof *child);
    ensure(child != NULL);
    child->processes = processes;
    child->number = ++processes->count;
    child->pid = pid;
    child->next = processes->children;
    processes->children = child;
    watch_hangup(processes);
    for (int i = 0; i < STREAMS; i++) {
        watch(child, i, spawn->pipes[i][0]);
        spawn->pipes[i][0] = -1;
    }
    return child;
}

static int process_spawn(lua_State *L)
{
    struct processes *processes = bind_user(L);
    struct spawn spawn = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    read_words(L, &spawn);
    spawn.cwd = bind_field(L, 1, "cwd");
    read_environment(L, &spawn);
    pid_t pid = open_pipes(&spawn) ? start(&spawn) : 0;
    int number = errno;
    struct child *child = pid ? adopt(processes, pid, &spawn) : NULL;
    close_pipes(&spawn);
    if (!child) return bind_fail_errno(L, spawn.words[0], number);
    lua_pushinteger(L, child->number);
    return 1;
}

/* ---- the other bindings ---- */

static int signal_number(lua_State *L, const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"TERM", SIGTERM}, {"KILL", SIGKILL}, {"INT", SIGINT},
                   {"HUP", SIGHUP},   {"STOP", SIGSTOP}, {"CONT", SIGCONT}};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (strcmp(signals[i].name, name) == 0) return signals[i].number;
    return luaL_error(L, "\"%s\" is not a signal that can be sent", name);
}

static int process_kill(lua_State *L)
{
    struct child *child = find_child(bind_user(L), luaL_checkinteger(L, 1));
    int number = signal_number(L, luaL_optstring(L, 2, "TERM"));
    if (!child || !child->pid) return bind_fail(L, "GONE", "the child has ended");
    if (kill(-child->pid, number) != 0) return bind_fail_errno(L, "kill", errno);
    lua_pushboolean(L, true);
    return 1;
}

static int process_alive(lua_State *L)
{
    const struct child *child = find_child(bind_user(L), luaL_checkinteger(L, 1));
    lua_pushboolean(L, child && !child->told);
    return 1;
}

void processes_preload(struct processes *processes, struct script *script)
{
    static const luaL_Reg functions[] = {
        {"spawn", process_spawn}, {"kill", process_kill}, {"alive", process_alive}, {NULL, NULL}};
    static const char *const waits[] = {"wait", "process_event", NULL};
    static const struct bind_module module = {"moonpost.process", functions, waits};
    bind_preload(script, &module, processes);
}

/* ---- life ---- */

struct processes *processes_new(uv_loop_t *loop, struct script_host *host)
{
    struct processes *processes = calloc(1, sizeof *processes);
    ensure(processes != NULL);
    processes->loop = loop;
    processes->host = host;
    processes->ended.data = processes->hangup.data = processes->timeout.data =
        processes->ready.data = processes;
    uv_signal_init(loop, &processes->ended);
    uv_signal_start(&processes->ended, on_ended, SIGCHLD);
    uv_signal_init(loop, &processes->hangup);
    uv_timer_init(loop, &processes->timeout);
    uv_async_init(loop, &processes->ready, on_ready);
    processes->handles = 4;
    return processes;
}

static void release(struct processes *processes)
{
    while (processes->event_taken < processes->event_count)
        block_release(take_event(processes).line);
    while (processes->children) {
        struct child *child = processes->children;
        processes->children = child->next;
        for (int i = 0; i < STREAMS; i++) buffer_deinit(&child->streams[i].line);
        free(child);
    }
    free(processes->events);
    free(processes);
}

static struct processes *owner_of(uv_handle_t *handle)
{
    if (handle->type != UV_POLL) return handle->data;
    return ((struct stream *)handle->data)->child->processes;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct processes *processes = owner_of(handle);
    processes->handles--;
    if (processes->leaving && processes->handles == 0) release(processes);
}

void processes_kill(struct processes *processes)
{
    for (struct child *child = processes->children; child; child = child->next)
        if (child->pid) kill(-child->pid, SIGKILL);
}

static void end_child(struct child *child)
{
    while (child->pid && waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) continue;
    child->pid = 0;
    for (int i = 0; i < STREAMS; i++) end_stream(&child->streams[i]);
}

void processes_free(struct processes *processes)
{
    if (!processes) return;
    processes->leaving = true;
    processes_kill(processes);
    for (struct child *child = processes->children; child; child = child->next) end_child(child);
    uv_close((uv_handle_t *)&processes->ended, on_handle_closed);
    uv_close((uv_handle_t *)&processes->hangup, on_handle_closed);
    uv_close((uv_handle_t *)&processes->timeout, on_handle_closed);
    uv_close((uv_handle_t *)&processes->ready, on_handle_closed);
}
