/* Programs in the shell. */
#include "shell/guest.h"

#include <stdlib.h>
#include <unistd.h>
#include "core/ensure.h"
#include "shell/clock.h"
#include "shell/override.h"
#include "shell/seat.h"
#include "store/folder.h"
#include "store/store_lmdb.h"

enum { ADDRESS_TEXT_MAX = 4096, PATH_BYTES_MAX = 4096 };

/* A client that names no node means the one of this folder. */
static void choose_link(struct settings *settings, char *address, size_t size)
{
    if (settings->link_count != 1 || settings->links[0].address.size) return;
    override_node(span_of(NULL, 0), address, size);
    settings->links[0].address = span_text(address);
}

static struct node *guest_node_open(void *user, const struct node_options *options)
{
    struct guest *guest = user;
    char address[ADDRESS_TEXT_MAX];
    struct settings settings = *options->settings;
    struct node_options own = *options;
    choose_link(&settings, address, sizeof address);
    override_client(&settings);
    own.settings = &settings;
    return seat_open(guest->shell, ".", &own)->node;
}

static bool take_folder(struct seat *seat, const char *folder, enum code *code, char *error)
{
    *code = folder_holder(folder) ? CODE_BUSY : CODE_DENIED;
    seat->folder = folder_lock(folder, getpid(), error, STORE_ERROR_BYTES);
    return seat->folder >= 0;
}

/* The store is the node's from then on, whatever comes of it. */
static struct store *open_store(struct seat *seat, const char *folder,
                                const struct node_options *options, enum code *code, char *error)
{
    struct store_lmdb_options store_options = {.folder = folder,
                                               .max_bytes = options->settings->store_max};
    if (!take_folder(seat, folder, code, error)) return NULL;
    struct store *store = store_lmdb_open(&store_options, error);
    bool used = store && node_use_store(seat->node, store, options->name, error);
    return used ? store : NULL;
}

static bool take_up(struct seat *seat, struct store *store, const struct node_options *options,
                    char *error)
{
    struct node_found found;
    char address[ADDRESS_TEXT_MAX];
    struct settings settings = *options->settings;
    choose_link(&settings, address, sizeof address);
    override_client(&settings);
    node_configure(seat->node, &settings, options->name);
    if (!node_recover(seat->node, &found, error)) return false;
    if (found.damaged > 0)
        log_say(&seat->shell->log, LOG_ERROR, node_name(seat->node),
                "%zu damaged records of its store are set aside; look with: moonpost store check",
                found.damaged);
    seat_start_disk(seat, store);
    return true;
}

/* Why a store cannot be used, told when its node is gone. */
struct refused {
    struct node_options options;
    enum code code;
    char error[STORE_ERROR_BYTES];
};

static void tell_refused(void *user)
{
    struct refused *refused = user;
    const struct node_options *options = &refused->options;
    options->ready(options->ready_user, false, refused->code, span_text(refused->error));
    free(refused);
}

static struct node *guest_node_open_stored(void *user, const struct node_options *options,
                                           struct span path)
{
    struct guest *guest = user;
    char folder[PATH_BYTES_MAX];
    struct node_options bare = *options;
    bare.settings = NULL; /* there is no engine before its store */
    snprintf(folder, sizeof folder, "%.*s", SPAN_ARGS(path));
    struct refused *refused = calloc(1, sizeof *refused);
    ensure(refused != NULL);
    refused->options = *options;
    struct seat *seat = seat_open(guest->shell, ".", &bare);
    struct store *store = open_store(seat, folder, options, &refused->code, refused->error);
    if (store && take_up(seat, store, options, refused->error)) {
        free(refused);
        return seat->node;
    }
    seat_drop(seat, tell_refused, refused);
    return NULL;
}

static void guest_node_close(void *user, struct node *node)
{
    struct guest *guest = user;
    struct seat *seat = seat_of(guest->shell, node);
    if (seat) seat_close(seat, NULL, NULL);
}

static int64_t guest_now_ms(void *user)
{
    (void)user;
    return clock_now_ms();
}

static int64_t guest_wall_ms(void *user)
{
    (void)user;
    return clock_wall_ms();
}

static uint64_t guest_random(void *user)
{
    (void)user;
    return clock_random();
}

static void guest_log(void *user, struct span node, const struct log_record *record)
{
    struct guest *guest = user;
    log_write(&guest->shell->log, node, record);
}

static void tell_done(void *user)
{
    struct guest *guest = user;
    guest->options.done(guest->options.user, guest);
}

static void guest_done(void *user, int exit_code, struct span error)
{
    struct guest *guest = user;
    if (guest->over) return;
    guest->over = true;
    guest->exit_code = exit_code;
    if (error.size) guest->error = strndup(error.bytes, error.size);
    shell_later(guest->shell, tell_done, guest);
}

static bool guest_wait(void *user, uint64_t waiter, const char *kind, lua_State *L, int first)
{
    struct guest *guest = user;
    return guest->options.wait(guest->options.user, waiter, kind, L, first);
}

void guest_open(struct guest *guest, struct shell *shell, const struct guest_options *options)
{
    *guest = (struct guest){.shell = shell, .options = *options};
    guest->io = (struct program_io){
        .user = guest,
        .node_open = guest_node_open,
        .node_open_stored = guest_node_open_stored,
        .node_close = guest_node_close,
        .now_ms = guest_now_ms,
        .wall_ms = guest_wall_ms,
        .random = guest_random,
        .log = guest_log,
        .show_envelopes = options->show_envelopes,
        .wait = options->wait ? guest_wait : NULL,
        .done = guest_done,
    };
    guest->program = program_new(&guest->io, options->kind, span_text(options->name), ".");
}

void guest_free(struct guest *guest)
{
    if (guest->program) program_free(guest->program);
    guest->program = NULL;
    free(guest->error);
    guest->error = NULL;
}
