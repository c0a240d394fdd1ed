/* The latest start of each store that was here, so that an earlier one is recognised for good.
 *
 * A first start is not remembered: none can be older. So the stores in memory of passing clients,
 * each of them new, leave nothing behind. */
#include "core/parts.h"

enum { EPOCH_FIRST = 1 };

static struct span store_of(const struct store_epoch *known)
{
    return span_of(known->store_id, STORE_ID_BYTES);
}

static void unlist(struct engine *engine, struct store_epoch *known)
{
    *(known->older ? &known->older->newer : &engine->epoch_oldest) = known->newer;
    *(known->newer ? &known->newer->older : &engine->epoch_newest) = known->older;
}

static void list_newest(struct engine *engine, struct store_epoch *known)
{
    known->newer = NULL;
    known->older = engine->epoch_newest;
    *(known->older ? &known->older->newer : &engine->epoch_oldest) = known;
    engine->epoch_newest = known;
}

static bool is_linked(const struct engine *engine, const struct store_epoch *known)
{
    for (const struct link *link = engine->links; link; link = link->next)
        if (link->state == LINK_UP && memcmp(link->store_id, known->store_id, STORE_ID_BYTES) == 0)
            return true;
    return false;
}

static void forget_one(struct engine *engine)
{
    char key[RECORD_KEY_MAX];
    struct store_epoch *known = engine->epoch_oldest;
    while (known && is_linked(engine, known)) known = known->newer;
    if (!known) return;
    engine_changes(engine, false);
    batch_delete(engine->open, record_epoch_key(key, store_of(known)));
    unlist(engine, known);
    map_remove(&engine->epochs, store_of(known));
    free(known);
}

static struct store_epoch *remember(struct engine *engine, struct span store_id)
{
    if (engine->epochs.count >= EPOCHS_MAX) forget_one(engine);
    struct store_epoch *known = calloc(1, sizeof *known);
    ensure(known != NULL);
    memcpy(known->store_id, store_id.bytes, STORE_ID_BYTES);
    map_add(&engine->epochs, store_of(known), known);
    return known;
}

static void put(struct engine *engine, const struct store_epoch *known)
{
    char key[RECORD_KEY_MAX], value[8];
    put_u64(value, known->epoch);
    engine_changes(engine, false);
    batch_put(engine->open, record_epoch_key(key, store_of(known)), span_of(value, sizeof value),
              NULL);
}

enum status epoch_recover(struct engine *engine, struct span key, struct span value)
{
    if (key.size != 1 + STORE_ID_BYTES || value.size != 8) return STATUS_DAMAGED;
    struct store_epoch *known = remember(engine, span_of(key.bytes + 1, STORE_ID_BYTES));
    known->epoch = get_u64(value.bytes);
    list_newest(engine, known);
    return STATUS_OK;
}

bool epoch_is_current(struct engine *engine, const struct hello *hello)
{
    struct store_epoch *known = map_find(&engine->epochs, hello->store_id);
    if (known && hello->epoch < known->epoch) return planted(PLANT_FENCE_OPEN);
    if (!known && hello->epoch <= EPOCH_FIRST) return true;
    if (known)
        unlist(engine, known);
    else
        known = remember(engine, hello->store_id);
    list_newest(engine, known);
    if (hello->epoch == known->epoch) return true;
    known->epoch = hello->epoch;
    put(engine, known);
    return true;
}

void epoch_free(struct engine *engine)
{
    while (engine->epoch_oldest) {
        struct store_epoch *known = engine->epoch_oldest;
        engine->epoch_oldest = known->newer;
        free(known);
    }
    map_deinit(&engine->epochs);
}
