/* Running one node.
 *
 *   node --> settings file, environment, flags --> its folder, store and socket, its doors -->
 * agents
 *   --> started; the loop does the rest until service_stop
 */
#include "shell/service.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "core/ensure.h"
#include "shell/clock.h"
#include "shell/disk.h"
#include "shell/door.h"
#include "shell/notify.h"
#include "shell/orders.h"
#include "shell/override.h"
#include "shell/premises.h"
#include "shell/rescue.h"
#include "shell/watch.h"
#include "store/folder.h"
#include "store/inhand.h"
#include "store/store_lmdb.h"

enum { PATH_BYTES_MAX = 4096 };

struct service {
    struct shell *shell;
    const struct service_options *options; /* only while starting */
    struct override override;
    struct seat *seat;
    char folder[PATH_BYTES_MAX];                 /* of its socket, its lock and its store */
    struct store *store;                         /* the node's, on disk; NULL: in memory */
    struct node_found found;                     /* in that store */
    struct inhand_file *inhand;                  /* beside it; NULL: there is none */
    int64_t grace_ms;                            /* of a stop */
    const char *settings_file;                   /* one of the options' files, "node.lua" or NULL */
    struct address doors[SETTINGS_LIST_MAX + 1]; /* as they are: no port is 0 */
    size_t door_count;
    struct watch *watch; /* NULL: not yet, or not any more */
    struct premises *premises;
    char gone[PATH_BYTES_MAX]; /* of the files there, which one has gone */
    bool store_gone;           /* ... and it was the store's */
    struct notify *notify;     /* NULL: no service manager listens */
    void (*stopped)(void *user);
    void *user;
};

/* ---- settings ---- */

static bool is_settings_value(lua_State *L)
{
    bool is = luaL_getmetafield(L, -1, "__name") && lua_type(L, -1) == LUA_TSTRING &&
              strcmp(lua_tostring(L, -1), "moonpost.node") == 0;
    lua_settop(L, 0);
    return is;
}

/* Does this file return settings? One that fails to load counts as an agent, whose loading says
 * why. */
static bool is_settings_file(struct service *service, const char *path)
{
    struct span error;
    struct script *script = script_new(node_host(service->seat->node), SCRIPT_NODE, ".");
    bool is = script_load(script, path, NULL, &error) == STATUS_OK &&
              is_settings_value(script_state(script));
    script_free(script);
    return is;
}

static bool choose_settings(struct service *service, struct complaint *complaint)
{
    const struct service_options *options = service->options;
    if (options->sentinel) return true;
    if (options->file_count == 0 && access("node.lua", F_OK) == 0)
        service->settings_file = "node.lua";
    for (size_t i = 0; i < options->file_count; i++) {
        const char *file = options->files[i];
        if (access(file, R_OK) != 0) return complain(complaint, "%s: %s", file, strerror(errno));
        if (!is_settings_file(service, file)) continue;
        if (service->settings_file)
            return complain(complaint, "%s and %s are both settings; a node has one settings file",
                            service->settings_file, file);
        service->settings_file = file;
    }
    return true;
}

static bool apply_overrides(struct service *service, struct complaint *complaint)
{
    const struct service_options *options = service->options;
    if (!override_by_environment(&service->override, complaint)) return false;
    for (size_t i = 0; i < options->flag_count; i++) {
        const struct service_flag *flag = &options->flags[i];
        if (!override_by_flag(&service->override, flag->name, flag->value, complaint)) return false;
    }
    return true;
}

static bool load_settings(struct service *service, struct complaint *complaint)
{
    const struct settings *settings;
    struct span error;
    struct script_host *host = node_host(service->seat->node);
    if (script_settings_load(host, service->settings_file, &settings, &error) != STATUS_OK)
        return complain(complaint, "%.*s", SPAN_ARGS(error));
    override_deinit(&service->override);
    override_init(&service->override, settings, &service->shell->log);
    service->shell->log.level = (enum log_level)settings->log_level;
    service->shell->log.json = settings->log_json;
    return apply_overrides(service, complaint);
}

/* Agent files on the command line stand instead of the default glob. */
static void choose_agents(struct service *service)
{
    struct settings *settings = &service->override.settings;
    if (service->options->sentinel || (!service->settings_file && service->options->file_count))
        settings->agents_given = settings->hooks_given = true;
    if (!settings->agents_given)
        settings->agents[settings->agent_count++] = span_text("agents/*.lua");
    if (!settings->hooks_given) settings->hooks[settings->hook_count++] = span_text("hooks/*.lua");
}

/* ---- the node ---- */

/* Whether envelopes are shown must be known before there are settings; wrong flags come out here.
 */
static bool open_node(struct service *service, struct complaint *complaint)
{
    static const struct settings none;
    struct log log = service->shell->log;
    override_init(&service->override, &none, &log);
    if (!apply_overrides(service, complaint)) return false;
    struct node_options options = {
        .role = service->options->sentinel ? ROLE_SENTINEL : ROLE_NODE,
        .seed = clock_random(),
        .show_envelopes = service->override.show_envelopes,
    };
    service->seat = seat_open(service->shell, ".", &options);
    return true;
}

/* Whoever is to be told to stop has its number in the folder: the supervisor, if there is one. */
static bool take_folder(struct service *service, struct complaint *complaint)
{
    char error[STORE_ERROR_BYTES];
    const char *root = service->seat->root;
    struct span path = service->override.settings.store_path;
    bool as_it_is = strcmp(root, ".") == 0 || path.bytes[0] == '/';
    snprintf(service->folder, sizeof service->folder, "%s%s%.*s", as_it_is ? "" : root,
             as_it_is ? "" : "/", SPAN_ARGS(path));
    service->seat->folder =
        folder_lock(service->folder, service->options->holder, error, sizeof error);
    return service->seat->folder >= 0 || complain(complaint, "%s", error);
}

static bool open_store(struct service *service, struct complaint *complaint)
{
    char error[STORE_ERROR_BYTES];
    const struct settings *settings = &service->override.settings;
    struct store_lmdb_options options = {
        .folder = service->folder,
        .max_bytes = settings->store_max,
        .relaxed = settings->store_relaxed,
    };
    if (!settings->store_on_disk) return true;
    struct store *store = store_lmdb_open(&options, error);
    if (!store) return complain(complaint, "%s", error);
    service->store = store;
    return node_use_store(service->seat->node, store, settings->name, error) ||
           complain(complaint, "%s", error);
}

static const char *blame(const struct inhand *found)
{
    if (found->running == 0) return "nobody is blamed";
    if (found->other_count == 0) return "the one that ran is a suspect";
    return "those that ran together are handed over one by one";
}

/* What the process before left says whose handler ran when it died. A node without the file works;
 * a message that kills it is then never found out. */
static void open_inhand(struct service *service)
{
    char error[STORE_ERROR_BYTES];
    struct inhand found;
    struct node *node = service->seat->node;
    const struct identity *identity = node_identity(node);
    service->inhand = inhand_open(service->folder, identity->store_id, identity->epoch, &found,
                                  error, sizeof error);
    if (!service->inhand)
        log_say(&service->shell->log, LOG_WARN, node_name(node),
                "messages that end the process cannot be told: %s", error);
    engine_blame(node_engine(node), &found);
    if (found.count)
        log_say(&service->shell->log, LOG_WARN, node_name(node),
                "the process before died with %llu in hand; %s", (unsigned long long)found.count,
                blame(&found));
}

/* The store's thread begins when nobody else reads any more. */
static bool recover(struct service *service, struct complaint *complaint)
{
    char error[STORE_ERROR_BYTES];
    if (!service->store) return true;
    open_inhand(service);
    if (!node_recover(service->seat->node, &service->found, error))
        return complain(complaint, "%s", error);
    seat_start_disk(service->seat, service->store);
    return true;
}

static bool configure(struct service *service, struct complaint *complaint)
{
    if (!choose_settings(service, complaint) || !load_settings(service, complaint)) return false;
    const struct settings *settings = &service->override.settings;
    choose_agents(service);
    seat_move(service->seat, settings->root);
    if (!take_folder(service, complaint) || !open_store(service, complaint)) return false;
    node_configure(service->seat->node, settings, settings->name);
    return recover(service, complaint);
}

static bool open_doors(struct service *service, struct complaint *complaint)
{
    const struct settings *settings = &service->override.settings;
    bool opened = door_open_folder(service->seat, service->folder, &service->doors[0], complaint);
    if (!opened) return false;
    service->door_count = 1;
    for (size_t i = 0; i < settings->listen_count && opened; i++)
        opened = door_open(service->seat, settings->listen[i], settings->insecure,
                           &service->doors[service->door_count++], complaint);
    return opened;
}

static bool load_agents(struct service *service, struct complaint *complaint)
{
    struct span error;
    struct node *node = service->seat->node;
    if (node_load(node, &error) != STATUS_OK) return complain(complaint, "%.*s", SPAN_ARGS(error));
    for (size_t i = 0; i < service->options->file_count; i++) {
        const char *file = service->options->files[i];
        if (file == service->settings_file) continue;
        if (node_load_agent(node, file, &error) != STATUS_OK)
            return complain(complaint, "%.*s", SPAN_ARGS(error));
    }
    return true;
}

/* ---- what it says at start ---- */

static const struct agent_declaration *agent_at(const struct service *service, uint32_t number)
{
    return script_agent_declaration(node_host(service->seat->node), number);
}

static void say_agent(struct service *service, const struct agent_declaration *agent)
{
    static const char *const profiles[] = {"at-most-once", "at-least-once", "exactly-once"};
    log_say(&service->shell->log, LOG_INFO, node_name(service->seat->node),
            "agent %.*s  generation 1  profile %s  dedup %s", SPAN_ARGS(agent->address),
            profiles[agent->profile], agent->dedup == DEDUP_KEY ? "by key" : "none");
}

static void say_door(struct service *service, const struct address *door)
{
    struct log *log = &service->shell->log;
    struct span name = node_name(service->seat->node);
    bool brackets = strchr(door->host, ':');
    if (door->kind == ADDRESS_UNIX)
        log_say(log, LOG_INFO, name, "listening unix:%s", door->path);
    else
        log_say(log, LOG_INFO, name, "listening tcp://%s%s%s:%s", brackets ? "[" : "", door->host,
                brackets ? "]" : "", door->port);
}

static void describe_store(const struct service *service, char *text, size_t size)
{
    const struct settings *settings = &service->override.settings;
    const struct node_found *found = &service->found;
    if (!service->store)
        snprintf(text, size, "memory (nothing survives this process)");
    else
        snprintf(text, size, "%s  sync %s  messages %zu  dead %zu", service->folder,
                 settings->store_relaxed ? "relaxed (a power cut may undo the last commits)"
                                         : "commit",
                 found->messages > found->dead ? found->messages - found->dead : 0, found->dead);
}

static void say_damage(struct service *service)
{
    const struct node_found *found = &service->found;
    bool one = found->damaged == 1;
    if (found->damaged == 0) return;
    log_say(
        &service->shell->log, LOG_ERROR, node_name(service->seat->node),
        "%zu record%s of the store %s %s damaged and set aside; look with: moonpost store check "
        "--store %s",
        found->damaged, one ? "" : "s", service->folder, one ? "is" : "are", service->folder);
}

static void say_up(struct service *service)
{
    char store[PATH_BYTES_MAX + 128];
    uint32_t count = 0;
    while (agent_at(service, count + 1)) count++;
    struct span name = node_name(service->seat->node);
    describe_store(service, store, sizeof store);
    log_say(&service->shell->log, LOG_INFO, name, "%s up  store %s  agents %u",
            service->options->sentinel ? "sentinel" : "node", store, count);
    say_damage(service);
    for (uint32_t i = 1; i <= count; i++) say_agent(service, agent_at(service, i));
    for (size_t i = 0; i < service->door_count; i++) say_door(service, &service->doors[i]);
    bool meant = service->override.settings.agents_given; /* agents = {} */
    if (count == 0 && !service->options->sentinel && !meant)
        log_say(&service->shell->log, LOG_WARN, name,
                "no agents: there is nothing in agents/*.lua here; name a file: moonpost run FILE");
}

/* ---- reload ---- */

struct looked {
    bool changed, unsettled;
};

static void note_result(void *user, const struct reload_result *result)
{
    struct looked *looked = user;
    looked->changed |= result->state != RELOAD_UNCHANGED;
    looked->unsettled |= result->state == RELOAD_UNSETTLED;
}

static void say_settings(struct service *service, const char *path)
{
    log_say(&service->shell->log, LOG_WARN, node_name(service->seat->node),
            "%s has changed; settings and hooks are read at the next start", path);
}

/* Whoever sends SIGHUP has written what there is to write. */
static bool look(void *user, bool asked)
{
    struct service *service = user;
    struct node *node = service->seat->node;
    struct reload_request request = {.latest = !asked, .settled_ms = asked ? 0 : WATCH_QUIET_MS};
    struct looked looked = {.changed = false};
    const char *path;
    node_reload(node, &request, note_result, &looked);
    while ((path = node_settings_change(node))) say_settings(service, path);
    if (asked && !looked.changed)
        log_say(&service->shell->log, LOG_INFO, node_name(node),
                "reload (SIGHUP): no file of an agent has changed");
    return looked.unsettled;
}

static void cannot_watch(void *user, const char *path, int code)
{
    struct service *service = user;
    log_say(&service->shell->log, LOG_WARN, node_name(service->seat->node),
            "%s cannot be watched: %s; use moonpost reload or kill -HUP", path, uv_strerror(code));
}

static void watch(struct service *service)
{
    struct watch_calls calls = {service, look, cannot_watch};
    service->watch =
        watch_open(&service->shell->loop, service->seat->node, service->options->watch, &calls);
    if (service->options->watch)
        log_say(&service->shell->log, LOG_INFO, node_name(service->seat->node),
                "watching the files of its agents");
}

static void watch_no_more(struct service *service)
{
    if (service->watch) watch_close(service->watch);
    service->watch = NULL;
}

/* ---- the folder ---- */

/* On the store's thread, which has the store for itself. */
static void say_why(struct store *store, void *user, char *why)
{
    const struct service *service = user;
    char rescued[STORE_ERROR_BYTES] = "";
    if (service->store_gone) rescue_store(store, service->folder, rescued);
    snprintf(why, STORE_ERROR_BYTES, "%.96s was removed or replaced while the node ran%s%.320s",
             service->gone, rescued[0] ? "; " : ", and with it what keeps others out of its folder",
             rescued);
}

/* Nothing can be kept any more that is confirmed from now on, and somebody else may begin in the
 * folder. A store in memory has nothing to lose there. */
static void on_gone_file(void *user, const char *path, bool store)
{
    struct service *service = user;
    snprintf(service->gone, sizeof service->gone, "%s", path);
    service->store_gone = store;
    if (service->seat->state == SEAT_LEAVING) return; /* the store is being closed */
    if (service->seat->disk)
        disk_condemn(service->seat->disk, say_why, service);
    else
        log_say(
            &service->shell->log, LOG_ERROR, node_name(service->seat->node),
            "%s was removed while the node ran: commands cannot reach it any more; start it again",
            path);
}

static void watch_folder(struct service *service)
{
    struct premises_calls calls = {service, on_gone_file};
    service->premises =
        premises_watch(&service->shell->loop, service->folder, service->store != NULL, &calls);
}

/* ---- life ---- */

static void guard(struct service *service)
{
    const struct settings *settings = &service->override.settings;
    struct node *node = service->seat->node;
    struct inhand *inhand = service->inhand ? inhand_begin(service->inhand) : NULL;
    if (inhand) script_host_inhand(node_host(node), inhand);
    orders_watch(inhand);
    service->seat->charged = service->options->charged;
    service->grace_ms = settings->grace_ms;
    if (settings->watchdog_ms != DURATION_FOREVER)
        seat_start_watchdog(service->seat, settings->watchdog_ms);
}

static void service_free(struct service *service)
{
    orders_forget();
    inhand_close(service->inhand);
    watch_no_more(service);
    notify_close(service->notify);
    premises_close(service->premises);
    override_deinit(&service->override);
    free(service);
}

static void on_gone(void *user)
{
    struct service *service = user;
    void (*stopped)(void *) = service->stopped;
    void *stopped_user = service->user;
    service_free(service);
    if (stopped) stopped(stopped_user);
}

void service_stop(struct service *service)
{
    notify_stopping(service->notify);
    watch_no_more(service);
    seat_drain(service->seat, service->grace_ms, on_gone, service);
}

static void tell_manager(struct service *service)
{
    char status[256];
    struct span name = node_name(service->seat->node);
    snprintf(status, sizeof status, "node %.*s is up", SPAN_ARGS(name));
    service->notify = notify_open(&service->shell->loop);
    notify_ready(service->notify, service->options->holder, status);
}

static bool begin(struct service *service, struct complaint *complaint)
{
    return open_node(service, complaint) && configure(service, complaint) &&
           open_doors(service, complaint) && load_agents(service, complaint);
}

struct service *service_start(struct shell *shell, const struct service_options *options,
                              struct complaint *complaint)
{
    struct service *service = calloc(1, sizeof *service);
    ensure(service != NULL);
    service->shell = shell;
    service->options = options;
    if (begin(service, complaint)) {
        guard(service);
        watch_folder(service);
        watch(service); /* whoever reads that it is up may send SIGHUP */
        say_up(service);
        node_start(service->seat->node);
        tell_manager(service);
        service->stopped = options->stopped;
        service->user = options->user;
        service->options = NULL;
        return service;
    }
    if (service->seat)
        seat_drop(service->seat, on_gone, service);
    else
        service_free(service);
    return NULL;
}
