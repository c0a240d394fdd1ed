/* How nodes of a world die and begin again, and what their disks do meanwhile.
 *
 *   up --crash--> down --revive, start--> up, with the next epoch
 *
 * A batch that is with the disk when its node dies is there or not, which the world's seed says. */
#include "sim/parts.h"

#include <stdio.h>
#include "store/check.h"

/* ---- its own code runs ---- */

static void die(struct world_node *node);

void life_step_begin(struct world_node *node)
{
    node->busy++;
}

void life_step_over(struct world_node *node)
{
    node->busy--;
    if (node->dying && node->busy == 0) die(node);
}

void world_busy_begin(struct world_node *node)
{
    life_step_begin(node);
}

void world_busy_end(struct world_node *node)
{
    life_step_over(node);
}

/* ---- the disk ---- */

static int64_t draw_delay(struct world_node *node)
{
    int64_t most_ms = node->medium->commit_ms_max;
    return most_ms > 0 ? (int64_t)(world_random(node->world) % (uint64_t)(most_ms + 1)) : 0;
}

/* Jobs of a disk are done in their order. */
static struct happening *disk_job(struct world_node *node, enum happening_kind kind)
{
    int64_t now_ms = node->world->now_ms, free_ms = node->disk_free_ms;
    int64_t done_ms = (free_ms > now_ms ? free_ms : now_ms) + draw_delay(node);
    struct happening *job = happen(node->world, kind, done_ms - now_ms);
    job->node = node;
    node->disk_free_ms = done_ms;
    return job;
}

void life_commit(struct world_node *node, struct batch *batch)
{
    if (node->dying) {
        batch_free(batch);
        return;
    }
    struct happening *job = disk_job(node, HAPPEN_COMMIT);
    job->batch = batch;
    ledger_sealed(node->book);
    node->writing = batch;
}

void life_load(struct world_node *node, struct load *load)
{
    if (node->dying)
        load_free(load);
    else
        disk_job(node, HAPPEN_LOAD)->load = load;
}

static bool write_batch(struct world_node *node, const struct batch *batch)
{
    return node->store->engine->commit(node->store, batch->ops, batch->op_count) == STATUS_OK;
}

static void say(struct world_node *node, enum log_level level, const char *text)
{
    struct log_record record = {.level = level, .text = span_text(text)};
    world_keep_line(node->world, span_text(node->name), &record);
}

/* Nobody knows what is on a disk that failed, and nothing was answered. */
static void commit_failed(struct world_node *node, struct batch *batch)
{
    char text[STORE_ERROR_BYTES + 64];
    snprintf(text, sizeof text, "the store failed: %s; the process ends (74)",
             node->store->engine->error(node->store));
    say(node, LOG_ERROR, text);
    node->writing = batch;
    world_crash(node);
    batch_free(batch);
}

void life_committed(struct world_node *node, struct batch *batch)
{
    if (!write_batch(node, batch)) {
        commit_failed(node, batch);
        return;
    }
    node->writing = NULL;
    ledger_durable(node->book);
    struct store_room room = node->store->engine->room(node->store);
    life_step_begin(node); /* a hook may end the process at a fact that is told now */
    node_committed(node->node, batch, &room);
    life_step_over(node);
}

void life_loaded(struct world_node *node, struct load *load)
{
    ensure(store_load(node->store, load) == STATUS_OK);
    node_loaded(node->node, load);
}

struct medium *world_medium(struct world_node *node)
{
    return node->medium;
}

static void ignore_finding(void *user, struct span key, const char *what)
{
    (void)user, (void)key, (void)what;
}

size_t world_store_check(struct world_node *node,
                         void (*found)(void *user, struct span key, const char *what), void *user)
{
    struct check_calls calls = {user, found};
    struct check_counts counts;
    struct store *store = medium_open(node->medium);
    enum status status = store_check(store, &calls, &counts);
    store->engine->close(store);
    return status == STATUS_OK ? counts.findings : 1;
}

size_t world_records(struct world_node *node)
{
    struct check_calls calls = {NULL, NULL};
    struct check_counts counts;
    struct store *store = medium_open(node->medium);
    calls.found = ignore_finding;
    enum status status = store_check(store, &calls, &counts);
    store->engine->close(store);
    return status == STATUS_OK ? counts.records : 0;
}

char world_flip(struct world_node *node, char kind)
{
    char hit = medium_flip(node->medium, kind, world_random(node->world));
    node->damaged |= hit != 0;
    if (hit) ledger_damaged(node->book);
    return hit;
}

/* ---- the end ---- */

/* What its disk was at when it died may have been done. */
static void finish_writing(struct world_node *node)
{
    bool kept = node->writing && world_random(node->world) % 2 == 0;
    if (kept) medium_keep(node->medium, node->writing);
    ledger_died(node->book, kept);
    node->writing = NULL;
    node->disk_free_ms = 0;
}

static void die(struct world_node *node)
{
    finish_writing(node);
    happen_held(node);
    pipe_node_died(node);
    node_free(node->node);
    node->node = NULL;
    node->store = NULL;
    node->dying = node->awake = node->stopped = false;
}

void world_crash(struct world_node *node)
{
    if (!node->node || node->dying) return;
    node->found = node->inhand;
    say(node, LOG_WARN, "the process is gone");
    node->dying = true;
    node_abandon(node->node);
    if (node->busy == 0) die(node);
}

bool world_is_up(const struct world_node *node)
{
    return node->node && !node->dying;
}

/* ---- standing still ---- */

void world_stop(struct world_node *node)
{
    node->stopped = node->node != NULL;
}

void world_go_on(struct world_node *node)
{
    node->stopped = false;
    node->awake = true;
    happen_held(node);
}

/* ---- the next life ---- */

void world_revive(struct world_node *node)
{
    ensure(!node->node);
    place_make(node);
}

/* A store whose id and epoch the world was told. */
static void write_identity(struct world_node *node, struct store *store)
{
    struct identity identity = {.epoch = node->first_epoch - 1};
    memcpy(identity.store_id, node->store_id, STORE_ID_BYTES);
    ensure(identity_write(store, &identity) == STATUS_OK);
}

bool life_use_store(struct world_node *node, const struct settings *settings, char *error)
{
    if (!settings->store_on_disk || !node->medium) return true;
    struct store *store = medium_open(node->medium);
    struct identity found;
    bool fresh = identity_read(store, &found) == STATUS_OK && found.epoch == 0;
    if (fresh && node->store_id[0] && node->first_epoch > 1) write_identity(node, store);
    node->store = store;
    return node_use_store(node->node, store, span_of(NULL, 0), error);
}

static void say_damage(struct world_node *node, size_t damaged)
{
    char text[64];
    snprintf(text, sizeof text, "%zu damaged record%s set aside", damaged, damaged == 1 ? "" : "s");
    say(node, LOG_ERROR, text);
}

bool life_recover(struct world_node *node, char *error)
{
    struct node_found found;
    if (!node->store) return true;
    engine_blame(node_engine(node->node), &node->found);
    node->found = (struct inhand){.running = 0};
    if (!node_recover(node->node, &found, error)) return false;
    if (found.damaged > 0) say_damage(node, found.damaged);
    script_host_inhand(node_host(node->node), &node->inhand);
    return true;
}
