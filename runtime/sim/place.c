/* Nodes in a world, and what they ask of it instead of a real shell. */
#include "sim/parts.h"

#include <stdio.h>

enum { WAITER_MARK_BIT = 63 /* set in tokens that world_waiter gave */ };

/* ---- what a node asks of the world ---- */

static int64_t io_now_ms(void *user)
{
    return ((struct world_node *)user)->world->now_ms;
}

static int64_t io_wall_ms(void *user)
{
    return world_wall_ms(((struct world_node *)user)->world);
}

static bool is_dying(const struct world_node *node)
{
    return node->dying;
}

static void io_write(void *user, uint32_t connection, struct block *block)
{
    if (is_dying(user))
        block_release(block);
    else
        pipe_write(user, connection, block);
}

static void io_close(void *user, uint32_t connection)
{
    if (!is_dying(user)) pipe_close(user, connection);
}

static void io_dial(void *user, uint32_t dial, struct span address)
{
    if (!is_dying(user)) pipe_dial(user, dial, address);
}

static void io_commit(void *user, struct batch *batch)
{
    life_commit(user, batch);
}

static void io_load(void *user, struct load *load)
{
    life_load(user, load);
}

static void io_wake(void *user)
{
    ((struct world_node *)user)->awake = true;
}

static void io_log(void *user, struct span name, const struct log_record *record)
{
    if (!is_dying(user)) world_keep_line(((struct world_node *)user)->world, name, record);
}

static const char *io_getenv(void *user, const char *name)
{
    return world_variable(((struct world_node *)user)->world, name);
}

static void see_fact(void *user, const struct fact *fact)
{
    struct world_node *node = user;
    if (node->dying) return;
    trace_fact(node, fact);
    ledger_fact(node->book, node->world->now_ms, fact);
    if (node->world->see) node->world->see(node->world->watch_user, node, fact);
}

static bool see_answer(void *user, uint64_t waiter, const struct answer *answer)
{
    struct world_node *node = user;
    if (!(waiter >> WAITER_MARK_BIT)) return false;
    if (node->dying) return true;
    ledger_answer(node->world->ledger, node->world->now_ms, answer);
    if (node->world->answered) node->world->answered(node->world->watch_user, waiter, answer);
    return true;
}

struct looked_for {
    struct span address;
    struct ledger_agent agent;
};

static void look_at(void *user, const struct queue_view *queue)
{
    struct looked_for *wanted = user;
    if (queue->outbox || !queue->served || !span_equal(queue->address, wanted->address)) return;
    wanted->agent.by_id = queue->agent.dedup != DEDUP_NONE && !queue->agent.asks_dedup;
    wanted->agent.at_most_once = queue->agent.profile == AT_MOST_ONCE;
    wanted->agent.order = queue->agent.asks_key ? ORDER_NONE : queue->agent.order;
    wanted->agent.dedup = queue->agent.dedup != DEDUP_NONE;
}

static struct ledger_agent look(void *user, struct span address)
{
    struct world_node *node = user;
    struct looked_for wanted = {.address = address};
    engine_queues(node_engine(node->node), look_at, &wanted);
    return wanted.agent;
}

/* ---- nodes ---- */

static void io_crash(void *user)
{
    world_crash(user);
}

struct world_node *place_new(struct world *world, struct span name)
{
    struct world_node *node = calloc(1, sizeof *node);
    ensure(node != NULL);
    node->world = world;
    node->name = text_of(name);
    node->book = ledger_book(world->ledger, node->name);
    ledger_ask(node->book, look, node);
    node->io = (struct node_io){
        .user = node,
        .now_ms = io_now_ms,
        .wall_ms = io_wall_ms,
        .write = io_write,
        .close = io_close,
        .dial = io_dial,
        .commit = io_commit,
        .load = io_load,
        .wake = io_wake,
        .log = io_log,
        .getenv = io_getenv,
        .crash = io_crash,
    };
    *world->nodes_tail = node;
    world->nodes_tail = &node->next;
    return node;
}

void place_make(struct world_node *node)
{
    struct node_options options = {.role = node->role,
                                   .seed = world_random(node->world),
                                   .show_envelopes = node->show_envelopes,
                                   .deterministic = true,
                                   .epoch = node->first_epoch};
    if (node->store_id[0]) options.store_id = node->store_id;
    node->node = node_new(&options, &node->io);
}

struct world_node *world_node_add(struct world *world, struct span name, uint8_t role,
                                  bool show_envelopes, const struct world_identity *identity)
{
    struct world_node *node = place_new(world, name);
    size_t size = identity->store.size < STORE_ID_BYTES ? identity->store.size : STORE_ID_BYTES;
    if (identity->name.size > 0) node->goes_by = text_of(identity->name);
    if (size > 0) memcpy(node->store_id, identity->store.bytes, size);
    node->role = role;
    node->show_envelopes = show_envelopes;
    node->first_epoch = identity->epoch;
    node->medium = medium_new();
    place_make(node);
    return node;
}

void place_watch(struct world_node *node)
{
    node_observe(node->node, see_fact, see_answer, node);
}

struct node *world_node_of(struct world_node *node)
{
    return node->node;
}

struct span world_node_name(const struct world_node *node)
{
    return span_text(node->name);
}

/* As the other shell says it. */
static void say_listening(struct world_node *node, struct span address)
{
    char text[512];
    snprintf(text, sizeof text, "listening %.*s", SPAN_ARGS(address));
    world_keep_line(node->world, span_text(node->name),
                    &(struct log_record){.level = LOG_INFO, .text = span_text(text)});
}

static void listen_at(struct world_node *node, struct span address)
{
    say_listening(node, address);
    array_reserve(node->listens, node->listen_count, node->listen_capacity);
    node->listens[node->listen_count++] = text_of(address);
}

/* A settings file that names no agents or hooks has those of its folder. */
static void name_defaults(struct settings *settings)
{
    if (!settings->agents_given)
        settings->agents[settings->agent_count++] = span_text("agents/*.lua");
    if (!settings->hooks_given) settings->hooks[settings->hook_count++] = span_text("hooks/*.lua");
}

static enum status configure(struct world_node *node, const struct settings *settings,
                             struct span *error)
{
    bool used = life_use_store(node, settings, node->error);
    *error = span_text(node->error);
    if (!used) return STATUS_IO;
    ledger_begins(node->book, node->store != NULL);
    node->mailbox_max = settings->mailbox_count_max;
    node_configure(node->node, settings, span_text(node->goes_by ? node->goes_by : node->name));
    bool recovered = life_recover(node, node->error);
    *error = span_text(node->error);
    place_watch(node);
    return recovered ? STATUS_OK : STATUS_IO;
}

enum status world_node_start(struct world_node *node, const struct settings *settings,
                             struct span *error)
{
    struct settings own = *settings;
    if (own.file.size > 0) name_defaults(&own);
    bool first = node->listen_count == 0;
    for (size_t i = 0; i < own.listen_count; i++)
        if (first) listen_at(node, own.listen[i]);
    enum status status = configure(node, &own, error);
    if (status == STATUS_OK) status = node_load(node->node, error);
    if (status == STATUS_OK) node_start(node->node);
    return status;
}

static bool answers_to(const struct world_node *node, struct span name)
{
    if (span_equal(span_text(node->name), name)) return true;
    for (size_t i = 0; i < node->listen_count; i++)
        if (span_equal(span_text(node->listens[i]), name)) return true;
    return false;
}

struct world_node *world_find(struct world *world, struct span name)
{
    struct world_node *node = world->nodes;
    if (name.size == 0) return node;
    while (node && (node->leaving || !answers_to(node, name))) node = node->next;
    return node;
}

struct world_node *world_next(struct world *world, struct world_node *node)
{
    return node ? node->next : world->nodes;
}

void place_forget(struct world *world, struct world_node *node)
{
    struct world_node **slot = &world->nodes;
    while (*slot != node) slot = &(*slot)->next;
    *slot = node->next;
    if (!node->next) world->nodes_tail = slot;
    pipe_node_gone(world, node);
    for (size_t i = 0; i < node->listen_count; i++) free(node->listens[i]);
    free(node->listens);
    free(node->pipes);
    free(node->goes_by);
    free(node->name);
    node_free(node->node);
    medium_free(node->medium);
    free(node->held);
    free(node);
}

uint64_t world_waiter(struct world *world)
{
    return (uint64_t)1 << WAITER_MARK_BIT | ++world->waiters;
}
