/* Programs and their clients.
 *
 * The program's coroutine waits; the engines of its own node (sleeps) and of its clients' nodes
 * (sends) wake it. A client that never came up is closed again and its opener told why. */
#include "node/program.h"

#include <stdio.h>
#include "core/array.h"

struct client {
    struct program *program;
    struct node *node; /* NULL: closed */
    uint32_t number;
    uint64_t opener; /* who waits for it to come up; 0: nobody any more */
};

struct program {
    struct program_io io;
    struct script_host *host;
    struct script *script;
    struct node *node; /* its timers */
    const struct settings *defaults;
    char *name;
    struct client **clients;
    size_t client_count, client_capacity;
};

/* ---- what the host is given ---- */

static int64_t program_now_ms(void *user)
{
    struct program *program = user;
    return program->io.now_ms(program->io.user);
}

static int64_t program_wall_ms(void *user)
{
    struct program *program = user;
    return program->io.wall_ms(program->io.user);
}

static uint64_t program_random(void *user)
{
    struct program *program = user;
    return program->io.random(program->io.user);
}

static void program_log(void *user, const struct log_record *record)
{
    struct program *program = user;
    program->io.log(program->io.user, span_text(program->name), record);
}

static void program_post(void *user, const struct event *event)
{
    struct program *program = user;
    node_post(program->node, event);
}

static bool program_wait(void *user, uint64_t waiter, const char *kind, lua_State *L, int first)
{
    struct program *program = user;
    return program->io.wait && program->io.wait(program->io.user, waiter, kind, L, first);
}

static const char *program_getenv(void *user, const char *name)
{
    struct program *program = user;
    return program->io.getenv(program->io.user, name);
}

static void program_done(void *user, int exit_code, struct span error)
{
    struct program *program = user;
    program->io.done(program->io.user, exit_code, error);
}

/* ---- clients ---- */

static struct client *client_numbered(struct program *program, uint32_t number)
{
    if (number == 0 || number > program->client_count) return NULL;
    struct client *client = program->clients[number - 1];
    return client->node ? client : NULL;
}

static struct client *client_new(struct program *program, uint64_t opener)
{
    struct client *client = calloc(1, sizeof *client);
    ensure(client != NULL);
    client->program = program;
    client->opener = opener;
    array_reserve(program->clients, program->client_count, program->client_capacity);
    program->clients[program->client_count++] = client;
    client->number = (uint32_t)program->client_count;
    return client;
}

static int push_number(lua_State *L, void *user)
{
    const struct client *client = user;
    lua_pushinteger(L, (lua_Integer)client->number);
    return 1;
}

struct refusal {
    enum code code;
    struct span reason;
};

static int push_refusal(lua_State *L, void *user)
{
    const struct refusal *refusal = user;
    lua_pushlstring(L, refusal->reason.bytes ? refusal->reason.bytes : "", refusal->reason.size);
    lua_pushstring(L, code_name(refusal->code));
    return 2;
}

static void client_close(struct client *client)
{
    struct program_io *io = &client->program->io;
    if (client->node) io->node_close(io->user, client->node);
    client->node = NULL;
}

static void client_ready(void *user, bool ok, enum code code, struct span reason)
{
    struct client *client = user;
    uint64_t opener = client->opener;
    client->opener = 0;
    if (ok) {
        script_wake(client->program->host, opener, true, push_number, client);
        return;
    }
    struct refusal refusal = {code, reason};
    client_close(client);
    script_wake(client->program->host, opener, false, push_refusal, &refusal);
}

static struct settings client_settings(const struct program *program,
                                       const struct client_options *options)
{
    struct settings settings = *program->defaults;
    settings.link_count = 1;
    settings.links[0] = (struct link_settings){
        .address = options->link,
        .retry = retry_default_link(),
        .stable_for_ms = 10000,
        .heartbeat_ms = 15000,
    };
    if (options->send) settings.send = *options->send;
    if (options->profile != PROFILE_DEFAULT) settings.send_profile = options->profile;
    settings.send_level = options->level;
    settings.link_window = options->window ? options->window : WINDOW_DEFAULT;
    return settings;
}

struct restored {
    struct script_host *host;
    uint32_t client;
};

static uint64_t wait_for(void *user, struct span id)
{
    const struct restored *restored = user;
    return script_sending(restored->host, restored->client, id);
}

/* What was sent before this start is flushed with the rest. A name that nobody gave is the
 * store's. */
static struct node *open_stored(struct program *program, const struct client *client,
                                const struct client_options *options, struct node_options *node)
{
    struct restored restored = {program->host, client->number};
    node->name = options->name;
    struct node *opened = program->io.node_open_stored(program->io.user, node, options->store);
    if (opened) engine_wait_for_restored(node_engine(opened), wait_for, &restored);
    return opened;
}

static void client_open(void *user, uint64_t waiter, const struct client_options *options)
{
    struct program *program = user;
    struct client *client = client_new(program, waiter);
    struct settings settings = client_settings(program, options);
    char name[64];
    snprintf(name, sizeof name, "%.32s-%08x", program->name, (unsigned)program_random(program));
    struct node_options node = {
        .settings = &settings,
        .name = options->name.size > 0 ? options->name : span_text(name),
        .role = ROLE_CLIENT,
        .seed = program_random(program),
        .show_envelopes = program->io.show_envelopes,
        .deterministic = program->io.deterministic,
        .one_shot = true,
        .waiters = program->host,
        .ready = client_ready,
        .ready_user = client,
    };
    client->node = options->store.size > 0 ? open_stored(program, client, options, &node)
                                           : program->io.node_open(program->io.user, &node);
    if (client->node) node_start(client->node);
}

static void post_to_client(void *user, uint32_t number, const struct event *event)
{
    struct client *client = client_numbered(user, number);
    if (client) node_post(client->node, event);
}

static void close_client(void *user, uint32_t number)
{
    struct client *client = client_numbered(user, number);
    if (client) client_close(client);
}

/* ---- life ---- */

static struct script_host *make_host(struct program *program)
{
    struct script_env env = {
        .user = program,
        .now_ms = program_now_ms,
        .wall_ms = program_wall_ms,
        .random = program_random,
        .deterministic = program->io.deterministic,
        .log = program_log,
        .post = program_post,
        .client_open = client_open,
        .client_post = post_to_client,
        .client_close = close_client,
        .client_stores = program->io.node_open_stored != NULL,
        .wait = program_wait,
        .program_done = program_done,
        .getenv = program->io.getenv ? program_getenv : NULL,
    };
    return script_host_new(&env);
}

struct program *program_new(const struct program_io *io, enum script_kind kind, struct span name,
                            const char *root)
{
    struct program *program = calloc(1, sizeof *program);
    struct span error;
    ensure(program != NULL);
    program->io = *io;
    program->name = strndup(name.bytes, name.size);
    program->host = make_host(program);
    enum status status = script_settings_load(program->host, NULL, &program->defaults, &error);
    ensure(status == STATUS_OK);
    struct node_options own = {.settings = program->defaults,
                               .name = name,
                               .role = ROLE_CLIENT,
                               .seed = program_random(program),
                               .waiters = program->host,
                               .deterministic = io->deterministic};
    program->node = io->node_open(io->user, &own);
    program->script = script_new(program->host, kind, root);
    return program;
}

struct script *program_script(struct program *program)
{
    return program->script;
}

struct script_host *program_host(struct program *program)
{
    return program->host;
}

void program_start(struct program *program, const char *path, const char *text, int argc,
                   char *const *argv)
{
    script_program(program->script, path, text, argc, argv);
}

void program_free(struct program *program)
{
    for (size_t i = 0; i < program->client_count; i++) {
        client_close(program->clients[i]);
        free(program->clients[i]);
    }
    program->io.node_close(program->io.user, program->node);
    script_host_free(program->host);
    free(program->clients);
    free(program->name);
    free(program);
}
