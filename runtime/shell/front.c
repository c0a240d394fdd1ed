/* The command line's program and what it waits for. */
#include "shell/front.h"

#include <errno.h>
#include <jansson.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "core/array.h"
#include "core/ensure.h"
#include "shell/address.h"
#include "shell/bind.h"
#include "shell/files.h"
#include "shell/guest.h"
#include "shell/inspect.h"
#include "shell/lines.h"
#include "shell/machine.h"
#include "shell/producer_wait.h"
#include "shell/override.h"
#include "shell/process.h"
#include "shell/service.h"
#include "shell/supervisor.h"
#include "shell/upkeep.h"
#include "store/store_lmdb.h"

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_BUG = 70,
    ARGUMENTS_MAX = 1024,
    PATH_BYTES_MAX = 4096
};

struct front {
    struct shell shell;
    struct guest guest; /* the command line itself */
    struct processes *processes;
    const struct preload *preloads;
    struct lines lines;
    uint64_t line_waiter;
    long supervisor;         /* its process number, 0: there is none */
    uint64_t *charged;       /* shared with it, or NULL */
    struct service *service; /* of shell.run */
    uint64_t service_waiter;
    struct guest child; /* of shell.exec or shell.spec: one in all */
    bool show_envelopes;
    bool until_signal; /* the command goes on until a signal, which is its good end */
    uint64_t child_waiter;
    struct producer_wait *loads;
    struct inspect *inspect;
    char **folders; /* of shell.temp; owned */
    size_t folder_count, folder_capacity;
};

/* ---- answers: given in a later turn, outside of the code that waits ---- */

struct front_answer {
    struct front *front;
    uint64_t waiter;
    int code;
    char *reason; /* owned; NULL: none */
};

static int push_answer(lua_State *L, void *user)
{
    const struct front_answer *answer = user;
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, answer->code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, answer->reason);
    lua_setfield(L, -2, "reason");
    return 1;
}

static void give_answer(void *user)
{
    struct front_answer *answer = user;
    script_wake(program_host(answer->front->guest.program), answer->waiter, true, push_answer,
                answer);
    free(answer->reason);
    free(answer);
}

static void answer_later(struct front *front, uint64_t waiter, int code, const char *reason)
{
    struct front_answer *answer = malloc(sizeof *answer);
    ensure(answer != NULL);
    *answer = (struct front_answer){front, waiter, code, reason ? strdup(reason) : NULL};
    shell_later(&front->shell, give_answer, answer);
}

/* ---- shell.run ---- */

static void on_stopped(void *user)
{
    struct front *front = user;
    front->service = NULL;
    answer_later(front, front->service_waiter, 0, NULL);
}

/* Strings stay where they are: the table is on the stack until service_start returns. */
static void read_files(lua_State *L, int table, struct service_options *options)
{
    lua_getfield(L, table, "files");
    size_t count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    for (size_t i = 0; i < count && i < SERVICE_FILES_MAX; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        options->files[options->file_count++] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static struct span text_at(lua_State *L, int table, int place)
{
    size_t size;
    lua_rawgeti(L, table, place);
    const char *text = lua_tolstring(L, -1, &size);
    lua_pop(L, 1);
    return span_of(text, text ? size : 0);
}

static void read_flags(lua_State *L, int table, struct service_options *options)
{
    lua_getfield(L, table, "flags");
    size_t count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    for (size_t i = 0; i < count && i < SERVICE_FLAGS_MAX; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        options->flags[options->flag_count++] =
            (struct service_flag){text_at(L, lua_gettop(L), 1).bytes, text_at(L, lua_gettop(L), 2)};
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void wait_run(struct front *front, uint64_t waiter, lua_State *L, int first)
{
    struct complaint complaint;
    struct service_options options = {
        .holder = front->supervisor ? front->supervisor : (long)getpid(),
        .charged = front->charged,
        .stopped = on_stopped,
        .user = front,
    };
    read_files(L, first, &options);
    read_flags(L, first, &options);
    lua_getfield(L, first, "sentinel");
    options.sentinel = lua_toboolean(L, -1);
    lua_getfield(L, first, "watch");
    options.watch = lua_toboolean(L, -1);
    lua_pop(L, 2);
    front->service_waiter = waiter;
    front->service = service_start(&front->shell, &options, &complaint);
    if (!front->service)
        answer_later(front, waiter, complaint.usage ? EXIT_USAGE : EXIT_FAILED, complaint.text);
}

/* ---- shell.exec, shell.spec ---- */

static void on_child_done(void *user, struct guest *child)
{
    struct front *front = user;
    answer_later(front, front->child_waiter, child->exit_code, child->error);
}

static void preload_all(const struct front *front, struct script *script)
{
    for (const struct preload *each = front->preloads; each->name; each++)
        script_preload(script, each->name, each->open);
}

static int read_arguments(lua_State *L, int table, char **argv)
{
    lua_getfield(L, table, "args");
    int count = lua_istable(L, -1) ? (int)lua_objlen(L, -1) : 0;
    for (int i = 0; i < count && i < ARGUMENTS_MAX; i++)
        argv[i] = (char *)(uintptr_t)text_at(L, lua_gettop(L), i + 1).bytes;
    lua_pop(L, 1);
    return count < ARGUMENTS_MAX ? count : ARGUMENTS_MAX;
}

/* Scripts cannot require private modules, so programs of our own get their entry from here. */
static void set_main(struct script *script, const char *environment, const char *module)
{
    static const char text[] =
        "local environment, module = ...\n"
        "local strict = require(\"moonpost.strict\")\n"
        "rawset(strict.environment(environment), \"main\", require(module).main)\n";
    lua_State *L = script_state(script);
    bool ready = luaL_loadbuffer(L, text, sizeof text - 1, "=main") == 0;
    lua_pushstring(L, environment);
    lua_pushstring(L, module);
    ready = ready && lua_pcall(L, 2, 0, 0) == 0;
    if (!ready) fprintf(stderr, "moonpost: %s\n", lua_tostring(L, -1));
    ensure(ready);
}

/* Busted looks at who calls it, so the call is in this chunk and is no tail call. */
static const char spec_text[] = "return main(function(runner, options)\n"
                                "  runner(options)\n"
                                "  return true\n"
                                "end, ...)\n";

/* "tools/import.lua" is called "import" in the log. */
static const char *stem_of(const char *path, char *stem, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(stem, size, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(stem, '.');
    if (dot && dot != stem) *dot = 0;
    return stem;
}

static void start_child(struct front *front, lua_State *L, int table, const char *path,
                        const char *text)
{
    static char *argv[ARGUMENTS_MAX];
    char stem[64];
    int argc = read_arguments(L, table, argv);
    ensure(!front->child.program);
    struct guest_options options = {
        .kind = text ? SCRIPT_SPEC : SCRIPT_PROGRAM,
        .name = text ? "spec" : stem_of(path, stem, sizeof stem),
        .show_envelopes = front->show_envelopes,
        .done = on_child_done,
        .user = front,
    };
    guest_open(&front->child, &front->shell, &options);
    struct script *script = program_script(front->child.program);
    preload_all(front, script);
    if (text) set_main(script, "spec", "moonpost.cli.specs");
    program_start(front->child.program, path, text, argc, argv);
}

static void wait_exec(struct front *front, uint64_t waiter, lua_State *L, int first)
{
    front->child_waiter = waiter;
    start_child(front, L, first, bind_field(L, first, "file"), NULL);
}

/* Specs run in one go, without a turn of the loop in which a signal would be heard. */
static void wait_spec(struct front *front, uint64_t waiter, lua_State *L, int first)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    front->child_waiter = waiter;
    const char *seed = bind_field(L, first, "seed");
    if (seed) setenv("MOONPOST_SEED", seed, 1);
    start_child(front, L, first, "moonpost test", spec_text);
}

/* ---- shell.read_line ---- */

static int push_line(lua_State *L, void *user)
{
    const struct span *line = user;
    if (line)
        lua_pushlstring(L, line->size ? line->bytes : "", line->size);
    else
        lua_pushboolean(L, false);
    return 1;
}

static void give_line(void *user)
{
    struct front *front = user;
    struct span line;
    enum lines_answer answer = lines_take(&front->lines, &line);
    if (answer == LINES_LATER) return lines_wait(&front->lines, give_line, front);
    script_wake(program_host(front->guest.program), front->line_waiter, true, push_line,
                answer == LINES_LINE ? &line : NULL);
}

static void wait_line(struct front *front, uint64_t waiter, lua_State *L, int first)
{
    (void)L;
    (void)first;
    front->line_waiter = waiter;
    shell_later(&front->shell, give_line, front);
}

static void wait_load(struct front *front, uint64_t waiter, lua_State *L, int first)
{
    producer_wait_begin(front->loads, waiter, L, first);
}

static void wait_process(struct front *front, uint64_t waiter, lua_State *L, int first)
{
    processes_wait(front->processes, waiter, L, first);
}

/* ---- all kinds of waiting ---- */

static bool front_wait(void *user, uint64_t waiter, const char *kind, lua_State *L, int first)
{
    static const struct {
        const char *kind;
        void (*begin)(struct front *front, uint64_t waiter, lua_State *L, int first);
    } waits[] = {{"node_run", wait_run},   {"exec", wait_exec}, {"spec", wait_spec},
                 {"read_line", wait_line}, {"load", wait_load}, {"process_event", wait_process}};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        if (strcmp(waits[i].kind, kind) != 0) continue;
        waits[i].begin(user, waiter, L, first);
        return true;
    }
    return false;
}

/* ---- the other functions of module moonpost.shell ---- */

static int front_temp(lua_State *L)
{
    struct front *front = bind_user(L);
    char path[PATH_BYTES_MAX];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/moonpost-XXXXXX", folder && folder[0] ? folder : "/tmp");
    if (!mkdtemp(path)) return bind_fail_errno(L, path, errno);
    array_reserve(front->folders, front->folder_count, front->folder_capacity);
    front->folders[front->folder_count++] = strdup(path);
    lua_pushstring(L, path);
    return 1;
}

static int front_quiet(lua_State *L)
{
    struct front *front = bind_user(L);
    char chosen[PATH_BYTES_MAX];
    struct complaint complaint;
    front->shell.log.silent = !override_variable("LOG", chosen, sizeof chosen, &complaint);
    return 0;
}

static int front_until_signal(lua_State *L)
{
    struct front *front = bind_user(L);
    front->until_signal = true;
    return 0;
}

/* Whether a signal has come: what fails afterwards fails because the command ends. */
static int front_signalled(lua_State *L)
{
    const struct front *front = bind_user(L);
    lua_pushboolean(L, front->shell.signals > 0);
    return 1;
}

static int front_node(lua_State *L)
{
    char address[PATH_BYTES_MAX];
    struct address parsed;
    struct complaint complaint;
    override_node(span_text(luaL_optstring(L, 1, NULL)), address, sizeof address);
    if (!address_parse(span_text(address), ".", &parsed, &complaint))
        return bind_fail(L, "USAGE", complaint.text);
    lua_pushstring(L, address);
    return 1;
}

static int front_variable(lua_State *L)
{
    char value[PATH_BYTES_MAX];
    struct complaint complaint;
    if (override_variable(luaL_checkstring(L, 1), value, sizeof value, &complaint))
        return lua_pushstring(L, value), 1;
    if (complaint.text[0]) return bind_fail(L, "USAGE", complaint.text);
    return 0;
}

/* "LMDB 0.9.24: (July 24, 2019)" is 0.9.24. */
static void push_lmdb_version(lua_State *L)
{
    const char *text = store_lmdb_version(), *first = text + strcspn(text, "0123456789");
    lua_pushlstring(L, first, strspn(first, "0123456789."));
}

static int front_versions(lua_State *L)
{
    lua_createtable(L, 0, 4);
    push_lmdb_version(L);
    lua_setfield(L, -2, "lmdb");
    lua_getglobal(L, "jit");
    lua_getfield(L, -1, "version");
    lua_setfield(L, -3, "luajit");
    lua_pop(L, 1);
    lua_pushstring(L, uv_version_string());
    lua_setfield(L, -2, "libuv");
    lua_pushstring(L, jansson_version_str());
    lua_setfield(L, -2, "jansson");
    return 1;
}

static void front_preload(struct front *front, struct script *script)
{
    static const luaL_Reg functions[] = {{"read_file", files_read},
                                         {"list", files_list},
                                         {"kind", files_kind},
                                         {"remove_tree", files_remove_tree},
                                         {"make_folder", files_make_folder},
                                         {"copy_tree", files_copy_tree},
                                         {"cwd", files_cwd},
                                         {"exe", files_exe},
                                         {"isatty", files_isatty},
                                         {"columns", files_columns},
                                         {"temp", front_temp},
                                         {"quiet", front_quiet},
                                         {"until_signal", front_until_signal},
                                         {"signalled", front_signalled},
                                         {"node", front_node},
                                         {"variable", front_variable},
                                         {"versions", front_versions},
                                         {NULL, NULL}};
    static const char *const waits[] = {"run",       "node_run",  "exec", "exec", "spec", "spec",
                                        "read_line", "read_line", "load", "load", NULL};
    static const struct bind_module module = {"moonpost.shell", functions, waits};
    bind_preload(script, &module, front);
}

/* ---- signals ---- */

static void remove_folders(struct front *front)
{
    for (size_t i = 0; i < front->folder_count; i++) {
        files_remove(front->folders[i]);
        free(front->folders[i]);
    }
    front->folder_count = 0;
}

static void end_at_once(struct front *front, int exit_code)
{
    processes_kill(front->processes);
    remove_folders(front);
    _exit(exit_code);
}

/* A node is stopped and the command ends by itself; a scenario is told; anything else just ends.
 * The second signal is an order. */
static void on_signal(void *user, int number)
{
    struct front *front = user;
    if (front->shell.signals > 1) end_at_once(front, 128 + number);
    if (front->service)
        service_stop(front->service);
    else if (front->until_signal)
        shell_exit(&front->shell, 0);
    else if (!processes_interrupt(front->processes))
        shell_exit(&front->shell, 128 + number);
}

/* ---- life ---- */

static void on_done(void *user, struct guest *guest)
{
    struct front *front = user;
    if (guest->error) fprintf(stderr, "moonpost: this is a bug of ours: %s\n", guest->error);
    shell_exit(&front->shell, guest->error ? EXIT_BUG : guest->exit_code);
}

static void front_start(struct front *front, int argc, char *const *argv)
{
    struct guest_options options = {.kind = SCRIPT_PROGRAM,
                                    .name = "moonpost",
                                    .wait = front_wait,
                                    .done = on_done,
                                    .user = front};
    front->shell.on_signal = on_signal;
    front->shell.signal_user = front;
    lines_init(&front->lines, &front->shell.loop);
    guest_open(&front->guest, &front->shell, &options);
    struct script *script = program_script(front->guest.program);
    front->processes = processes_new(&front->shell.loop, program_host(front->guest.program));
    front->loads = producer_wait_new(&front->shell, program_host(front->guest.program));
    front_preload(front, script);
    processes_preload(front->processes, script);
    upkeep_preload(script);
    machine_preload(script);
    front->inspect = inspect_new();
    inspect_preload(front->inspect, script);
    preload_all(front, script);
    set_main(script, "program", "moonpost.cli");
    program_start(front->guest.program, "moonpost", "return main(...)\n", argc, argv);
}

static void front_end(struct front *front)
{
    processes_free(front->processes);
    if (front->service) service_stop(front->service);
    producer_wait_free(front->loads);
    inspect_free(front->inspect);
    shell_close_nodes(&front->shell);
    guest_free(&front->child);
    guest_free(&front->guest);
    lines_deinit(&front->lines);
    remove_folders(front); /* while signals are still caught: one would leave them behind */
    shell_deinit(&front->shell);
    free(front->folders);
    fflush(stdout);
}

/* What the environment says is checked once, for all commands. */
static bool read_environment(struct front *front, struct complaint *complaint)
{
    static const struct settings none;
    struct override override;
    override_init(&override, &none, &front->shell.log);
    bool valid = override_by_environment(&override, complaint);
    front->show_envelopes = override.show_envelopes;
    override_deinit(&override);
    return valid;
}

/* In the process that the command line runs in. */
static int run_here(struct front *front, int argc, char *const *argv)
{
    struct complaint complaint;
    setvbuf(stdout, NULL, _IOLBF,
            BUFSIZ); /* whoever reads through a pipe sees whole lines at once */
    shell_init(&front->shell);
    if (!read_environment(front, &complaint)) {
        fprintf(stderr, "moonpost: %s\n", complaint.text);
        shell_deinit(&front->shell);
        return EXIT_USAGE;
    }
    front_start(front, argc, argv);
    int exit_code = shell_run(&front->shell);
    front_end(front);
    return exit_code;
}

int front_run(int argc, char *const *argv, const struct preload *preloads)
{
    int exit_code;
    struct front front = {.preloads = preloads};
    bool supervised = supervisor_wanted(argc, argv);
    if (supervised) front.supervisor = supervisor_start(&exit_code, &front.charged);
    if (supervised && !front.supervisor) return exit_code;
    return run_here(&front, argc, argv);
}
